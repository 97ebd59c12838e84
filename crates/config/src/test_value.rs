//! Values that tests give to settings, for a while.
//!
//! # Invariants
//!
//! - **INV-1**: a value for a thread is seen on no other thread.
//! - **INV-2**: a value for a thread counts over those for the process; of several the newest counts, in
//!   whatever order they go.

use std::any::Any;
use std::cell::RefCell;
use std::ptr;
use std::rc::Rc;

use crate::Setting;

thread_local! {
    /// What tests on this thread have set: the addresses of the settings and the values, the newest last.
    static VALUES: RefCell<Vec<(usize, Rc<dyn Any>)>> = const { RefCell::new(Vec::new()) };
}

/// A test's value of a setting for the whole process, which counts until this is dropped.
#[must_use = "dropping the guard ends the override"]
pub struct Override<T: Clone + Send + Sync + 'static> {
    setting: &'static Setting<T>,
    ticket: u64,
}

impl<T: Clone + Send + Sync + 'static> Override<T> {
    pub(crate) fn new(setting: &'static Setting<T>, value: T) -> Self {
        let mut ticket = 0;
        setting.change(|layers| ticket = layers.push_test(value));
        Self { setting, ticket }
    }
}

impl<T: Clone + Send + Sync + 'static> Drop for Override<T> {
    fn drop(&mut self) {
        self.setting
            .change(|layers| layers.remove_test(self.ticket));
    }
}

/// A test's value of a setting for one thread, which counts until this is dropped. It stays on its thread.
#[must_use = "dropping the guard ends the override"]
pub struct ThreadOverride<T: Clone + Send + Sync + 'static> {
    setting: &'static Setting<T>,
    value: Rc<dyn Any>,
}

impl<T: Clone + Send + Sync + 'static> ThreadOverride<T> {
    pub(crate) fn new(setting: &'static Setting<T>, value: T) -> Self {
        let value: Rc<dyn Any> = Rc::new(value);
        let entry = (address(setting), Rc::clone(&value));
        VALUES.with(|values| values.borrow_mut().push(entry));
        setting.change(|layers| layers.n_threads += 1);
        Self { setting, value }
    }
}

impl<T: Clone + Send + Sync + 'static> Drop for ThreadOverride<T> {
    fn drop(&mut self) {
        // Nobody reads it any more if the thread has dropped its values already.
        _ = VALUES.try_with(|values| {
            let is_other = |entry: &(usize, Rc<dyn Any>)| !Rc::ptr_eq(&entry.1, &self.value);
            values.borrow_mut().retain(is_other);
        });
        self.setting.change(|layers| layers.n_threads -= 1);
    }
}

/// Returns the value that a test has given to `setting` on this thread.
pub(crate) fn of_this_thread<T: Clone + 'static>(setting: &Setting<T>) -> Option<Rc<T>> {
    let newest = |values: &RefCell<Vec<(usize, Rc<dyn Any>)>>| {
        let values = values.borrow();
        let mut newest = values.iter().rev();
        let entry = newest.find(|entry| entry.0 == address(setting))?;
        Some(Rc::clone(&entry.1))
    };
    let value = VALUES.try_with(newest).ok().flatten()?;
    value.downcast().ok()
}

fn address<T>(setting: &Setting<T>) -> usize {
    ptr::from_ref(setting).addr()
}
