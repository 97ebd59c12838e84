//! How children that were spawned from a factory are made anew: how often, how soon, and which others
//! with them.

mod again;
mod group;
mod round;
mod rule;

use std::time::Duration;

pub(crate) use self::again::Again;
pub use self::group::RestartGroup;
pub(crate) use self::group::{Restarts, Standing};
pub(crate) use self::round::restart;

/// How often children are made anew before their parent gives up, and how long it waits before.
///
/// The default is 3 times within 10 s, after the pauses of [`Backoff::default`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use hypermesh_actor::{Backoff, RestartPolicy};
///
/// let policy = RestartPolicy {
///     max: 5,
///     within: Duration::from_secs(60),
///     backoff: Backoff::NONE,
/// };
/// assert_eq!(RestartPolicy::default().max, 3);
/// assert_ne!(policy, RestartPolicy::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// How many restarts there may be in any span of `within`. 0 allows none.
    pub max: u32,
    /// The span.
    pub within: Duration,
    /// How long to wait before a restart.
    pub backoff: Backoff,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            max: 3,
            within: Duration::from_secs(10),
            backoff: Backoff::default(),
        }
    }
}

/// The pauses before restarts: the first, and twice as long with each further restart that is still
/// within the span of the policy.
///
/// They are not spread at random: the children of one parent do not compete for anything.
///
/// The default is 100 ms, doubled up to 10 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Backoff {
    /// No pauses.
    pub const NONE: Self = Self {
        first: Duration::ZERO,
        longest: Duration::ZERO,
    };

    /// Returns the pause before the `n`-th restart within the span, from 1 on.
    pub fn pause(&self, n: u32) -> Duration {
        let times = 1_u32.checked_shl(n.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(times).min(self.longest)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
        }
    }
}

/// Which members of a group are made anew when one of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// The one that ended.
    OneForOne,
    /// All members: those that live are stopped first.
    OneForAll,
    /// The one that ended and those that were spawned after it, which are stopped first.
    RestForOne,
}
