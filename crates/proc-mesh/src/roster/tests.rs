//! Scripts of states and whether the mesh comes up.

use hypermesh_alloc::actor::mailbox::channel::ChannelAddr;
use hypermesh_alloc::actor::mailbox::{ProcId, WorldId};
use hypermesh_alloc::{AllocatorError, CreateKey, ProcState, ProcStopReason};
use hypermesh_ndslice::Extent;

use super::{Recruit, Roster};

fn extent() -> Extent {
    Extent::new([("rank", 2)]).unwrap()
}

fn recruit(rank: u32) -> Recruit {
    Recruit {
        proc: ProcId::new(7, rank, 0),
        create_key: CreateKey::unique(),
        addr: ChannelAddr::Local(1),
    }
}

/// Tells a roster of two ranks that `ranks` run; returns who is missing.
#[track_caller]
fn check(ranks: &[u32], missing: &[usize]) {
    let mut roster = Roster::new(7, extent());
    for &rank in ranks {
        roster.on_running(recruit(rank)).unwrap();
    }
    assert_eq!(roster.missing(), missing);
    assert_eq!(roster.is_complete(), missing.is_empty());
}

#[test]
fn inv1_it_is_complete_when_every_rank_runs() {
    check(&[], &[0, 1]);
    check(&[1, 1], &[0]);
    check(&[1, 0], &[]);
}

#[test]
fn inv2_an_early_end_names_the_rank_and_the_reason() {
    let mut roster = Roster::new(7, extent());
    let create_key = CreateKey::unique();
    let point = extent().point_of_rank(1).unwrap();
    roster
        .on_state(Some(ProcState::Created {
            create_key,
            point,
            pid: 1,
        }))
        .unwrap();
    let reason = ProcStopReason::Exited(1, "no such file".to_owned());
    let error = roster
        .on_state(Some(ProcState::Stopped { create_key, reason }))
        .unwrap_err();
    assert!(
        matches!(error, AllocatorError::EarlyExit { rank: 1, .. }),
        "{error}"
    );
}

#[test]
fn inv2_the_end_of_the_alloc_is_incomplete() {
    let error = Roster::new(7, extent()).on_state(None).unwrap_err();
    assert!(matches!(error, AllocatorError::Incomplete(found) if found == extent()));
}

#[test]
fn inv2_a_failed_alloc_says_why() {
    let failed = ProcState::Failed {
        world_id: WorldId::new("w"),
        description: "rank 3: no".to_owned(),
    };
    let error = Roster::new(7, extent()).on_state(Some(failed)).unwrap_err();
    assert!(error.to_string().contains("rank 3: no"), "{error}");
}

#[test]
fn a_proc_that_is_none_of_the_alloc_is_refused() {
    for (world, rank) in [(7, 2), (8, 0)] {
        let error = Roster::new(world, extent())
            .on_running(recruit(rank))
            .unwrap_err();
        assert!(error.to_string().contains("rank=2"), "{error}");
    }
}
