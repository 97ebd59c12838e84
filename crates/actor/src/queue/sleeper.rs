//! Whom to wake: the task of the actor.
//!
//! A mutex around the waker, and beside it what it points to, so that the task, which comes here at the begin of
//! every poll with the same waker, takes no lock.
//!
//! # Invariants
//!
//! - **INV-1**: `data` and `vtable` are those of the waker in `waker`, or null. As long as it is in there its
//!   data is alive, so that no other waker has the same.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::{RawWakerVTable, Waker};

/// Whom to wake.
pub(super) struct Sleeper {
    data: AtomicPtr<()>,
    vtable: AtomicPtr<RawWakerVTable>,
    waker: Mutex<Option<Waker>>,
}

impl Sleeper {
    pub(super) fn new() -> Self {
        Self {
            data: AtomicPtr::new(ptr::null_mut()),
            vtable: AtomicPtr::new(ptr::null_mut()),
            waker: Mutex::default(),
        }
    }

    /// Sets whom to wake. Only the task of the actor calls it.
    #[inline]
    pub(super) fn register(&self, waker: &Waker) {
        // Relaxed: they were written by this task, whose polls come one after the other.
        let is_known = ptr::eq(self.data.load(Ordering::Relaxed), waker.data())
            && ptr::eq(self.vtable.load(Ordering::Relaxed), waker.vtable());
        if !is_known {
            self.replace(Some(waker.clone()));
        }
    }

    /// Forgets whom to wake.
    pub(super) fn unregister(&self) {
        self.replace(None);
    }

    /// Wakes the task.
    #[cold]
    pub(super) fn wake(&self) {
        // Under the lock, so that the waker need not be cloned. It is that of a task: to wake it puts it into a
        // queue of its runtime, and nothing of this actor runs before the lock is free.
        if let Some(waker) = &*self.lock() {
            waker.wake_by_ref();
        }
    }

    #[cold]
    fn replace(&self, new: Option<Waker>) {
        let mut waker = self.lock();
        let old = std::mem::replace(&mut *waker, new);
        let (data, vtable) = match &*waker {
            Some(waker) => (
                waker.data().cast_mut(),
                ptr::from_ref(waker.vtable()).cast_mut(),
            ),
            None => (ptr::null_mut(), ptr::null_mut()),
        };
        self.data.store(data, Ordering::Relaxed);
        self.vtable.store(vtable, Ordering::Relaxed);
        drop(waker);
        drop(old);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().expect("nothing panics under this lock")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn inv1_the_last_waker_that_was_registered_is_woken_and_no_clone_of_it_is_kept_in_vain() {
        let (first, second) = (Arc::<Wakes>::default(), Arc::<Wakes>::default());
        let sleeper = Sleeper::new();
        sleeper.wake();
        for _ in 0..3 {
            sleeper.register(&Waker::from(first.clone()));
        }
        assert_eq!(Arc::strong_count(&first), 2, "one clone is kept");
        sleeper.wake();
        sleeper.register(&Waker::from(second.clone()));
        assert_eq!(Arc::strong_count(&first), 1);
        sleeper.wake();
        sleeper.wake();
        sleeper.unregister();
        sleeper.wake();
        let seen = [&first, &second].map(|wakes| wakes.0.load(Ordering::SeqCst));
        assert_eq!(seen, [1, 2]);
        assert_eq!(Arc::strong_count(&second), 1);
        sleeper.register(&Waker::from(first.clone()));
        sleeper.wake();
        assert_eq!(first.0.load(Ordering::SeqCst), 2);
    }
}
