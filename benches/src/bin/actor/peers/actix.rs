//! Actors of actix, on two threads of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use ::actix::prelude::*;
use hypermesh_benches::Outcome;

use crate::library::{Adder, Library};
use crate::ours::{Add, Next};

/// The library, with its system.
pub(crate) struct Actix {
    system: System,
    /// Each is a thread.
    arbiters: [Arbiter; 2],
    n_started: AtomicUsize,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Actix {
    /// Starts its threads.
    pub(crate) fn start() -> Outcome<Self> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let thread = thread::spawn(move || {
            let runner = System::new();
            let system = System::current();
            let arbiters = [Arbiter::new(), Arbiter::new()];
            // If nobody hears this, nobody stops the system either.
            if sender.send((system, arbiters)).is_err() {
                return Ok(());
            }
            runner.run()
        });
        let (system, arbiters) = receiver.recv()?;
        Ok(Self {
            system,
            arbiters,
            n_started: AtomicUsize::new(0),
            thread,
        })
    }

    /// Ends them.
    pub(crate) fn stop(self) -> Outcome<()> {
        for arbiter in self.arbiters {
            arbiter.stop();
            _ = arbiter.join();
        }
        self.system.stop();
        match self.thread.join() {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err("the thread of actix panicked".into()),
        }
    }
}

pub(crate) struct Adding(Adder);

impl Actor for Adding {
    type Context = Context<Self>;
}

impl ::actix::Message for Add {
    type Result = ();
}

impl ::actix::Message for Next {
    type Result = u64;
}

impl ::actix::Message for End {
    type Result = ();
}

/// Ends the actor.
struct End;

impl Handler<Add> for Adding {
    type Result = ();

    fn handle(&mut self, Add(n): Add, _cx: &mut Context<Self>) {
        self.0.add(n);
    }
}

impl Handler<Next> for Adding {
    type Result = u64;

    fn handle(&mut self, Next(n): Next, _cx: &mut Context<Self>) -> u64 {
        n + 1
    }
}

impl Handler<End> for Adding {
    type Result = ();

    fn handle(&mut self, _end: End, cx: &mut Context<Self>) {
        cx.stop();
    }
}

impl Library for Actix {
    const NAME: &'static str = "actix 0.13";
    type Handle = Addr<Adding>;

    async fn start(&self, adder: Adder) -> Outcome<Self::Handle> {
        let idx = self.n_started.fetch_add(1, Ordering::Relaxed) % self.arbiters.len();
        let handle = self.arbiters[idx].handle();
        Ok(Adding::start_in_arbiter(&handle, |_cx| Adding(adder)))
    }

    async fn tell(handle: &Self::Handle, n: u64) -> Outcome<()> {
        handle.do_send(Add(n));
        Ok(())
    }

    async fn ask(handle: &Self::Handle, n: u64) -> Outcome<u64> {
        Ok(handle.send(Next(n)).await?)
    }

    async fn stop(&self, handle: Self::Handle) -> Outcome<()> {
        Ok(handle.send(End).await?)
    }
}
