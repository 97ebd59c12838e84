//! What failures show and how chains of them travel.

use hypermesh_mailbox::ProcId;
use hypermesh_wire::{decode, encode};

use super::*;

fn id(actor: u64) -> ActorId {
    ActorId {
        proc: ProcId {
            world: 1,
            rank: 0,
            generation: 0,
        },
        actor,
        generation: 0,
    }
}

/// Returns a chain of `depth` failures: a leaf, and above it parents that passed it on.
fn chain(depth: usize) -> Failure {
    let mut failure = Failure::new(FailureCause::Handler, id(0), "leaf", "no disk\nat all");
    for level in 1..depth {
        let name = format!("parent{level}");
        failure = Failure::new(
            FailureCause::Child,
            id(level as u64),
            name,
            "a child failed",
        )
        .caused_by(failure);
    }
    failure
}

#[test]
fn the_root_cause_is_the_leaf_at_any_depth() {
    for depth in [1, 2, 64, 1000] {
        let failure = chain(depth);
        assert_eq!(failure.root_cause().label, "leaf", "depth {depth}");
        assert_eq!(failure.root_cause().actor, id(0));
    }
}

#[test]
fn inv1_a_long_chain_is_cut_and_still_decodes() {
    let failure = chain(1000);
    assert!(failure.links().count() <= MAX_CHAIN);
    let back: Failure = decode(&encode(&failure).unwrap()).unwrap();
    assert_eq!(back, failure);
}

#[test]
fn inv1_an_empty_or_endless_chain_is_refused() {
    let links: Vec<Link> = chain(1).into();
    let long: Vec<Link> = std::iter::repeat_n(links[0].clone(), MAX_CHAIN + 1).collect();
    for bad in [Vec::new(), long] {
        assert!(decode::<Failure>(&encode(&bad).unwrap()).is_err());
    }
}

#[test]
fn inv2_the_text_starts_with_the_root_cause_and_is_one_bounded_line() {
    assert_eq!(chain(1).to_string(), "leaf failed: no disk at all");
    assert_eq!(
        chain(3).to_string(),
        "leaf failed: no disk at all; passed on by parent1, parent2"
    );
    let text = chain(64).to_string();
    assert!(text.starts_with("leaf failed: no disk at all; passed on by parent1, "));
    assert!(text.ends_with("parent8 and 55 more"), "{text}");
    let huge = Failure::new(
        FailureCause::Init,
        id(1),
        "é".repeat(9000),
        "ü\n".repeat(9000),
    );
    assert!(huge.to_string().len() < 2048);
    assert_eq!(huge.to_string().lines().count(), 1);
}
