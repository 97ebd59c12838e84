//! A placement is whole, also one that arrives from elsewhere.

use hypermesh_alloc::actor::mailbox::WorldId;
use hypermesh_alloc::actor::mailbox::channel::ChannelAddr;
use hypermesh_ndslice::{Extent, RankMap, Region};
use hypermesh_wire::{decode, encode};

use super::{Member, Placement, PlacementError, PlacementParts, Stop};

fn extent(ranks: usize) -> Extent {
    Extent::new([("rank", ranks)]).unwrap()
}

fn stop(home: u64, ranks: &[usize]) -> Stop {
    Stop {
        relay: None,
        addr: ChannelAddr::Local(home),
        ranks: ranks.iter().copied().collect(),
    }
}

/// Puts `stops` on three ranks and returns what is wrong with them.
fn check(stops: Vec<Stop>) -> Option<PlacementError> {
    let parts = PlacementParts {
        world: WorldId::new("test"),
        extent: extent(3),
        generations: RankMap::uniform(Region::from(extent(3)), 0),
        stops,
    };
    Placement::try_from(parts).err()
}

#[test]
fn procs_at_one_address_share_a_stop() {
    let member = |home| Member {
        generation: 0,
        addr: ChannelAddr::Local(home),
    };
    let members = [member(1), member(2), member(1)];
    let placement = Placement::new(WorldId::new("test"), extent(3), &members, |_| None).unwrap();
    assert_eq!(placement.stops(), [stop(1, &[0, 2]), stop(2, &[1])]);
    assert_eq!(placement.addr(2), Some(&ChannelAddr::Local(1)));
    assert_eq!(placement.addr(3), None);
}

#[test]
fn inv1_a_rank_at_no_stop_or_at_two_is_refused() {
    let at = |rank| Some(PlacementError::NotOneStop { rank });
    assert_eq!(check(vec![stop(1, &[0, 1, 2])]), None);
    assert_eq!(check(vec![stop(1, &[0, 1])]), at(2));
    assert_eq!(check(vec![stop(1, &[1, 2])]), at(0));
    assert_eq!(check(vec![stop(1, &[0, 1, 2]), stop(2, &[1])]), at(1));
    assert_eq!(check(vec![stop(1, &[0, 1, 2, 3])]), at(3));
}

#[test]
fn inv2_stops_out_of_order_and_empty_ones_are_refused() {
    let disordered = check(vec![stop(1, &[1, 2]), stop(2, &[0])]);
    assert_eq!(disordered, Some(PlacementError::Disorder { rank: Some(0) }));
    let empty = check(vec![stop(1, &[0, 1, 2]), stop(2, &[])]);
    assert_eq!(empty, Some(PlacementError::Disorder { rank: None }));
}

#[test]
fn inv3_the_number_of_procs_is_the_number_of_ranks() {
    let members = [Member {
        generation: 0,
        addr: ChannelAddr::Local(1),
    }];
    let placed = Placement::new(WorldId::new("test"), extent(2), &members, |_| None);
    assert_eq!(
        placed.unwrap_err(),
        PlacementError::WrongCount { procs: 1, ranks: 2 }
    );
}

#[test]
fn an_old_incarnation_is_no_member() {
    let member = Member {
        generation: 4,
        addr: ChannelAddr::Local(1),
    };
    let placement = Placement::new(WorldId::new("test"), extent(1), &[member], |_| None).unwrap();
    let mut proc = placement.proc(0).unwrap();
    assert_eq!(placement.rank_of(proc), Some(0));
    proc.generation = 3;
    assert_eq!(placement.rank_of(proc), None);
}

#[test]
fn a_placement_survives_the_wire() {
    let member = |home| Member {
        generation: 0,
        addr: ChannelAddr::Local(home),
    };
    let members = [member(1), member(2), member(1)];
    let placement = Placement::new(WorldId::new("test"), extent(3), &members, |_| None).unwrap();
    let arrived: Placement = decode(&encode(&placement).unwrap()).unwrap();
    assert_eq!(arrived.stops(), placement.stops());
    assert_eq!(arrived.proc(2), placement.proc(2));
}
