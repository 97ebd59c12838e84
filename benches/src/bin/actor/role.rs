//! What a process of this program is when the program started it itself, by its first argument.

use hypermesh::channel::ChannelAddr;
use hypermesh_benches::Outcome;
use hypermesh_benches::peer::parent_gone;
use serde::{Deserialize, Serialize};
use tokio::select;

use crate::{idle, in_task, links};

/// What the child is there for. Each ends with its standard input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Measures so many idle actors and says what they cost.
    Idle(idle::Case),
    /// Serves messages of the channel layer and counts them.
    Read,
    /// Sends each message of the channel layer back to `answer_at`.
    Echo { answer_at: ChannelAddr },
    /// Has an actor that counts messages and answers questions.
    Actor,
}

impl Role {
    /// Is that child, until the parent has no more use for it.
    pub(crate) async fn play(self) -> Outcome<()> {
        match self {
            Self::Idle(case) => idle::measure_here(case).await,
            Self::Read => while_wanted(links::read()).await,
            Self::Echo { answer_at } => while_wanted(links::echo(answer_at)).await,
            Self::Actor => while_wanted(links::serve_actor()).await,
        }
    }
}

/// Does `work` until it ends or the parent wants no more of it.
async fn while_wanted(work: impl Future<Output = Outcome<()>> + Send + 'static) -> Outcome<()> {
    select! {
        outcome = in_task(work) => outcome,
        outcome = parent_gone() => outcome,
    }
}
