//! The order of look-up, against a naive model.

use std::collections::HashMap;

use hypermesh_channel::ChannelAddr;
use proptest::prelude::*;

use super::*;
use crate::Envelope;

struct Nobody;

impl MailboxSender for Nobody {
    fn post(&self, _: Envelope) {}
}

fn addr(number: u64) -> ChannelAddr {
    format!("local:{number}").parse().unwrap()
}

fn proc(rank: u32, generation: u32) -> ProcId {
    ProcId::new(7, rank, generation)
}

fn shown(hop: Hop) -> String {
    match hop {
        Hop::Here(_) => "here".to_owned(),
        Hop::Via(addr) => addr.to_string(),
        Hop::Nowhere(cause) => format!("{cause:?}"),
    }
}

#[track_caller]
fn check(routes: &Routes, dst: ProcId, to: Option<u64>, expected: &str) {
    let to = to.map_or(Location::NONE, |number| Location::at(addr(number)));
    assert_eq!(shown(routes.resolve(dst, &to, Origin::Here)), expected);
}

#[test]
fn the_route_of_a_proc_goes_before_that_of_its_world() {
    let routes = Routes::new();
    routes.route_world(7, addr(1));
    routes.route_proc(proc(1, 0), addr(2));
    check(&routes, proc(1, 0), Some(9), "local:2");
    check(&routes, proc(2, 0), Some(9), "local:1");
    routes.unroute_proc(proc(1, 0));
    check(&routes, proc(1, 0), Some(9), "local:1");
    routes.unroute_world(7);
    check(&routes, proc(1, 0), Some(9), "local:9");
    check(&routes, proc(1, 0), None, "NoRoute");
    let arrived = routes.resolve(proc(1, 0), &Location::NONE, Origin::Link);
    assert_eq!(shown(arrived), "ProcNotFound");
}

#[test]
fn inv1_a_proc_that_is_here_is_reached_here() {
    let routes = Routes::new();
    routes.route_proc(proc(1, 0), addr(2));
    assert!(routes.attach(proc(1, 0), Arc::new(Nobody)));
    assert!(!routes.attach(proc(1, 0), Arc::new(Nobody)));
    check(&routes, proc(1, 0), Some(9), "here");
    assert!(routes.detach(proc(1, 0)).is_some());
    assert!(routes.detach(proc(1, 0)).is_none());
    check(&routes, proc(1, 0), Some(9), "local:2");
}

#[test]
fn mail_for_an_older_incarnation_is_stale_and_for_a_later_one_goes_on() {
    let routes = Routes::new();
    assert!(routes.attach(proc(1, 3), Arc::new(Nobody)));
    check(
        &routes,
        proc(1, 2),
        Some(9),
        "StaleIncarnation { running: 7.1.3 }",
    );
    check(&routes, proc(1, 4), Some(9), "local:9");
    check(&routes, proc(1, 4), None, "NoRoute");
    routes.detach(proc(1, 3));
    check(&routes, proc(1, 2), Some(9), "local:9");
}

#[test]
fn a_dead_proc_is_not_looked_for_until_it_is_routed_again() {
    let routes = Routes::new();
    routes.route_proc(proc(1, 0), addr(2));
    routes.bury(proc(1, 0), "killed by signal 9");
    check(
        &routes,
        proc(1, 0),
        Some(9),
        "ProcDied(\"killed by signal 9\")",
    );
    routes.route_proc(proc(1, 0), addr(3));
    check(&routes, proc(1, 0), Some(9), "local:3");
}

#[test]
fn inv3_what_peers_teach_is_bounded_and_forgotten_for_procs_of_our_own() {
    let routes = Routes::new();
    assert!(routes.attach(proc(1, 0), Arc::new(Nobody)));
    routes.learn(proc(1, 0), &addr(6));
    drop(routes.detach(proc(1, 0)));
    check(&routes, proc(1, 0), None, "NoRoute");
    routes.learn(proc(1, 0), &addr(5));
    check(&routes, proc(1, 0), Some(9), "local:5");
    routes.learn(proc(1, 0), &addr(6));
    check(&routes, proc(1, 0), Some(9), "local:6");
}

/// One change of the tables: of the proc with this rank, or of the world if there is none.
fn change() -> impl Strategy<Value = (u8, u32, u64)> {
    (0_u8..6, 0_u32..3, 1_u64..4)
}

proptest! {
    #[test]
    fn inv2_look_up_agrees_with_a_naive_model(
        changes in prop::collection::vec(change(), 0..40), to in prop::option::of(1_u64..4),
    ) {
        let routes = Routes::new();
        let (mut attached, mut procs, mut worlds, mut learned) =
            (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        for (kind, rank, number) in changes {
            match kind {
                0 => {
                    attached.insert(rank, ());
                    routes.attach(proc(rank, 0), Arc::new(Nobody));
                }
                1 => {
                    attached.remove(&rank);
                    drop(routes.detach(proc(rank, 0)));
                }
                2 => {
                    procs.insert(rank, number);
                    routes.route_proc(proc(rank, 0), addr(number));
                }
                3 => {
                    procs.remove(&rank);
                    routes.unroute_proc(proc(rank, 0));
                }
                4 => {
                    worlds.insert((), number);
                    routes.route_world(7, addr(number));
                }
                _ => {
                    if !attached.contains_key(&rank) {
                        learned.insert(rank, number);
                    }
                    routes.learn(proc(rank, 0), &addr(number));
                }
            }
        }
        for rank in 0..3 {
            let known = procs.get(&rank).or(worlds.get(&())).or(learned.get(&rank)).copied();
            let expected = match known.or(to) {
                _ if attached.contains_key(&rank) => "here".to_owned(),
                Some(number) => format!("local:{number}"),
                None => "NoRoute".to_owned(),
            };
            check(&routes, proc(rank, 0), to, &expected);
        }
    }
}
