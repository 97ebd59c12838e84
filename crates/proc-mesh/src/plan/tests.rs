//! Casts over random placements reach each selected rank once.

use hypermesh_alloc::actor::mailbox::WorldId;
use hypermesh_alloc::actor::mailbox::channel::ChannelAddr;
use hypermesh_ndslice::{Extent, RankMap, RankSet, Region};
use proptest::prelude::*;

use super::{branches, legs, roots, run_of};
use crate::placement::{Member, Placement};

/// A mesh of one dimension whose rank r is in generation `generations[r]` at address `homes[r]`.
pub(crate) fn placement(homes: &[u64], generations: &[u32]) -> Placement {
    let extent = Extent::new([("rank", homes.len())]).unwrap();
    let member = |(home, generation): (&u64, &u32)| Member {
        generation: *generation,
        addr: ChannelAddr::Local(*home),
    };
    let members: Vec<Member> = homes.iter().zip(generations).map(member).collect();
    Placement::new(WorldId::new("test"), extent, &members, |_| None).unwrap()
}

/// Walks the tree as the hops do and returns the legs in the order they are served.
fn walk(n_legs: usize, fan_out: usize) -> Vec<usize> {
    let mut served = Vec::new();
    let mut runs: Vec<_> = roots(n_legs, fan_out).collect();
    while let Some(run) = runs.pop() {
        assert_eq!(
            run_of(run.start, roots(n_legs, fan_out), fan_out),
            Some(run.clone())
        );
        served.push(run.start);
        let next: Vec<_> = branches(run, fan_out).collect();
        assert!(next.len() <= fan_out);
        runs.extend(next);
    }
    served.sort_unstable();
    served
}

proptest! {
    #[test]
    fn inv1_every_selected_rank_is_in_one_leg(
        ranks in prop::collection::vec((0_u64..4, 0_u32..2, 0_u32..2, any::<bool>()), 1..40),
    ) {
        let homes: Vec<u64> = ranks.iter().map(|rank| rank.0).collect();
        let procs: Vec<u32> = ranks.iter().map(|rank| rank.1).collect();
        let placement = placement(&homes, &procs);
        let region = Region::from(placement.extent().clone());
        let actors = RankMap::from_dense(region, ranks.iter().map(|rank| rank.2).collect()).unwrap();
        let chosen: Vec<usize> = (0..ranks.len()).filter(|&rank| ranks[rank].3).collect();
        let selected: RankSet = chosen.iter().copied().collect();

        let legs = legs(&placement, &actors, &selected);

        let mut reached = Vec::new();
        for leg in &legs {
            prop_assert!(leg.count() > 0);
            prop_assert!(leg.ranks().any(|rank| placement.proc(rank) == Some(leg.relay)));
            for crew in &leg.crews {
                for rank in crew.ranks.iter() {
                    prop_assert_eq!(&leg.addr, &ChannelAddr::Local(homes[rank]));
                    prop_assert_eq!(crew.proc_generation, procs[rank]);
                    prop_assert_eq!(crew.actor_generation, ranks[rank].2);
                    reached.push(rank);
                }
            }
        }
        reached.sort_unstable();
        prop_assert_eq!(reached, chosen);
    }

    #[test]
    fn inv2_every_leg_is_served_once(n_legs in 0_usize..200, fan_out in 2_usize..40) {
        prop_assert_eq!(walk(n_legs, fan_out), (0..n_legs).collect::<Vec<_>>());
    }
}
