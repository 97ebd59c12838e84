//! The running result of one reducer over encoded and local updates.
//!
//! # Invariants
//!
//! - **INV-1**: an update that fails leaves the result as it was.
//! - **INV-2**: the result of an in-order reducer does not depend on the order of arrival.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hypermesh_wire::{Any, Payload, TakeCause};

use crate::{Cause, ReduceError, Reducer};

/// Folds updates whose types are not known here.
pub(crate) trait Folder: Send + 'static {
    /// Folds the update of one sender.
    fn fold(&mut self, from: Option<u64>, input: Any) -> Result<(), FoldError>;

    /// Combines with an encoded result of the same reducer, over senders from `from` on.
    fn merge(&mut self, from: Option<u64>, state: Payload) -> Result<(), ReduceError>;

    /// Returns the encoded result, or `None` if nothing was folded; starts anew.
    fn encode(&mut self) -> Result<Option<Payload>, ReduceError>;
}

/// Why an update was not folded.
#[derive(Debug)]
pub(crate) enum FoldError {
    /// The update is given back.
    Refused(Box<Any>, Cause),
    /// The reducer took the update and failed.
    Failed(ReduceError),
}

impl Folder for Box<dyn Folder> {
    fn fold(&mut self, from: Option<u64>, input: Any) -> Result<(), FoldError> {
        (**self).fold(from, input)
    }

    fn merge(&mut self, from: Option<u64>, state: Payload) -> Result<(), ReduceError> {
        (**self).merge(from, state)
    }

    fn encode(&mut self) -> Result<Option<Payload>, ReduceError> {
        (**self).encode()
    }
}

/// The running result of the reducer `R`.
pub(crate) struct Fold<R: Reducer> {
    reducer: R,
    /// What was combined as it arrived.
    arrived: Option<R::Output>,
    /// What waits to be combined in order, by the first ordinal of each piece (INV-2).
    in_order: BTreeMap<u64, R::Output>,
}

impl<R: Reducer> Fold<R> {
    pub(crate) fn new(reducer: R) -> Self {
        Self {
            reducer,
            arrived: None,
            in_order: BTreeMap::new(),
        }
    }

    /// Returns the result so far, if anything was folded as it arrived.
    pub(crate) fn arrived(&self) -> Option<&R::Output> {
        self.arrived.as_ref()
    }

    /// Returns the result, and starts anew.
    pub(crate) fn finish(&mut self) -> Result<R::Output, ReduceError> {
        Ok(self.take()?.unwrap_or_else(|| self.reducer.unit()))
    }

    fn take(&mut self) -> Result<Option<R::Output>, ReduceError> {
        let last = self.arrived.take();
        let mut pieces = std::mem::take(&mut self.in_order).into_values().chain(last);
        let Some(mut acc) = pieces.next() else {
            return Ok(None);
        };
        for piece in pieces {
            caught(|| self.reducer.merge(&mut acc, piece))?;
        }
        Ok(Some(acc))
    }

    /// Folds an update that comes as itself.
    pub(crate) fn fold_value(
        &mut self,
        from: Option<u64>,
        input: R::Input,
    ) -> Result<(), ReduceError> {
        let Self {
            reducer,
            arrived,
            in_order,
        } = self;
        let mut acc = None;
        let slot = match from.filter(|_| R::IN_ORDER) {
            // A second piece at one place cannot be told apart from the first by its order.
            Some(from) if !in_order.contains_key(&from) => &mut acc,
            _ => arrived,
        };
        // The unit is stored only with the update in it, so that a failure leaves no trace (INV-1).
        match slot {
            Some(acc) => caught(|| reducer.fold(acc, input))?,
            None => {
                let mut first = caught(|| Ok(reducer.unit()))?;
                caught(|| reducer.fold(&mut first, input))?;
                *slot = Some(first);
            }
        }
        if let (Some(from), Some(piece)) = (from, acc) {
            in_order.insert(from, piece);
        }
        Ok(())
    }

    fn merge_value(&mut self, from: Option<u64>, other: R::Output) -> Result<(), ReduceError> {
        match from.filter(|from| R::IN_ORDER && !self.in_order.contains_key(from)) {
            Some(from) => _ = self.in_order.insert(from, other),
            None => match &mut self.arrived {
                Some(acc) => caught(|| self.reducer.merge(acc, other))?,
                none => *none = Some(other),
            },
        }
        Ok(())
    }
}

impl<R: Reducer> Folder for Fold<R> {
    fn fold(&mut self, from: Option<u64>, input: Any) -> Result<(), FoldError> {
        let input = input.take::<R::Input>().map_err(|error| {
            let cause = cause_of(&error.cause);
            FoldError::Refused(error.any, cause)
        })?;
        self.fold_value(from, input).map_err(FoldError::Failed)
    }

    fn merge(&mut self, from: Option<u64>, state: Payload) -> Result<(), ReduceError> {
        let other = hypermesh_wire::decode(&state)
            .map_err(|error| ReduceError::Decode(error.to_string().into()))?;
        self.merge_value(from, other)
    }

    fn encode(&mut self) -> Result<Option<Payload>, ReduceError> {
        let Some(result) = self.take()? else {
            return Ok(None);
        };
        let encoded = hypermesh_wire::encode(&result);
        encoded
            .map(Some)
            .map_err(|error| ReduceError::Encode(error.to_string().into()))
    }
}

/// Returns why a message could not be taken, in terms of delivery.
pub(crate) fn cause_of(cause: &TakeCause) -> Cause {
    match cause {
        TakeCause::WrongType { expected, .. } => Cause::WrongType {
            expected: *expected,
        },
        other => Cause::Decode(other.to_string().into()),
    }
}

/// Calls code of the reducer. A panic in it becomes an error: it must harm nobody but its port.
fn caught<T>(call: impl FnOnce() -> Result<T, ReduceError>) -> Result<T, ReduceError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|panic| Err(ReduceError::Panicked(panic_text(&*panic))))
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> Arc<str> {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    crate::world::cut(text.unwrap_or("a panic without text"), 512).into()
}

#[cfg(test)]
mod tests;
