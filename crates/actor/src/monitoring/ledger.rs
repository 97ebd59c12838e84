//! Who wants to know of the ends of which actors, and which procs are still heard of. Holds no lock,
//! clock, task or link; it is told what happens and says what is to be done.
//!
//! A proc is both ends of this: it has interests in actors of other procs, its *peers*, and other procs,
//! its *lessees*, watch actors of its own. A lessee renews its lease with everything it sends.
//!
//! # Invariants
//!
//! - **INV-1**: each waiter is told once, or its interest was given up before.
//! - **INV-2**: however many waiters an actor has here, its proc knows of one subscription.
//! - **INV-3**: an interest ends by the word of the actor's own proc, or when that proc is known to be dead
//!   or was not heard of for a whole lease; silence alone never says that an actor exited.
//! - **INV-4**: a lessee that is silent for its lease, or dead, watches nothing any more, and its children
//!   here are told to stop, or are without a parent if they were to be detached.
//! - **INV-5**: an actor has one parent: who asks to be another is refused while the lease of the first lives.
//! - **INV-6**: what others make this proc remember is bounded by [`MAX_WATCHED`] and [`MAX_STOPS`].
//! - **INV-7**: a proc that did not run for a third of a lease judges nobody until it has listened again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hypermesh_mailbox::{ActorId, Location, ProcId};
use tokio::time::Instant;

use super::Orphan;
use super::notice::{End, What};
use crate::exit::{Exit, Mode};

/// How many subscriptions of others a proc keeps.
const MAX_WATCHED: usize = 1 << 16;

/// How many requests to end actors that are yet to come a proc keeps.
const MAX_STOPS: usize = 1024;

/// How often a peer is told that this proc is there: so many times in a lease.
const BEATS: u32 = 3;

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Act<W> {
    /// Tell a proc.
    Send(ProcId, Location, What),
    /// Tell somebody here, for good.
    Tell(W, End),
    /// Ask an actor here to end.
    Request(ActorId, Mode),
}

/// The knowledge of one proc. `W` is who wants to know.
#[derive(Debug)]
pub(super) struct Ledger<W> {
    me: ProcId,
    lease: Duration,
    next_waiter: u64,
    interests: BTreeMap<ActorId, Interest<W>>,
    peers: BTreeMap<ProcId, Peer>,
    watched: BTreeMap<ActorId, BTreeSet<Watcher>>,
    n_watched: usize,
    wards: BTreeMap<ActorId, Ward>,
    lessees: BTreeMap<ProcId, Lessee>,
    stops: BTreeMap<ActorId, (ProcId, Mode)>,
    /// The actors that an actor of this proc is linked with.
    links: BTreeMap<ActorId, BTreeSet<ActorId>>,
}

#[derive(Debug)]
struct Interest<W> {
    /// What tells the actor's proc of the interest, if it is to be told again.
    announce: What,
    waiters: BTreeMap<u64, W>,
}

/// A proc that has actors of interest.
#[derive(Debug)]
struct Peer {
    location: Location,
    actors: BTreeSet<ActorId>,
    heard: Instant,
    beat: Instant,
    /// A notice to it may be lost: subscriptions are to be sent again.
    repeat: bool,
}

/// Who watches an actor here, by which id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Watcher {
    proc: ProcId,
    asked: ActorId,
}

/// An actor here whose parent lives elsewhere.
#[derive(Debug)]
struct Ward {
    parent: ActorId,
    orphan: Orphan,
}

#[derive(Debug)]
struct Lessee {
    home: Location,
    until: Instant,
    n_watched: usize,
}

impl<W> Ledger<W> {
    pub(super) fn new(me: ProcId, lease: Duration) -> Self {
        Self {
            me,
            lease,
            next_waiter: 0,
            interests: BTreeMap::new(),
            peers: BTreeMap::new(),
            watched: BTreeMap::new(),
            n_watched: 0,
            wards: BTreeMap::new(),
            lessees: BTreeMap::new(),
            stops: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    /// Returns how many actors are of interest, and how many subscriptions others have.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.interests.len(), self.n_watched)
    }

    /// Returns who wants to know of which actor.
    pub(super) fn waiters(&self) -> impl Iterator<Item = (ActorId, &W)> {
        self.interests.iter().flat_map(|(&actor, interest)| {
            let waiters = interest.waiters.values();
            waiters.map(move |waiter| (actor, waiter))
        })
    }

    /// Records that `waiter` wants to know of the end of `actor`, and returns the number to give the
    /// interest up by. An `adoption` is what tells the actor's proc again that this is a child; it has been
    /// told for the first time by other means.
    pub(super) fn watch(
        &mut self,
        actor: ActorId,
        location: &Location,
        waiter: W,
        adoption: Option<What>,
        now: Instant,
    ) -> (u64, Vec<Act<W>>) {
        let number = self.next_waiter;
        self.next_waiter += 1;
        let interest = self.interests.entry(actor).or_insert_with(|| Interest {
            announce: What::Watch { actor },
            waiters: BTreeMap::new(),
        });
        let is_first = interest.waiters.is_empty();
        interest.waiters.insert(number, waiter);
        let is_told = adoption.is_some();
        if let Some(adoption) = adoption {
            interest.announce = adoption;
        }
        // INV-2
        if !is_first || (actor.proc == self.me && !is_told) {
            return (number, Vec::new());
        }
        let (lease, location) = (self.lease, location.clone());
        let peer = self.peers.entry(actor.proc).or_insert_with(|| Peer {
            location,
            actors: BTreeSet::new(),
            heard: now,
            beat: now + lease / BEATS,
            repeat: false,
        });
        peer.actors.insert(actor);
        let watch = Act::Send(actor.proc, peer.location.clone(), What::Watch { actor });
        (number, if is_told { vec![] } else { vec![watch] })
    }

    /// Gives up the interest of one waiter.
    pub(super) fn unwatch(&mut self, actor: ActorId, number: u64) -> Vec<Act<W>> {
        let Some(interest) = self.interests.get_mut(&actor) else {
            return Vec::new();
        };
        interest.waiters.remove(&number);
        self.lose_interest(actor)
    }

    /// Gives up the interests in `actor` of the waiters that are `given_up`.
    pub(super) fn unwatch_where(
        &mut self,
        actor: ActorId,
        given_up: impl Fn(&W) -> bool,
    ) -> Vec<Act<W>> {
        let Some(interest) = self.interests.get_mut(&actor) else {
            return Vec::new();
        };
        interest.waiters.retain(|_, waiter| !given_up(waiter));
        self.lose_interest(actor)
    }

    /// An actor of this proc has ended.
    pub(super) fn local_ended(&mut self, actor: ActorId, exit: &Exit) -> Vec<Act<W>> {
        let mut acts = self.tell(actor, &End::Exited(exit.clone()));
        self.wards.remove(&actor);
        let watchers = self.watched.remove(&actor).unwrap_or_default();
        for watcher in watchers {
            let Watcher { proc, asked } = watcher;
            if let Some(lessee) = self.lessees.get(&proc) {
                let end = End::Exited(exit.clone());
                let what = What::Ended { actor: asked, end };
                acts.push(Act::Send(proc, lessee.home.clone(), what));
            }
            self.lose_watcher(watcher);
        }
        acts
    }

    /// The proc `peer` says that an actor of its own has ended (INV-3).
    pub(super) fn remote_ended(&mut self, peer: ProcId, actor: ActorId, end: &End) -> Vec<Act<W>> {
        if actor.proc != peer {
            return Vec::new();
        }
        self.tell(actor, end)
    }

    /// Something came from `peer`.
    pub(super) fn heard(&mut self, peer: ProcId, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.heard = now;
        }
    }

    /// A notice to `peer` may be lost: the interests are told again with the next beat.
    pub(super) fn repeat(&mut self, peer: ProcId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.repeat = true;
        }
    }

    /// Tells `peer` again of all interests in its actors: it knows of none.
    pub(super) fn announce_again(&mut self, proc: ProcId) -> Vec<Act<W>> {
        let Some(peer) = self.peers.get_mut(&proc) else {
            return Vec::new();
        };
        peer.repeat = false;
        let interests = peer
            .actors
            .iter()
            .filter_map(|actor| self.interests.get(actor));
        interests
            .map(|interest| Act::Send(proc, peer.location.clone(), interest.announce.clone()))
            .collect()
    }

    /// The proc `peer` is dead or cannot be reached: all interests in its actors end by `end`. If it is
    /// only unreachable, its own lease here goes on.
    pub(super) fn gone(&mut self, peer: ProcId, end: &End) -> Vec<Act<W>> {
        let mut acts = match end {
            End::ProcDied(_) => self.expire(peer),
            _ => Vec::new(),
        };
        let actors = self.peers.remove(&peer).map(|peer| peer.actors);
        for actor in actors.unwrap_or_default() {
            acts.extend(self.tell(actor, end));
        }
        acts
    }

    /// Something came from the proc `lessee`, at `home`, whose lease is as long as `lease`.
    pub(super) fn renew(&mut self, lessee: ProcId, home: &Location, lease: Duration, now: Instant) {
        let n_watched = self.lessees.get(&lessee).map_or(0, |old| old.n_watched);
        let renewed = Lessee {
            home: home.clone(),
            until: now + lease,
            n_watched,
        };
        self.lessees.insert(lessee, renewed);
    }

    /// Tells whether `lessee` watches anything here.
    pub(super) fn is_lessee(&self, lessee: ProcId) -> bool {
        let lessee = self.lessees.get(&lessee);
        lessee.is_some_and(|lessee| 0 < lessee.n_watched)
    }

    /// Records that `actor` of this proc is linked with `other`.
    pub(super) fn link(&mut self, actor: ActorId, other: ActorId) {
        self.links.entry(actor).or_default().insert(other);
    }

    /// Records that it is not any more.
    pub(super) fn unlink(&mut self, actor: ActorId, other: ActorId) {
        if let Some(others) = self.links.get_mut(&actor) {
            others.remove(&other);
            if others.is_empty() {
                self.links.remove(&actor);
            }
        }
    }

    /// Returns the actors that `actor` of this proc is linked with.
    pub(super) fn links_of(&self, actor: ActorId) -> Vec<ActorId> {
        let others = self.links.get(&actor).into_iter().flatten();
        others.copied().collect()
    }

    /// Records that `lessee` watches `actor`, which it knows as `asked`; false if there are too many
    /// (INV-6).
    pub(super) fn watched_by(&mut self, lessee: ProcId, asked: ActorId, actor: ActorId) -> bool {
        if MAX_WATCHED <= self.n_watched {
            return false;
        }
        let watcher = Watcher {
            proc: lessee,
            asked,
        };
        let is_new = self.watched.entry(actor).or_default().insert(watcher);
        self.n_watched += usize::from(is_new);
        if let Some(lessee) = self.lessees.get_mut(&lessee) {
            lessee.n_watched += usize::from(is_new);
        }
        true
    }

    /// Records that `lessee` does not watch `actor`, which it knows as `asked`, any more.
    pub(super) fn unwatched_by(&mut self, lessee: ProcId, asked: ActorId, actor: ActorId) {
        let watcher = Watcher {
            proc: lessee,
            asked,
        };
        let Some(watchers) = self.watched.get_mut(&actor) else {
            return;
        };
        let was_there = watchers.remove(&watcher);
        if watchers.is_empty() {
            self.watched.remove(&actor);
        }
        if was_there {
            self.lose_watcher(watcher);
        }
    }

    /// Makes `parent` the parent of the actor `child`, or returns the one that it has (INV-5).
    pub(super) fn adopt(
        &mut self,
        child: ActorId,
        parent: ActorId,
        orphan: Orphan,
    ) -> Result<(), ActorId> {
        match self.wards.get(&child) {
            Some(ward) if ward.parent != parent => Err(ward.parent),
            _ => {
                self.wards.insert(child, Ward { parent, orphan });
                Ok(())
            }
        }
    }

    /// Forgets the parent of an actor that did not come to be.
    pub(super) fn disown(&mut self, child: ActorId) {
        self.wards.remove(&child);
    }

    /// Returns the parent of `child`, if it lives in another proc.
    pub(super) fn parent_of(&self, child: ActorId) -> Option<ActorId> {
        self.wards.get(&child).map(|ward| ward.parent)
    }

    /// Remembers that `from` wants an actor to end that is yet to come (INV-6).
    pub(super) fn stop_ahead(&mut self, from: ProcId, actor: ActorId, mode: Mode) {
        if self.stops.len() < MAX_STOPS || self.stops.contains_key(&actor) {
            let stop = self.stops.entry(actor).or_insert((from, mode));
            stop.1 = stop.1.max(mode);
        }
    }

    /// Returns how `from` wanted the actor to end before it was there.
    pub(super) fn take_stop(&mut self, from: ProcId, actor: ActorId) -> Option<Mode> {
        let (by, mode) = self.stops.get(&actor).copied()?;
        (by == from).then(|| {
            self.stops.remove(&actor);
            mode
        })
    }

    /// Returns when [`tick`](Self::tick) is to be called next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let silence = |peer: &Peer| peer.beat.min(peer.heard + self.lease);
        let peers = self.peers.values().map(silence);
        let lessees = self.lessees.values().map(|lessee| lessee.until);
        peers.chain(lessees).min()
    }

    /// Gives everybody the time to be heard, if this proc itself did not run (INV-7).
    fn excuse(&mut self, now: Instant) {
        let grace = self.lease / BEATS;
        if self.next_due().is_none_or(|due| now < due + grace) {
            return;
        }
        let heard = |peer: &mut Peer| peer.heard = now;
        self.peers.values_mut().for_each(heard);
        let renew = |lessee: &mut Lessee| lessee.until = lessee.until.max(now + grace);
        self.lessees.values_mut().for_each(renew);
    }

    /// Does what is due at `now`: beats, and what follows from silence.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Act<W>> {
        self.excuse(now);
        let is_over = |(_, lessee): &(&ProcId, &Lessee)| lessee.until <= now;
        let over = self.lessees.iter().filter(is_over);
        let over: Vec<ProcId> = over.map(|(&proc, _)| proc).collect();
        let mut acts = Vec::new();
        for lessee in over {
            acts.extend(self.expire(lessee));
        }
        let lease = self.lease;
        let is_silent = |(_, peer): &(&ProcId, &Peer)| peer.heard + lease <= now;
        let silent = self.peers.iter().filter(is_silent);
        let silent: Vec<ProcId> = silent.map(|(&proc, _)| proc).collect();
        for peer in silent {
            let why = format!("proc {peer} was not heard of for {lease:?}");
            acts.extend(self.gone(peer, &End::Unreachable(why)));
        }
        for (&proc, peer) in &mut self.peers {
            if now < peer.beat {
                continue;
            }
            peer.beat = now + lease / BEATS;
            acts.push(Act::Send(proc, peer.location.clone(), What::Beat));
        }
        let is_doubtful = |(_, peer): &(&ProcId, &Peer)| peer.repeat;
        let doubtful = self.peers.iter().filter(is_doubtful);
        let doubtful: Vec<ProcId> = doubtful.map(|(&proc, _)| proc).collect();
        for peer in doubtful {
            acts.extend(self.announce_again(peer));
        }
        acts
    }

    /// Ends what `lessee` has here (INV-4).
    fn expire(&mut self, lessee: ProcId) -> Vec<Act<W>> {
        self.lessees.remove(&lessee);
        self.stops.retain(|_, (from, _)| *from != lessee);
        let mut n_left = 0;
        self.watched.retain(|_, watchers| {
            watchers.retain(|watcher| watcher.proc != lessee);
            n_left += watchers.len();
            !watchers.is_empty()
        });
        self.n_watched = n_left;
        let mut acts = Vec::new();
        self.wards.retain(|&child, ward| {
            let is_orphan = ward.parent.proc == lessee;
            if is_orphan && ward.orphan == Orphan::Stop {
                acts.push(Act::Request(child, Mode::Stop));
            }
            !is_orphan
        });
        acts
    }

    /// Counts a subscription that is over. A lessee with none is forgotten when its lease ends.
    fn lose_watcher(&mut self, Watcher { proc, .. }: Watcher) {
        self.n_watched -= 1;
        if let Some(lessee) = self.lessees.get_mut(&proc) {
            lessee.n_watched -= 1;
        }
    }

    /// Tells all who wait for the end of `actor` (INV-1).
    fn tell(&mut self, actor: ActorId, end: &End) -> Vec<Act<W>> {
        let Some(interest) = self.interests.remove(&actor) else {
            return Vec::new();
        };
        self.forget_actor(actor);
        let waiters = interest.waiters.into_values();
        waiters
            .map(|waiter| Act::Tell(waiter, end.clone()))
            .collect()
    }

    /// Ends the subscription to `actor` if nobody waits for it.
    fn lose_interest(&mut self, actor: ActorId) -> Vec<Act<W>> {
        let interest = self.interests.get(&actor);
        if interest.is_none_or(|interest| !interest.waiters.is_empty()) {
            return Vec::new();
        }
        self.interests.remove(&actor);
        let location = self
            .peers
            .get(&actor.proc)
            .map(|peer| peer.location.clone());
        self.forget_actor(actor);
        let unwatch = |location| Act::Send(actor.proc, location, What::Unwatch { actor });
        location.map(unwatch).into_iter().collect()
    }

    /// Forgets an actor of a peer, and the peer with its last actor.
    fn forget_actor(&mut self, actor: ActorId) {
        if let Some(peer) = self.peers.get_mut(&actor.proc) {
            peer.actors.remove(&actor);
            if peer.actors.is_empty() {
                self.peers.remove(&actor.proc);
            }
        }
    }
}

#[cfg(test)]
mod tests;
