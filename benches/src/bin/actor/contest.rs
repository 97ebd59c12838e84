//! The figures of one process that everybody has: messages, questions, a fan-out.

use hypermesh_benches::{Figure, Limit, Outcome, Report, Rival, Unit};

use crate::channels::{Bounded, Unbounded};
use crate::library::{Library, ask_time, fan_out_rate, tell_rate};
use crate::ours::{Ours, OursBounded};
#[cfg(feature = "peers")]
use crate::peers;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Tell { n_senders: u64 },
    Ask,
    FanOut,
}

impl Task {
    const ALL: [Self; 4] = [
        Self::Tell { n_senders: 1 },
        Self::Tell { n_senders: 8 },
        Self::Ask,
        Self::FanOut,
    ];

    fn name(self) -> String {
        match self {
            Self::Tell { n_senders } => format!("tell {n_senders}->1"),
            Self::Ask => "ask".to_owned(),
            Self::FanOut => "fan-out to 1000".to_owned(),
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::Ask => Unit::Nanoseconds,
            Self::Tell { .. } | Self::FanOut => Unit::PerSecond,
        }
    }

    /// Returns the bar beside a bare channel of tokio.
    fn limit(self) -> Limit {
        match self {
            Self::Tell { .. } => Limit::RatioAtLeast(1.5),
            Self::Ask => Limit::RatioAtMost(1.3),
            Self::FanOut => Limit::RatioAtLeast(0.9),
        }
    }

    /// Takes a sample.
    async fn run<L: Library>(self, library: &L) -> Outcome<f64> {
        match self {
            Self::Tell { n_senders } => tell_rate(library, n_senders).await,
            Self::Ask => ask_time(library).await,
            Self::FanOut => fan_out_rate(library).await,
        }
    }

    /// Returns `library` as one beside whom ours is measured.
    pub(crate) fn rival<L: Library>(self, library: &L, limit: Limit) -> Rival<'_> {
        let name = format!("{} : {}", self.name(), L::NAME);
        Rival::new(Figure::new(name, self.unit(), limit), move || {
            self.run(library)
        })
    }
}

/// Measures each task beside everybody.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let ours = Ours::new("contest")?;
    let bounded = OursBounded(&ours);
    #[cfg(feature = "peers")]
    let others = peers::Peers::start()?;
    for task in Task::ALL {
        #[allow(unused_mut, reason = "without peers there are no more")]
        let mut rivals = vec![
            task.rival(&Unbounded, task.limit()),
            task.rival(&Bounded, Limit::Any),
            task.rival(&bounded, Limit::Any),
        ];
        #[cfg(feature = "peers")]
        rivals.extend(others.rivals(task));
        report
            .compete(async || task.run(&ours).await, rivals)
            .await?;
    }
    #[cfg(feature = "peers")]
    others.stop()?;
    Ok(())
}
