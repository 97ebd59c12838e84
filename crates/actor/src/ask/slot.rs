//! The place where the answer to a question of the same proc is put, once. One allocation and no task.
//!
//! # Invariants
//!
//! - **INV-1**: the first answer stays; who asked takes it at most once.
//! - **INV-2**: who waits is woken by the answer, and by the loss of the right to answer.
//! - **INV-3**: no code of a user runs under the lock.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::question::{Asked, Question};
use crate::call_error::CallError;

/// The place for the answer to one question.
pub(crate) struct Slot<R> {
    question: Question,
    /// How many values of a stream may be on their way; 0 for a plain answer.
    window: u32,
    /// The state is `Answered` or `Lost`: set before who waits is woken.
    settled: AtomicBool,
    state: Mutex<State<R>>,
}

enum State<R> {
    Waiting(Option<Waker>),
    Answered(Result<R, CallError>),
    /// Nobody can answer any more.
    Lost,
    /// Nobody wants the answer any more, or it was taken.
    Over,
}

impl<R> Slot<R> {
    pub(crate) fn new(question: Question, window: u32) -> Self {
        Self {
            question,
            window,
            settled: AtomicBool::new(false),
            state: Mutex::new(State::Waiting(None)),
        }
    }

    pub(crate) fn question(&self) -> &Question {
        &self.question
    }

    /// Returns how many values of a stream may be on their way; 0 for a plain answer.
    pub(crate) fn window(&self) -> u32 {
        self.window
    }

    /// Puts the answer in; false if nobody wants it.
    pub(crate) fn answer(&self, result: Result<R, CallError>) -> bool {
        self.settle(State::Answered(result))
    }

    /// Says that nobody will answer.
    pub(crate) fn lose(&self) {
        self.settle(State::Lost);
    }

    /// Says that nobody wants the answer.
    pub(crate) fn abandon(&self) {
        let old = mem::replace(&mut *self.lock(), State::Over);
        drop(old);
    }

    pub(crate) fn is_wanted(&self) -> bool {
        !matches!(*self.lock(), State::Over)
    }

    /// Takes the answer without registering to be woken.
    pub(crate) fn try_take(&self) -> Option<Result<R, CallError>> {
        // Not a lock for each look: most answers are not there at the first one.
        if !self.settled.load(Ordering::Acquire) {
            return None;
        }
        Some(self.take(&mut self.lock()))
    }

    /// Takes the answer, or registers to be woken by it.
    pub(crate) fn poll_take(&self, cx: &Context<'_>) -> Poll<Result<R, CallError>> {
        let mut state = self.lock();
        if let State::Waiting(waker) = &mut *state {
            if waker.as_ref().is_none_or(|old| !old.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        Poll::Ready(self.take(&mut state))
    }

    fn take(&self, state: &mut State<R>) -> Result<R, CallError> {
        match mem::replace(state, State::Over) {
            State::Answered(result) => result,
            State::Lost | State::Over | State::Waiting(_) => Err(self.lost()),
        }
    }

    /// Returns why there is no answer, now that nobody can give one.
    fn lost(&self) -> CallError {
        match self.question.callee_cell() {
            Some(callee) => callee.core().lost_reply(),
            None => CallError::NoReply,
        }
    }

    fn settle(&self, new: State<R>) -> bool {
        let mut state = self.lock();
        let State::Waiting(waker) = &mut *state else {
            drop(state);
            return false;
        };
        let waker = waker.take();
        *state = new;
        self.settled.store(true, Ordering::Release);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        // INV-3
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Send> Asked for Slot<R> {
    fn question(&self) -> &Question {
        &self.question
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    use hypermesh_mailbox::ProcId;

    use super::*;
    use crate::ask::Callee;

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn slot() -> Slot<u64> {
        let callee = ProcId::new(1, 0, 0).actor(1, 0);
        Slot::new(Question::new(Callee::There(callee, "callee".into())), 0)
    }

    #[test]
    fn inv1_the_first_answer_stays_and_is_taken_once() {
        let slot = slot();
        assert_eq!(slot.try_take(), None);
        assert!(slot.answer(Ok(1)));
        assert!(!slot.answer(Ok(2)));
        slot.lose();
        assert_eq!(slot.try_take(), Some(Ok(1)));
        assert_eq!(slot.try_take(), Some(Err(CallError::NoReply)));
    }

    #[test]
    fn inv2_who_waits_is_woken_once_by_an_answer_and_by_its_loss() {
        for lost in [false, true] {
            let (slot, woken) = (slot(), Arc::new(Woken::default()));
            let waker = woken.clone().into();
            let cx = Context::from_waker(&waker);
            assert_eq!(slot.poll_take(&cx), Poll::Pending);
            assert_eq!(slot.poll_take(&cx), Poll::Pending);
            let expected = match lost {
                true => Err(CallError::NoReply),
                false => Ok(1),
            };
            match lost {
                true => slot.lose(),
                false => assert!(slot.answer(Ok(1))),
            }
            assert_eq!(woken.0.load(Ordering::Relaxed), 1);
            assert_eq!(slot.poll_take(&cx), Poll::Ready(expected));
        }
    }

    #[test]
    fn an_abandoned_slot_takes_no_answer() {
        let slot = slot();
        assert!(slot.is_wanted());
        slot.abandon();
        assert!(!slot.is_wanted());
        assert!(!slot.answer(Ok(1)));
    }
}
