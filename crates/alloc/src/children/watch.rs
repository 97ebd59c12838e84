//! The thread behind [`Children`](super::Children): one loop over all descriptors of all children.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    panic::{AssertUnwindSafe, catch_unwind},
    process::ChildStderr,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{Signal, killpg},
    unistd::{Pid, getpgid},
};

use super::{
    child::{ChildEvent, ChildKey, ChildSpec, Verdict},
    control::Control,
    exit::ExitFacts,
    forward::Forward,
    ladder::{Climb, Ladder, Rung},
    live::Live,
    spawn::{self, Spawned},
    tail::Tail,
};
use crate::{
    bootstrap::{FrameKind, encode_frame},
    kernel,
};

/// The most bytes of one child's stderr that are read in one turn, so that a child that prints
/// without pause holds nobody up.
const STDERR_PER_TURN: usize = 64 * 1024;
/// The most bytes that are still read of an ended child's stderr: more than a pipe holds.
const STDERR_AT_EXIT: usize = 1024 * 1024;

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Request {
    Spawn(ChildKey, Box<ChildSpec>),
    Stop(ChildKey, Ladder),
    Kill(ChildKey),
    StopAll(Ladder),
    /// Kill what is left, and end once it is reaped.
    Close,
}

/// A child that runs, or that has ended and is not reaped yet.
#[derive(Debug)]
struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    control: Control,
    stderr: Option<ChildStderr>,
    tail: Tail,
    label: String,
    climb: Option<Climb>,
    requested: bool,
    /// When its first report is due, as long as there was none.
    report_due: Option<Instant>,
}

/// What poll(2) said about one descriptor.
#[derive(Clone, Copy, Debug)]
enum Ready {
    Wake,
    Forward,
    Control(ChildKey),
    Stderr(ChildKey),
    Ended(ChildKey),
}

/// The state of the thread.
pub(super) struct Watch<F> {
    requests: mpsc::Receiver<Request>,
    wake: UnixStream,
    on_event: F,
    live: Arc<Live>,
    forward: Forward,
    children: BTreeMap<ChildKey, Child>,
    is_closing: bool,
}

impl<F: Fn(ChildKey, ChildEvent) -> Verdict> Watch<F> {
    pub(super) fn new(
        requests: mpsc::Receiver<Request>,
        wake: UnixStream,
        on_event: F,
        live: Arc<Live>,
        forward: Forward,
    ) -> Self {
        let children = BTreeMap::new();
        Self {
            requests,
            wake,
            on_event,
            live,
            forward,
            children,
            is_closing: false,
        }
    }

    /// Runs until the owner has closed and no child is left.
    pub(super) fn run(mut self) {
        loop {
            self.take_requests();
            self.on_time();
            self.forward.flush();
            if self.is_closing && self.children.is_empty() {
                return;
            }
            for ready in self.wait() {
                match ready {
                    Ready::Wake => self.drain_wake(),
                    Ready::Forward => self.forward.flush(),
                    Ready::Control(key) => self.serve_control(key),
                    Ready::Stderr(key) => self.read_stderr(key, STDERR_PER_TURN),
                    Ready::Ended(key) => self.bury(key),
                }
            }
        }
    }

    /// Waits until a descriptor is ready or a rung of a ladder is due.
    fn wait(&self) -> Vec<Ready> {
        let mut polled = vec![(
            Ready::Wake,
            PollFd::new(self.wake.as_fd(), PollFlags::POLLIN),
        )];
        if let Some(fd) = self.forward.waits_for() {
            polled.push((Ready::Forward, PollFd::new(fd, PollFlags::POLLOUT)));
        }
        for (&key, child) in &self.children {
            if child.control.is_open() {
                let mut flags = PollFlags::POLLIN;
                flags.set(PollFlags::POLLOUT, child.control.wants_to_write());
                polled.push((
                    Ready::Control(key),
                    PollFd::new(child.control.socket(), flags),
                ));
            }
            if let Some(stderr) = &child.stderr {
                polled.push((
                    Ready::Stderr(key),
                    PollFd::new(stderr.as_fd(), PollFlags::POLLIN),
                ));
            }
            // Last, so that what a child said is told before its end.
            polled.push((
                Ready::Ended(key),
                PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN),
            ));
        }
        let (ready, mut fds): (Vec<_>, Vec<_>) = polled.into_iter().unzip();
        // An interrupted poll finds nothing; the loop comes round again.
        if poll(&mut fds, self.timeout()).is_err() {
            return Vec::new();
        }
        let pairs = ready.into_iter().zip(&fds);
        pairs
            .filter(|(_, fd)| fd.any() != Some(false))
            .map(|(ready, _)| ready)
            .collect()
    }

    fn timeout(&self) -> PollTimeout {
        let Some(due) = self.children.values().filter_map(Child::due).min() else {
            return PollTimeout::NONE;
        };
        // Rounded up, so that the rung is due when poll returns.
        let wait = due.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)
    }

    fn drain_wake(&mut self) {
        let mut buf = [0; 64];
        while self.wake.read(&mut buf).is_ok_and(|n| n != 0) {}
    }

    fn take_requests(&mut self) {
        loop {
            match self.requests.try_recv() {
                Ok(Request::Spawn(key, spec)) => self.spawn(key, *spec),
                Ok(Request::Stop(key, ladder)) => self.stop(key, ladder),
                Ok(Request::StopAll(ladder)) => self.stop_all(ladder),
                Ok(Request::Kill(key)) => {
                    if let Some(child) = self.children.get_mut(&key) {
                        child.requested = true;
                        child.signal(Signal::SIGKILL);
                    }
                }
                Ok(Request::Close) | Err(mpsc::TryRecvError::Disconnected) => {
                    if !self.is_closing {
                        self.is_closing = true;
                        self.stop_all(Ladder::kill());
                    }
                    return;
                }
                Err(mpsc::TryRecvError::Empty) => return,
            }
        }
    }

    fn spawn(&mut self, key: ChildKey, spec: ChildSpec) {
        let Spawned {
            pid,
            pidfd,
            control,
            stderr,
        } = match spawn::spawn(&spec) {
            Ok(spawned) => spawned,
            Err(error) => {
                self.tell(key, ChildEvent::StartFailed(error));
                self.live.remove();
                return;
            }
        };
        let child = Child {
            pid,
            pidfd,
            control,
            stderr: Some(stderr),
            tail: Tail::default(),
            label: spec.label,
            climb: None,
            requested: false,
            report_due: spec
                .report_within
                .and_then(|within| Instant::now().checked_add(within)),
        };
        self.children.insert(key, child);
        self.tell(
            key,
            ChildEvent::Started {
                pid: pid.as_raw().unsigned_abs(),
            },
        );
    }

    /// Lets a child begin to climb; an unknown one has ended already.
    fn stop(&mut self, key: ChildKey, ladder: Ladder) {
        if let Some(child) = self.children.get_mut(&key) {
            child.stop(ladder, Instant::now());
        }
    }

    fn stop_all(&mut self, ladder: Ladder) {
        let now = Instant::now();
        self.children
            .values_mut()
            .for_each(|child| child.stop(ladder, now));
    }

    /// Takes the rungs that are due, and kills those that are late with their first report.
    fn on_time(&mut self) {
        let now = Instant::now();
        let mut overdue = Vec::new();
        for (&key, child) in &mut self.children {
            child.climb(now);
            if child.report_due.take_if(|due| *due <= now).is_some() {
                child.signal(Signal::SIGKILL);
                overdue.push(key);
            }
        }
        for key in overdue {
            self.tell(key, ChildEvent::Overdue);
        }
    }

    fn serve_control(&mut self, key: ChildKey) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        let mut reports = Vec::new();
        child.control.flush();
        let read = child.control.read(|report| reports.push(report));
        if read.is_err() {
            child.signal(Signal::SIGKILL);
        }
        if !reports.is_empty() {
            child.report_due = None;
        }
        for report in reports {
            self.tell(key, ChildEvent::Report(report));
        }
        if let Err(error) = read {
            self.tell(key, ChildEvent::Garbled(error));
        }
    }

    /// Reads of a child's stderr what there is, about `limit` bytes at most.
    fn read_stderr(&mut self, key: ChildKey, limit: usize) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        let forward = &mut self.forward;
        let mut on_line = |line: &str| forward.line(&child.label, line);
        let mut buf = [0; 8192];
        let mut n_read = 0;
        while n_read < limit
            && let Some(stderr) = &mut child.stderr
        {
            match stderr.read(&mut buf) {
                Ok(n) if n != 0 => {
                    child.tail.push(&buf[..n], &mut on_line);
                    n_read += n;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => child.stderr = None,
            }
        }
    }

    /// Ends the account of a child that has ended: its last words, its group, its status.
    fn bury(&mut self, key: ChildKey) {
        self.serve_control(key);
        // INV-3: the child is a zombie, so its number, and its group's, are still its own.
        if let Some(child) = self.children.get(&key) {
            child.signal_group(Signal::SIGKILL);
        }
        // One that left the group may hold the pipe open for ever: what is in it now is enough.
        self.read_stderr(key, STDERR_AT_EXIT);
        let Some(mut child) = self.children.remove(&key) else {
            return;
        };
        let forward = &mut self.forward;
        child.tail.finish(|line| forward.line(&child.label, line));
        let status = kernel::reap(child.pidfd.as_fd());
        let facts = ExitFacts {
            status,
            stderr_tail: child.tail.text(),
            requested: child.requested,
            escalated: child.climb.as_ref().is_some_and(Climb::has_escalated),
        };
        self.tell(key, ChildEvent::Exited(facts)); // INV-4
        self.live.remove();
    }

    fn tell(&self, key: ChildKey, event: ChildEvent) {
        let verdict = catch_unwind(AssertUnwindSafe(|| (self.on_event)(key, event)));
        match verdict {
            Ok(Verdict::Keep) => {}
            Ok(Verdict::Kill) => {
                if let Some(child) = self.children.get(&key) {
                    child.signal(Signal::SIGKILL);
                }
            }
            Err(_) => tracing::error!(%key, "the receiver of a child's event panicked"),
        }
    }
}

impl Child {
    /// Returns when something is to be done about it next.
    fn due(&self) -> Option<Instant> {
        let climb = self.climb.as_ref().and_then(Climb::due);
        climb.into_iter().chain(self.report_due).min()
    }

    fn stop(&mut self, ladder: Ladder, now: Instant) {
        self.requested = true;
        match &mut self.climb {
            Some(climb) => climb.hurry(ladder, now),
            None => self.climb = Some(Climb::new(ladder, now)),
        }
    }

    fn climb(&mut self, now: Instant) {
        let Some(climb) = &mut self.climb else {
            return;
        };
        if !self.control.is_open() {
            climb.skip_drain(now);
        }
        match climb.on_time(now) {
            None => {}
            Some(Rung::Drain) => {
                let within = u64::try_from(climb.drain_time(now).as_millis()).unwrap_or(u64::MAX);
                let frame = encode_frame(FrameKind::Drain, &within.to_le_bytes());
                self.control
                    .post(&frame.expect("eight bytes are no long body"));
            }
            Some(Rung::Term) => self.signal(Signal::SIGTERM),
            Some(Rung::Kill) => self.signal(Signal::SIGKILL),
        }
    }

    /// Sends `signal` to the child and to its process group, once to each process.
    fn signal(&self, signal: Signal) {
        let leads_group = getpgid(Some(self.pid)) == Ok(self.pid);
        if !leads_group || signal == Signal::SIGKILL {
            let sent = kernel::pidfd_send_signal(self.pidfd.as_fd(), signal);
            if let Err(error) = sent {
                tracing::warn!(label = self.label, %signal, %error, "cannot signal a child");
            }
        }
        self.signal_group(signal);
    }

    /// Sends `signal` to the child's process group if the child is unreaped (INV-3).
    fn signal_group(&self, signal: Signal) {
        if kernel::is_unreaped(self.pidfd.as_fd()) {
            _ = killpg(self.pid, signal);
        }
    }
}
