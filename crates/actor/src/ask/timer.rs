//! Timers that work wherever they are polled.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::cell::AnyCell;

/// Returns a timer of the runtime that makes it, or of the proc of `cell` when it is another executor
/// that does.
pub(crate) fn timer(due: Instant, cell: Option<&Arc<dyn AnyCell>>) -> Sleep {
    let runtime = match Handle::try_current() {
        Ok(_) => None,
        Err(_) => cell.map(|cell| cell.core().proc().runtime().clone()),
    };
    let _entered = runtime.as_ref().map(Handle::enter);
    sleep_until(due)
}
