//! What a process of this program is when the program started it itself, by its first argument.

use hypermesh::channel::ChannelAddr;
use hypermesh_benches::Outcome;
use serde::{Deserialize, Serialize};
use tokio::select;

use crate::load::{Bulk, Integers, Kind, Small};
use crate::peer::parent_gone;
use crate::transport::Transport;
use crate::{gateway, in_task, ours, ping_pong, raw, round_trip, tls};

/// What the child is there for. Each role that is not `Raw…` ends with its standard input; for those that
/// are, this is the socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Serves messages and receives them.
    Read(ours::Reading),
    /// Serves messages over TLS and receives them.
    ReadTls(tls::Reading),
    /// Carries the links of others on.
    Gateway(Transport),
    /// Receives frames.
    RawRead(raw::Reading),
    /// Receives the messages of ZeroMQ.
    #[cfg(feature = "zmq")]
    ZeroMqRead(crate::zeromq::Reading),
    /// Sends each message back to `answer_at`, and receives bulk beside that.
    Echo {
        transport: Transport,
        /// Over the link that it came by if `None`.
        answer_at: Option<ChannelAddr>,
    },
    /// Sends each frame back.
    RawEcho(Transport),
}

impl Role {
    /// Tells whether it is one of the two ends of a figure, each of which has a processor of its own. ZeroMQ has several threads
    /// at each end and runs where the system likes, as what is between the ends does.
    pub(crate) fn is_an_end(&self) -> bool {
        match self {
            Self::Gateway(_) => false,
            #[cfg(feature = "zmq")]
            Self::ZeroMqRead(_) => false,
            _ => true,
        }
    }

    /// Is that child, until the parent has no more use for it.
    pub(crate) async fn play(self) -> Outcome<()> {
        match self {
            Self::Read(reading) => {
                let work = async move {
                    match reading.kind {
                        Kind::Small => ours::read::<Small>(reading).await,
                        Kind::Integers => ours::read::<Integers>(reading).await,
                        Kind::Bulk(_) => ours::read::<Bulk>(reading).await,
                    }
                };
                while_wanted(work).await
            }
            Self::ReadTls(reading) => while_wanted(tls::read(reading)).await,
            Self::Gateway(transport) => gateway::serve(transport).await,
            Self::RawRead(reading) => raw::read(&reading),
            #[cfg(feature = "zmq")]
            Self::ZeroMqRead(reading) => {
                let work = tokio::task::spawn_blocking(move || crate::zeromq::read(&reading));
                while_wanted(async { work.await? }).await
            }
            Self::Echo {
                transport,
                answer_at,
            } => while_wanted(round_trip::echo(transport, answer_at)).await,
            Self::RawEcho(transport) => in_task(ping_pong::echo(transport)).await,
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
