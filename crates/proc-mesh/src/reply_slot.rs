//! What the ordinal of a reply means: which gathering it belongs to, and whose it is.
//!
//! A reply to a cast carries one number back. It is one of ours, so we put three things into it: the
//! gathering that waits for it, and the rank that replies or the branch that could not be reached.

/// Whose reply it is, or whose absence it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// The member at this rank of the whole mesh.
    Rank(u32),
    /// All members below this branch: the message did not reach its head.
    Branch(u32),
}

/// The ordinal of a reply, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplySlot {
    /// Which of the gatherings behind the port that takes the reply; at most [`MAX_GATHERING`].
    pub(crate) gathering: u32,
    pub(crate) from: From,
}

/// The highest number of a gathering.
pub(crate) const MAX_GATHERING: u32 = u32::MAX >> 1;

/// The bit of an ordinal that tells a branch from a rank.
const BRANCH: u64 = 1 << 63;

impl ReplySlot {
    /// The slot of the member at `rank`.
    pub(crate) fn of_rank(gathering: u32, rank: u32) -> Self {
        ReplySlot {
            gathering,
            from: From::Rank(rank),
        }
    }

    /// The slot of all members below `branch`.
    pub(crate) fn of_branch(gathering: u32, branch: u32) -> Self {
        ReplySlot {
            gathering,
            from: From::Branch(branch),
        }
    }

    /// The ordinal for this slot.
    pub(crate) fn ordinal(self) -> u64 {
        let (bit, index) = match self.from {
            From::Rank(rank) => (0, rank),
            From::Branch(branch) => (BRANCH, branch),
        };
        bit | u64::from(self.gathering & MAX_GATHERING) << 32 | u64::from(index)
    }

    /// The slot for this ordinal.
    pub(crate) fn of_ordinal(ordinal: u64) -> Self {
        let index = (ordinal & u64::from(u32::MAX)) as u32;
        let gathering = ((ordinal & !BRANCH) >> 32) as u32;
        let from = if ordinal & BRANCH == 0 {
            From::Rank(index)
        } else {
            From::Branch(index)
        };
        ReplySlot { gathering, from }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MAX_GATHERING, ReplySlot};

    proptest! {
        #[test]
        fn a_slot_and_its_ordinal_are_one(
            gathering in 0..=MAX_GATHERING,
            index in any::<u32>(),
            is_branch in any::<bool>(),
        ) {
            let slot = match is_branch {
                true => ReplySlot::of_branch(gathering, index),
                false => ReplySlot::of_rank(gathering, index),
            };
            prop_assert_eq!(ReplySlot::of_ordinal(slot.ordinal()), slot);
        }
    }
}
