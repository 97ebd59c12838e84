//! Two procs and what they say to each other, without links and clocks.

use std::time::Duration;

use super::*;

const LEASE: Duration = Duration::from_secs(30);
const ME: ProcId = ProcId::new(1, 0, 0);
const PEER: ProcId = ProcId::new(1, 1, 0);
const OTHER: ProcId = ProcId::new(1, 2, 0);

type Acts = Vec<Act<&'static str>>;

struct Rig {
    ledger: Ledger<&'static str>,
    begin: Instant,
}

impl Rig {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(ME, LEASE),
            begin: Instant::now(),
        }
    }

    fn at(&self, second: u64) -> Instant {
        self.begin + Duration::from_secs(second)
    }

    fn watch(&mut self, actor: ActorId, waiter: &'static str) -> (u64, Acts) {
        let now = self.begin;
        self.ledger.watch(actor, &Location::NONE, waiter, None, now)
    }

    fn renew(&mut self, lessee: ProcId, second: u64) {
        let now = self.at(second);
        self.ledger.renew(lessee, &Location::NONE, LEASE, now);
    }
}

fn send(to: ProcId, what: What) -> Act<&'static str> {
    Act::Send(to, Location::NONE, what)
}

fn exited() -> End {
    End::Exited(Exit::Stopped)
}

#[test]
fn inv1_each_waiter_is_told_once() {
    let mut rig = Rig::new();
    let actor = PEER.actor(7, 0);
    rig.watch(actor, "a");
    rig.watch(actor, "b");
    let told = rig.ledger.remote_ended(PEER, actor, &exited());
    assert_eq!(told, [Act::Tell("a", exited()), Act::Tell("b", exited())]);
    assert_eq!(rig.ledger.remote_ended(PEER, actor, &exited()), []);
    assert_eq!(rig.ledger.gone(PEER, &End::NotFound), []);
    assert_eq!(rig.ledger.counts(), (0, 0));
    assert_eq!(rig.ledger.next_due(), None);
    // Here as well.
    let own = ME.actor(7, 0);
    assert_eq!(rig.watch(own, "c").1, [], "nobody elsewhere is to know");
    let told = rig.ledger.local_ended(own, &Exit::Stopped);
    assert_eq!(told, [Act::Tell("c", exited())]);
    assert_eq!(rig.ledger.local_ended(own, &Exit::Stopped), []);
}

#[test]
fn inv2_many_waiters_are_one_subscription() {
    let mut rig = Rig::new();
    let actor = PEER.actor(7, 0);
    let (first, acts) = rig.watch(actor, "first");
    assert_eq!(acts, [send(PEER, What::Watch { actor })]);
    let others: Vec<u64> = (0..99)
        .map(|_| {
            let (number, acts) = rig.watch(actor, "other");
            assert_eq!(acts, []);
            number
        })
        .collect();
    assert_eq!(rig.ledger.unwatch(actor, first), []);
    let (last, others) = others.split_last().unwrap();
    for &number in others {
        assert_eq!(rig.ledger.unwatch(actor, number), []);
    }
    let acts = rig.ledger.unwatch(actor, *last);
    assert_eq!(acts, [send(PEER, What::Unwatch { actor })]);
    assert_eq!(rig.ledger.unwatch(actor, *last), []);
    // At the other end.
    rig.renew(PEER, 0);
    let own = ME.actor(7, 0);
    (0..3).for_each(|_| assert!(rig.ledger.watched_by(PEER, own, own)));
    assert_eq!(rig.ledger.counts(), (0, 1));
    rig.ledger.unwatched_by(PEER, own, own);
    rig.ledger.unwatched_by(PEER, own, own);
    assert_eq!(rig.ledger.counts(), (0, 0));
    assert!(!rig.ledger.is_lessee(PEER));
}

#[test]
fn inv3_only_its_own_proc_says_that_an_actor_ended() {
    let mut rig = Rig::new();
    let actor = PEER.actor(7, 0);
    rig.watch(actor, "a");
    assert_eq!(rig.ledger.remote_ended(OTHER, actor, &exited()), []);
    let why = End::ProcDied("exit status 1".to_owned());
    assert_eq!(rig.ledger.gone(OTHER, &why), []);
    assert_eq!(rig.ledger.gone(PEER, &why), [Act::Tell("a", why)]);
}

#[test]
fn inv3_silence_for_a_lease_is_unreachable_and_beats_prevent_it() {
    let mut rig = Rig::new();
    let actor = PEER.actor(7, 0);
    rig.watch(actor, "a");
    let beat = [send(PEER, What::Beat)];
    for second in [10, 20] {
        assert_eq!(rig.ledger.next_due(), Some(rig.at(second)));
        assert_eq!(rig.ledger.tick(rig.at(second)), beat);
    }
    rig.ledger.heard(PEER, rig.at(25));
    for second in [30, 40, 50] {
        assert_eq!(rig.ledger.tick(rig.at(second)), beat, "{second}");
    }
    assert_eq!(rig.ledger.next_due(), Some(rig.at(55)));
    let acts = rig.ledger.tick(rig.at(55));
    let [Act::Tell("a", End::Unreachable(why))] = &acts[..] else {
        panic!("{acts:?}");
    };
    assert!(why.contains("was not heard of for 30s"), "{why}");
    assert_eq!(rig.ledger.next_due(), None);
}

#[test]
fn inv3_a_proc_that_knows_of_no_interest_is_told_again() {
    let mut rig = Rig::new();
    let (actor, child, parent) = (PEER.actor(7, 0), PEER.actor(8, 0), ME.actor(1, 0));
    rig.watch(actor, "a");
    let orphan = Orphan::Stop;
    let adoption = What::Adopt {
        child,
        parent,
        orphan,
    };
    let (at, now) = (Location::NONE, rig.begin);
    let told = Some(adoption.clone());
    let (_, acts) = rig.ledger.watch(child, &at, "child", told, now);
    assert_eq!(acts, [], "the child was announced by its spawn");
    let again = [
        send(PEER, What::Watch { actor }),
        send(PEER, adoption.clone()),
    ];
    assert_eq!(rig.ledger.announce_again(PEER), again);
    rig.ledger.repeat(PEER);
    let [beat, rest @ ..] = &rig.ledger.tick(rig.at(10))[..] else {
        panic!("it is time for a beat");
    };
    assert_eq!(*beat, send(PEER, What::Beat));
    assert_eq!(rest, again);
    assert_eq!(rig.ledger.tick(rig.at(20)), [send(PEER, What::Beat)]);
}

#[test]
fn inv4_the_children_of_a_silent_lessee_are_stopped_or_detached() {
    let mut rig = Rig::new();
    let parent = PEER.actor(1, 0);
    let (stopped, detached, watched) = (ME.actor(7, 0), ME.actor(8, 0), ME.actor(9, 0));
    rig.renew(PEER, 0);
    for (child, orphan) in [(stopped, Orphan::Stop), (detached, Orphan::Detach)] {
        rig.ledger.adopt(child, parent, orphan).unwrap();
        rig.ledger.watched_by(PEER, child, child);
    }
    rig.ledger.watched_by(PEER, watched, watched);
    rig.renew(OTHER, 1);
    rig.ledger.watched_by(OTHER, watched, watched);
    rig.renew(PEER, 10);
    rig.renew(OTHER, 35);
    assert_eq!(rig.ledger.next_due(), Some(rig.at(40)));
    assert_eq!(rig.ledger.tick(rig.at(39)), []);
    assert_eq!(
        rig.ledger.tick(rig.at(40)),
        [Act::Request(stopped, Mode::Stop)]
    );
    assert_eq!(rig.ledger.parent_of(detached), None);
    assert!(!rig.ledger.is_lessee(PEER));
    // The other hears of the end, and the silent one does not.
    let told = What::Ended {
        actor: watched,
        end: exited(),
    };
    assert_eq!(
        rig.ledger.local_ended(watched, &Exit::Stopped),
        [send(OTHER, told)]
    );
    assert_eq!(rig.ledger.counts(), (0, 0));
    assert_eq!(rig.ledger.tick(rig.at(80)), []);
}

#[test]
fn inv4_a_death_ends_the_lease_at_once() {
    let mut rig = Rig::new();
    let (child, parent) = (ME.actor(7, 0), PEER.actor(1, 0));
    rig.renew(PEER, 0);
    rig.ledger.adopt(child, parent, Orphan::Stop).unwrap();
    rig.ledger.watched_by(PEER, child, child);
    let acts = rig.ledger.gone(PEER, &End::Unreachable(String::new()));
    assert_eq!(acts, [], "it may be heard of again");
    let acts = rig.ledger.gone(PEER, &End::ProcDied(String::new()));
    assert_eq!(acts, [Act::Request(child, Mode::Stop)]);
    assert_eq!(rig.ledger.next_due(), None);
}

#[test]
fn inv5_an_actor_has_one_parent_at_a_time() {
    let mut rig = Rig::new();
    let child = ME.actor(7, 0);
    let (first, second) = (PEER.actor(1, 0), OTHER.actor(1, 0));
    rig.renew(PEER, 0);
    assert_eq!(rig.ledger.adopt(child, first, Orphan::Detach), Ok(()));
    assert_eq!(rig.ledger.adopt(child, first, Orphan::Detach), Ok(()));
    assert_eq!(rig.ledger.adopt(child, second, Orphan::Stop), Err(first));
    rig.ledger.tick(rig.at(30));
    assert_eq!(rig.ledger.adopt(child, second, Orphan::Stop), Ok(()));
    assert_eq!(rig.ledger.parent_of(child), Some(second));
}

#[test]
fn inv6_what_others_make_it_remember_is_bounded() {
    let mut rig = Rig::new();
    rig.renew(PEER, 0);
    for key in 0..2 * MAX_STOPS as u64 {
        rig.ledger.stop_ahead(PEER, ME.actor(key, 0), Mode::Stop);
    }
    assert_eq!(rig.ledger.stops.len(), MAX_STOPS);
    let child = ME.actor(0, 0);
    rig.ledger.stop_ahead(PEER, child, Mode::Kill);
    assert_eq!(rig.ledger.take_stop(OTHER, child), None);
    assert_eq!(rig.ledger.take_stop(PEER, child), Some(Mode::Kill));
    assert_eq!(rig.ledger.take_stop(PEER, child), None);
    rig.ledger.tick(rig.at(30));
    assert_eq!(rig.ledger.stops.len(), 0, "they end with the lease");
    for key in 0..MAX_WATCHED as u64 {
        assert!(
            rig.ledger
                .watched_by(PEER, ME.actor(key, 0), ME.actor(key, 0))
        );
    }
    assert!(
        !rig.ledger
            .watched_by(PEER, ME.actor(u64::MAX, 0), ME.actor(u64::MAX, 0))
    );
}

#[test]
fn inv7_a_proc_that_did_not_run_listens_before_it_judges() {
    let mut rig = Rig::new();
    let (actor, child, parent) = (PEER.actor(7, 0), ME.actor(7, 0), OTHER.actor(1, 0));
    rig.watch(actor, "a");
    rig.renew(OTHER, 0);
    rig.ledger.adopt(child, parent, Orphan::Stop).unwrap();
    rig.ledger.watched_by(OTHER, child, child);
    // It was to look at second 10.
    assert_eq!(rig.ledger.tick(rig.at(100)), [send(PEER, What::Beat)]);
    rig.ledger.heard(PEER, rig.at(101));
    rig.renew(OTHER, 101);
    assert_eq!(rig.ledger.tick(rig.at(110)), [send(PEER, What::Beat)]);
    assert_eq!(rig.ledger.parent_of(child), Some(parent));
}
