//! The cases that are measured one way: which message, how many of them, and the bar.

use hypermesh_benches::{Limit, Unit};

use crate::load::Kind;
use crate::ours::{Counting, Reading};
use crate::transport::Transport;

/// One size of message.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Messages of a repetition, ours and those of ZeroMQ: about a tenth of a second.
    pub(crate) n: u64,
    /// Frames of a repetition of the baseline, which is faster.
    pub(crate) n_raw: u64,
    /// Messages of the count of allocations.
    pub(crate) n_counted: u64,
    /// Of our rate over that of the baseline.
    pub(crate) limit: Limit,
}

pub(crate) const SMALL: Case = Case {
    name: "64 B",
    kind: Kind::Small,
    n: 1_000_000,
    n_raw: 6_000_000,
    n_counted: 100_000,
    limit: Limit::RatioAtLeast(0.25),
};

/// Beside the above it shows what large integers cost.
pub(crate) const INTEGERS: Case = Case {
    name: "64 B of integers",
    kind: Kind::Integers,
    limit: Limit::Any,
    ..SMALL
};

const MEDIUM: Case = Case {
    name: "4 KiB",
    kind: Kind::Bulk(4 << 10),
    n: 40_000,
    n_raw: 40_000,
    n_counted: 20_000,
    limit: Limit::RatioAtLeast(0.7),
};

pub(crate) const LARGE: Case = Case {
    name: "1 MiB",
    kind: Kind::Bulk(1 << 20),
    // Three tenths of a second: the figure is near its bar, and shorter ones differ more than that.
    n: 1024,
    n_raw: 1024,
    n_counted: 100,
    limit: Limit::RatioAtLeast(0.85),
};

const HUGE: Case = Case {
    name: "64 MiB",
    kind: Kind::Bulk(64 << 20),
    n: 4,
    n_raw: 4,
    n_counted: 3,
    limit: Limit::RatioAtLeast(0.85),
};

/// Those with bytes that travel beside a message.
pub(crate) const BULK: [Case; 3] = [MEDIUM, LARGE, HUGE];

impl Case {
    /// Returns what rates are in, and what a rate of messages is to be multiplied with for that: small messages are
    /// counted, large ones by their bytes.
    pub(crate) fn unit(&self) -> (Unit, f64) {
        match self.kind {
            Kind::Small | Kind::Integers => (Unit::PerSecond, 1.0),
            Kind::Bulk(size) => (Unit::BytesPerSecond, size as f64),
        }
    }

    /// Returns what a reader does for this case.
    pub(crate) fn reading(&self, transport: Transport, counting: Counting) -> Reading {
        let n = match counting {
            Counting::Off => self.n,
            Counting::Busy | Counting::Keeping | Counting::AtRest => self.n_counted,
        };
        Reading {
            transport,
            kind: self.kind,
            n,
            counting,
        }
    }
}
