//! The processors that a benchmark runs on: which process has which, and that none of them goes to sleep.

#![allow(
    unsafe_code,
    reason = "no library has the policy of the scheduler for what runs only when nothing else does"
)]

use std::hint::spin_loop;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::libc;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The thread that asks.
const SELF: Pid = Pid::from_raw(0);

/// Where a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the first processor that it may use.
    First,
    /// On the second one, or on the first if there is no other.
    Second,
}

/// Has this thread, and those that it starts from now on, run at `place`.
///
/// # Errors
///
/// What the system says.
pub fn stay_at(place: Place) -> io::Result<()> {
    let all = usable()?;
    let processor = match place {
        Place::First => all.first(),
        Place::Second => all.get(1).or(all.first()),
    };
    match processor {
        Some(processor) => stay_on(*processor),
        None => Ok(()),
    }
}

/// Runs `work` at `place`, and all threads that it starts.
///
/// # Errors
///
/// What the system says.
pub fn at<T: Send>(place: Place, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let worker = scope.spawn(move || stay_at(place).map(|()| work()));
        worker.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Keeps the processors awake while it lives, with threads that run only when nothing else does.
///
/// A virtual processor that sleeps is lent to others, who give it back when they like: what is then measured is
/// them. That goes for ours as for every baseline.
#[derive(Debug)]
pub struct Awake {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Awake {
    /// Starts a thread on each processor that this one may use.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn start() -> io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let mut awake = Self {
            over: over.clone(),
            threads: Vec::new(),
        };
        for processor in usable()? {
            let over = over.clone();
            let thread = thread::Builder::new().name(format!("awake {processor}"));
            awake.threads.push(thread.spawn(move || {
                // One that took turns with what is measured would be worse than none.
                if stay_on(processor).and_then(|()| run_last()).is_ok() {
                    while !over.load(Ordering::Relaxed) {
                        spin_loop();
                    }
                }
            })?);
        }
        Ok(awake)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It does nothing that could panic.
            _ = thread.join();
        }
    }
}

/// Returns the processors that this thread may use.
fn usable() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(SELF)?;
    let is_in = |processor: &usize| set.is_set(*processor).unwrap_or(false);
    Ok((0..CpuSet::count()).filter(is_in).collect())
}

fn stay_on(processor: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    Ok(sched_setaffinity(SELF, &set)?)
}

/// Has this thread run only when no other one wants to.
fn run_last() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameters are read during the call, which changes nothing but this thread's turn.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_where_it_was_placed_and_no_further_than_it_may() {
        let all = usable().unwrap();
        let placed = |place| at(place, || usable().unwrap()).unwrap();
        assert_eq!(placed(Place::First), all[..1]);
        let second = *all.get(1).unwrap_or(&all[0]);
        assert_eq!(placed(Place::Second), [second]);
        assert_eq!(usable().unwrap(), all);
    }

    #[test]
    fn what_keeps_awake_ends_when_it_is_dropped() {
        let awake = Awake::start().unwrap();
        assert_eq!(awake.threads.len(), usable().unwrap().len());
        let over = awake.over.clone();
        drop(awake);
        assert!(over.load(Ordering::Relaxed));
        assert_eq!(Arc::strong_count(&over), 1);
    }
}
