//! When a connector looks at which of its sessions. Holds no clock and no session.
//!
//! # Invariants
//!
//! - **INV-1**: a session has one time at most, the last one that it was given.
//! - **INV-2**: a session is due once when its time has come, and then has none until it is given another one.
//! - **INV-3**: what is done for one session does not grow with their number, but for the search of its place.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

/// The times of the sessions.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    by_time: BTreeSet<(Instant, u32)>,
    times: BTreeMap<u32, Instant>,
}

impl Agenda {
    /// Gives the session with this number a time in place of the one it had, or none.
    pub(super) fn set(&mut self, number: u32, time: Option<Instant>) {
        let before = match time {
            Some(time) => self.times.insert(number, time),
            None => self.times.remove(&number),
        };
        if let Some(before) = before {
            self.by_time.remove(&(before, number));
        }
        if let Some(time) = time {
            self.by_time.insert((time, number));
        } else if self.times.is_empty() {
            // An idle connection keeps no memory for what it has not to do.
            *self = Self::default();
        }
    }

    /// Returns the next session whose time has come (INV-2).
    pub(super) fn take_due(&mut self, now: Instant) -> Option<u32> {
        let (_, number) = *self.by_time.first().filter(|(time, _)| *time <= now)?;
        self.set(number, None);
        Some(number)
    }

    /// Returns the earliest time.
    pub(super) fn first(&self) -> Option<Instant> {
        self.by_time.first().map(|(time, _)| *time)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::Duration;

    use super::*;

    proptest! {
        #[test]
        fn inv1_inv2_it_does_what_a_look_at_all_times_would(
            steps in prop::collection::vec((0_u32..8, prop::option::of(0_u64..20)), 0..100),
        ) {
            let begin = Instant::now();
            let at = |time: u64| begin + Duration::from_secs(time);
            let mut agenda = Agenda::default();
            let mut model: BTreeMap<u32, u64> = BTreeMap::new();
            // A number 7 is a time that has come; the others get one, or have none any more.
            for (number, time) in steps {
                if number < 7 {
                    agenda.set(number, time.map(at));
                    match time {
                        Some(time) => _ = model.insert(number, time),
                        None => _ = model.remove(&number),
                    }
                    continue;
                }
                let now = time.unwrap_or(0);
                let mut due = Vec::new();
                while let Some(number) = agenda.take_due(at(now)) {
                    due.push(number);
                }
                due.sort_unstable();
                let expected: Vec<u32> = model
                    .iter()
                    .filter(|(_, time)| **time <= now)
                    .map(|(number, _)| *number)
                    .collect();
                prop_assert_eq!(&due, &expected);
                model.retain(|_, time| now < *time);
                prop_assert_eq!(agenda.first(), model.values().min().map(|time| at(*time)));
                prop_assert_eq!(agenda.by_time.len(), model.len());
            }
        }
    }
}
