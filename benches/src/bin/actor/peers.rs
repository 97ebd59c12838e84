//! The libraries of others, each as its documentation would have one use it for small messages: mailboxes without
//! a bound where there are such, and the cheapest way to tell.

mod actix;
mod coerce;
mod kameo;
mod kanal;
mod ractor;
mod xtra;

use hypermesh_benches::{Limit, Outcome, Rival};

use crate::contest::Task;

/// All of them.
pub(crate) struct Peers {
    kanal: kanal::Kanal,
    ractor: ractor::Ractor,
    kameo: kameo::Kameo,
    actix: actix::Actix,
    coerce: coerce::Coerce,
    xtra: xtra::Xtra,
}

impl Peers {
    /// Starts what they need to run.
    pub(crate) fn start() -> Outcome<Self> {
        Ok(Self {
            kanal: kanal::Kanal,
            ractor: ractor::Ractor,
            kameo: kameo::Kameo,
            actix: actix::Actix::start()?,
            coerce: coerce::Coerce::start(),
            xtra: xtra::Xtra,
        })
    }

    /// Returns each as one beside whom ours is measured: to be behind nobody is the bar.
    pub(crate) fn rivals(&self, task: Task) -> Vec<Rival<'_>> {
        let limit = match task {
            Task::Ask => Limit::RatioAtMost(1.0),
            Task::Tell { .. } | Task::FanOut => Limit::RatioAtLeast(1.0),
        };
        vec![
            task.rival(&self.kanal, limit),
            task.rival(&self.ractor, limit),
            task.rival(&self.kameo, limit),
            task.rival(&self.actix, limit),
            task.rival(&self.coerce, limit),
            task.rival(&self.xtra, limit),
        ]
    }

    /// Ends what they needed.
    pub(crate) fn stop(self) -> Outcome<()> {
        self.actix.stop()
    }
}
