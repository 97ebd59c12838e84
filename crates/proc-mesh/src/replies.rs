//! The caller's end of a call: the port that replies come to, and who of the callees dies meanwhile.

use std::sync::Arc;

use hypermesh_alloc::actor::mailbox::{
    DeathWatch, Location, PortHandle, PortId, PortReceiver, ProcId, RecvError,
};
use hypermesh_alloc::actor::{CallError, CastReply};
use hypermesh_wire::Payload;

use crate::cast::{Caster, Sent};
use crate::cast_frame::{Fold, ReplyRoute};
use crate::placement::Placement;
use crate::reply_slot::{From, ReplySlot};
use crate::selected::Selected;

/// The replies to one call.
pub(crate) struct Replies {
    port: PortId,
    location: Location,
    receiver: PortReceiver<CastReply>,
    _deaths: DeathWatch,
}

/// One reply: whose it is, and the encoded value.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) ranks: Vec<usize>,
    pub(crate) value: Result<Payload, CallError>,
}

impl Replies {
    /// Opens a port for the replies of the `selected` members.
    pub(crate) fn open(caster: &Caster, placement: &Arc<Placement>, selected: &Selected) -> Self {
        let (handle, receiver) = caster.mailbox.open_weighed_port(weight);
        let port = handle.bind();
        let (placement, ranks) = (placement.clone(), selected.ranks().clone());
        let observer = move |proc: ProcId, why: &str| {
            let rank = placement.rank_of(proc).filter(|rank| ranks.contains(*rank));
            if rank.is_some() {
                lose(&handle, proc.rank, why);
            }
        };
        Replies {
            port: port.id(),
            location: port.location().clone(),
            receiver,
            _deaths: caster.gateway.on_proc_death(Arc::new(observer)),
        }
    }

    /// The route by which replies come here.
    pub(crate) fn route(&self, fold: Option<Fold>) -> ReplyRoute {
        ReplyRoute {
            port: self.port,
            location: self.location.clone(),
            gathering: 0,
            fold,
        }
    }

    /// Waits for the next reply to `sent`.
    pub(crate) async fn next(&mut self, sent: &Sent) -> Result<Reply, RecvError> {
        Ok(Reply::open(self.receiver.recv().await?, sent))
    }

    /// Waits for `n_ranks` replies to `sent`, or for fewer if one of them is a failure, which may
    /// stand for many ranks.
    pub(crate) async fn next_batch(
        &mut self,
        sent: &Sent,
        n_ranks: usize,
    ) -> Result<impl Iterator<Item = Reply>, RecvError> {
        let replies = self.receiver.recv_batch(n_ranks as u64).await?;
        Ok(replies.into_iter().map(|reply| Reply::open(reply, sent)))
    }
}

impl Reply {
    fn open(reply: CastReply, sent: &Sent) -> Self {
        let ranks = match ReplySlot::of_ordinal(reply.ordinal).from {
            From::Rank(rank) => vec![rank as usize],
            From::Branch(branch) => sent.below(branch),
        };
        Reply {
            ranks,
            value: reply.result,
        }
    }
}

/// What `reply` counts for where replies of single ranks are waited for.
fn weight(reply: &CastReply) -> u32 {
    match (&reply.result, ReplySlot::of_ordinal(reply.ordinal).from) {
        (Ok(_), From::Rank(_)) => 1,
        _ => u32::MAX,
    }
}

/// Puts the death of the callee at `rank` among the replies.
fn lose(replies: &PortHandle<CastReply>, rank: u32, why: &str) {
    let ordinal = ReplySlot::of_rank(0, rank).ordinal();
    let reply = CastReply {
        ordinal,
        result: Err(CallError::ProcDied(why.to_owned())),
    };
    // If the port is closed, nobody waits for the reply any more.
    _ = replies.send(reply);
}
