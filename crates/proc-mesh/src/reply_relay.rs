//! Takes replies at a relay, so that they are folded on the way and not at the caller.
//!
//! A relay that may fold opens a split of the caller's port and takes the replies of its part of the
//! cast itself. Values go into the split; the reason of a missing value goes on to the caller, and the
//! split learns that it is missing.
//!
//! # Invariants
//!
//! - **INV-1**: what is kept here ends with its split, which ends at its deadline at the latest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use hypermesh_alloc::actor::mailbox::{
    CastOrdinal, DeathWatch, Envelope, FLAG_SILENT, Gateway, Location, Mailbox, Ordinals, PortId,
    ProcId, RawPort, SplitHandle,
};
use hypermesh_alloc::actor::{CallError, CastReply, Instance, Proc};
use hypermesh_wire::{Any, Payload, TypeKey};

use crate::cast_frame::{CastHop, Fold, ReplyRoute, ordinals, relay_port};
use crate::plan;
use crate::reply_slot::{From, MAX_GATHERING, ReplySlot};

/// The gatherings of one proc.
pub(crate) struct ReplyRelay {
    proc: Proc,
    /// What the splits belong to. Made for the first one: most procs never relay.
    owner: OnceLock<Owner>,
    gatherings: Arc<Mutex<Gatherings>>,
}

struct Owner {
    client: Instance<()>,
    _deaths: DeathWatch,
}

#[derive(Default)]
struct Gatherings {
    next: u32,
    open: HashMap<u32, Arc<Gathering>>,
}

/// The replies to one cast below this relay.
struct Gathering {
    world: u64,
    members: Ordinals,
    /// The number of this relay's leg in the whole cast.
    first: u32,
    /// The members of each leg from there on.
    legs: Vec<Ordinals>,
    fan_out: usize,
    split: RawPort,
    handle: SplitHandle,
    key: TypeKey,
    /// Where the reasons of missing values go.
    parent: ReplyRoute,
}

impl ReplyRelay {
    pub(crate) fn new(proc: &Proc) -> Self {
        ReplyRelay {
            proc: proc.clone(),
            owner: OnceLock::new(),
            gatherings: Arc::default(),
        }
    }

    /// The mailbox that splits of this proc are opened in.
    pub(crate) fn mailbox(&self) -> &Mailbox {
        self.owner().client.mailbox()
    }

    /// Takes over the replies to `hop`, if it can fold them: the route for those below.
    pub(crate) fn take_over(&self, hop: &CastHop) -> Option<ReplyRoute> {
        let parent = hop.folding_route()?;
        let (frame, fold) = (&hop.frame, parent.fold.clone()?);
        let members = ordinals(&frame.legs);
        let within = frame.cast.within;
        let split = self
            .mailbox()
            .open_split(fold.into, members.clone(), within);
        let (split, handle) = split.ok()?;
        let gathering = Gathering {
            world: frame.cast.world,
            members,
            first: hop.first,
            legs: frame
                .legs
                .iter()
                .map(|leg| ordinals(std::slice::from_ref(leg)))
                .collect(),
            fan_out: frame.cast.fan_out as usize,
            split: split.clone(),
            handle,
            key: fold.key,
            parent,
        };
        let gathering = self.lock().open(gathering);
        Some(ReplyRoute {
            port: relay_port(*self.proc.id()),
            location: self.proc.gateway().location(),
            gathering,
            fold: Some(Fold {
                into: split,
                key: fold.key,
            }),
        })
    }

    /// Takes one reply.
    pub(crate) fn on_reply(&self, reply: CastReply) {
        let slot = ReplySlot::of_ordinal(reply.ordinal);
        let gathering = self.lock().open.get(&slot.gathering).cloned();
        let Some(gathering) = gathering else {
            tracing::debug!(proc = %self.proc.id(), "a reply came after its gathering was over");
            return;
        };
        let gateway = self.proc.gateway();
        match (slot.from, reply.result) {
            (From::Rank(rank), Ok(value)) => {
                let Gathering { split, key, .. } = &*gathering;
                fold_into(gateway, split.id, rank.into(), *key, value);
            }
            (From::Rank(rank), Err(why)) => gathering.lose(gateway, [rank.into()], &why),
            (From::Branch(branch), Err(why)) => {
                gathering.lose(gateway, gathering.below(branch), &why);
            }
            // A branch does not reply.
            (From::Branch(_), Ok(_)) => {}
        }
    }

    fn owner(&self) -> &Owner {
        self.owner.get_or_init(|| {
            let gatherings = Arc::downgrade(&self.gatherings);
            let gateway = self.proc.gateway().clone();
            let deaths = self
                .proc
                .gateway()
                .on_proc_death(Arc::new(move |proc, why| {
                    on_death(&gatherings, &gateway, proc, why);
                }));
            Owner {
                client: self.proc.client("cast_relay"),
                _deaths: deaths,
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Gatherings> {
        lock(&self.gatherings)
    }
}

fn lock(gatherings: &Mutex<Gatherings>) -> MutexGuard<'_, Gatherings> {
    gatherings.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The members on a dead proc do not reply any more.
fn on_death(gatherings: &Weak<Mutex<Gatherings>>, gateway: &Gateway, proc: ProcId, why: &str) {
    let Some(gatherings) = gatherings.upgrade() else {
        return;
    };
    let concerned: Vec<Arc<Gathering>> = {
        let gatherings = lock(&gatherings);
        let waits = |gathering: &&Arc<Gathering>| {
            gathering.world == proc.world && gathering.members.contains(proc.rank.into())
        };
        gatherings.open.values().filter(waits).cloned().collect()
    };
    for gathering in concerned {
        gathering.lose(
            gateway,
            [proc.rank.into()],
            &CallError::ProcDied(why.to_owned()),
        );
    }
}

impl Gatherings {
    /// Keeps `gathering` under a number of its own, and forgets those that are over (INV-1).
    fn open(&mut self, gathering: Gathering) -> u32 {
        self.open.retain(|_, gathering| !gathering.handle.is_done());
        while self.open.contains_key(&self.next) {
            self.next = (self.next + 1) & MAX_GATHERING;
        }
        let number = self.next;
        self.next = (self.next + 1) & MAX_GATHERING;
        self.open.insert(number, Arc::new(gathering));
        number
    }
}

impl Gathering {
    /// The members of the run whose head is the leg `branch` of the whole cast.
    fn below(&self, branch: u32) -> Vec<u64> {
        let Some(head) = branch.checked_sub(self.first) else {
            return Vec::new();
        };
        let runs = plan::branches(0..self.legs.len(), self.fan_out);
        let run = plan::run_of(head as usize, runs, self.fan_out).unwrap_or(0..0);
        self.legs[run].iter().flat_map(Ordinals::iter).collect()
    }

    fn lose(&self, gateway: &Gateway, members: impl IntoIterator<Item = u64>, why: &CallError) {
        let members: Ordinals = members.into_iter().collect();
        for member in members.iter() {
            let rank = u32::try_from(member).unwrap_or(u32::MAX);
            let slot = ReplySlot::of_rank(self.parent.gathering, rank);
            self.parent
                .refuse(gateway, self.split.id.actor, slot, why.clone());
        }
        self.handle.missing(members);
    }
}

/// Puts the encoded `value` of `member` into a port that folds.
pub(crate) fn fold_into(
    gateway: &Gateway,
    port: PortId,
    member: u64,
    key: TypeKey,
    value: Payload,
) {
    let mut envelope = Envelope::of_any(port, Location::NONE, port.actor, Any::wire(key, value));
    // If the port is gone, what it was for is over.
    envelope.header.flags |= FLAG_SILENT;
    let stamped = CastOrdinal(member).stamp(&mut envelope.headers);
    stamped.expect("one small header has room");
    gateway.post(envelope);
}
