//! Panics in every part of an actor's life, and what is known of them.

use std::sync::{Arc, Barrier};

use hypermesh_actor::mailbox::Undelivered;
use hypermesh_actor::mailbox::channel::ChannelTransport;
use hypermesh_actor::{
    ActorHandle, ActorRef, ChildEvent, Cx, Departure, Directive, Executor, Exit, Failure,
    FailureCause, Message, Mode, Phase, Result, actor,
};

use crate::fixture::{Trace, gateway, proc, proc_on, within};

#[derive(Message)]
struct Work;
#[derive(Message)]
struct Post(ActorRef<Fragile>);
struct Meet(Arc<Barrier>, &'static str);
struct NewChild(Fragile);

/// Panics in one phase of its life.
struct Fragile {
    phase: Option<Phase>,
    trace: Trace,
}

impl Fragile {
    fn new(phase: Option<Phase>, trace: &Trace) -> Self {
        let trace = trace.clone();
        Self { phase, trace }
    }

    fn step(&self, phase: Phase) {
        self.trace.push(phase.to_string());
        if self.phase == Some(phase) {
            panic!("panic in {phase}");
        }
    }
}

#[actor]
impl Fragile {
    #[hook]
    async fn init(&mut self, _cx: &Cx<'_, Self>) -> Result<()> {
        self.step(Phase::Init);
        Ok(())
    }

    #[hook]
    async fn cleanup(&mut self, _cx: &Cx<'_, Self>, _: &Exit) -> Result<()> {
        self.step(Phase::Cleanup);
        Ok(())
    }

    #[hook]
    async fn on_child(&mut self, _cx: &Cx<'_, Self>, _: &ChildEvent) -> Result<Directive> {
        self.step(Phase::OnChild);
        Ok(Directive::Handled)
    }

    #[hook]
    async fn on_undeliverable(&mut self, _cx: &Cx<'_, Self>, _: Undelivered) -> Result<()> {
        self.step(Phase::OnUndeliverable);
        Ok(())
    }

    #[hook]
    async fn on_stop(&mut self, _cx: &Cx<'_, Self>, _: Mode) -> Result<Departure> {
        self.step(Phase::OnStop);
        Ok(Departure::Now)
    }

    #[handler]
    async fn work(&mut self, _cx: &Cx<'_, Self>, _: Work) {
        self.step(Phase::Handler);
    }

    #[handler]
    fn post(&mut self, cx: &Cx<'_, Self>, Post(to): Post) {
        // The receiver is on another proc: the bounce comes by itself.
        _ = to.tell(cx, Work);
    }

    #[handler(local)]
    fn new_child(
        &mut self,
        cx: &Cx<'_, Self>,
        NewChild(child): NewChild,
    ) -> Result<ActorHandle<Self>> {
        Ok(cx.spawn(child))
    }

    #[handler(local)]
    fn meet(&mut self, _cx: &Cx<'_, Self>, Meet(barrier, name): Meet) {
        barrier.wait();
        match name {
            "first" => panic_first(),
            _ => panic_second(),
        }
    }
}

fn panic_first() {
    panic!("the first panic");
}

fn panic_second() {
    panic!("the second panic");
}

fn failure(exit: &Exit) -> Failure {
    exit.failure().unwrap_or_else(|| panic!("{exit}")).clone()
}

/// Returns the first line of where a failure was.
fn place(failure: &Failure) -> String {
    let backtrace = failure.backtrace.clone().unwrap_or_default();
    backtrace.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_panic_in_any_phase_is_the_cause_with_its_place() {
    let phases = [
        Phase::Init,
        Phase::Handler,
        Phase::OnChild,
        Phase::OnUndeliverable,
        Phase::OnStop,
        Phase::Cleanup,
    ];
    for phase in phases {
        let gateway = gateway(ChannelTransport::Local);
        let (proc, other_proc) = (proc_on(&gateway, 0), proc_on(&gateway, 1));
        let trace = Trace::default();
        let sibling = proc.spawn(Fragile::new(None, &Trace::default()));
        let gone = other_proc.spawn(Fragile::new(None, &Trace::default()));
        gone.kill();
        within(gone.wait()).await;

        let fragile = proc.spawn(Fragile::new(Some(phase), &trace));
        match phase {
            Phase::Handler => _ = fragile.tell(Work),
            Phase::OnUndeliverable => _ = fragile.tell(Post(gone.bind())),
            Phase::OnChild => {
                let child = NewChild(Fragile::new(None, &Trace::default()));
                within(fragile.ask(child)).await.unwrap().kill();
            }
            Phase::OnStop | Phase::Cleanup => {
                within(fragile.ask(Work)).await.unwrap();
                fragile.stop();
            }
            _ => {}
        }
        let failure = failure(&within(fragile.wait()).await);
        assert_eq!(failure.cause, FailureCause::Panic { phase });
        assert_eq!(failure.message, format!("panic in {phase}"));
        assert!(
            place(&failure).contains("tests/it/panics.rs:"),
            "{:?}",
            failure.backtrace
        );
        let cleaned = trace
            .take()
            .iter()
            .any(|step| *step == Phase::Cleanup.to_string());
        assert_eq!(
            cleaned,
            phase == Phase::Cleanup,
            "no cleanup after a panic in {phase}"
        );
        assert_eq!(within(sibling.ask(Work)).await, Ok(()), "others go on");
    }
}

#[tokio::test]
async fn two_panics_at_once_do_not_mix() {
    let proc = proc();
    let line_of = |name: &str| {
        let source = include_str!("panics.rs");
        let line = source
            .lines()
            .position(|line| line.contains(&format!("panic!(\"the {name} panic\")")));
        line.unwrap() + 1
    };
    for _ in 0..20 {
        let barrier = Arc::new(Barrier::new(2));
        let mut actors = Vec::new();
        for name in ["first", "second"] {
            let fragile = Fragile::new(None, &Trace::default());
            let fragile = proc.spawn_on(&Executor::Thread, fragile);
            fragile.tell(Meet(barrier.clone(), name)).unwrap();
            actors.push((name, fragile));
        }
        for (name, fragile) in actors {
            let failure = failure(&within(fragile.wait()).await);
            assert_eq!(failure.message, format!("the {name} panic"));
            let expected = format!("panics.rs:{}:", line_of(name));
            assert!(
                place(&failure).contains(&expected),
                "{name}: {}",
                place(&failure)
            );
        }
    }
}

#[tokio::test]
async fn a_panic_that_is_resumed_has_no_place_of_another() {
    struct Resumer;
    #[actor]
    impl Resumer {
        #[handler]
        fn work(&mut self, _cx: &Cx<'_, Self>, _: Work) {
            // Its place stays with this thread until somebody asks for it.
            _ = std::panic::catch_unwind(|| panic!("caught by the actor itself"));
            std::panic::resume_unwind(Box::new("resumed"));
        }
    }
    let proc = proc();
    let resumer = proc.spawn(Resumer);
    resumer.tell(Work).unwrap();
    let failure = failure(&within(resumer.wait()).await);
    assert_eq!(
        (failure.message.as_str(), failure.backtrace.as_ref()),
        ("resumed", None)
    );
}
