//! The form of a set: when it changes, and that nobody sees it.

use std::collections::HashSet;

use proptest::prelude::*;

use super::bitmap::Bitmap;
use super::run_list::RunList;
use super::{Form, RankSet};

/// The set as runs and as bits.
fn both_forms(set: &RankSet) -> [RankSet; 2] {
    let mut runs = set.clone();
    runs.use_runs();
    let bits = Bitmap::from_runs(set.spans(), set.end());
    let bits = RankSet {
        form: Form::Bits(bits),
    };
    [runs, bits]
}

fn is_bits(set: &RankSet) -> bool {
    matches!(set.form, Form::Bits(_))
}

/// How often the form changes.
fn conversions(set: &mut RankSet, changes: impl IntoIterator<Item = (bool, usize)>) -> usize {
    let mut n_conversions = 0;
    for (is_added, rank) in changes {
        let was_bits = is_bits(set);
        match is_added {
            true => set.insert(rank),
            false => set.remove(rank),
        };
        n_conversions += usize::from(was_bits != is_bits(set));
    }
    n_conversions
}

#[test]
fn inv1_no_rank_is_larger_than_every_extent() {
    let end = u32::MAX as usize;
    let mut set = RankSet::from(end - 2..usize::MAX);
    assert_eq!((set.max(), set.count()), (Some(end - 1), 2));
    assert!(!set.insert(end));
    set.insert_range(end..usize::MAX);
    assert_eq!(set.count(), 2);
    assert_eq!(RankSet::from_iter([end, usize::MAX]), RankSet::empty());
}

#[test]
fn inv2_changes_at_the_threshold_convert_once() {
    let flips = |rank| (0..1000).map(move |i| (i % 2 == 0, rank));
    // Every second rank, one after the other: somewhere the set becomes bits.
    let mut set = RankSet::empty();
    let mut n_runs = 0;
    while !is_bits(&set) {
        set.insert(2 * n_runs);
        n_runs += 1;
    }
    let last = 2 * (n_runs - 1);
    set.remove(last);
    assert!(is_bits(&set));
    assert_eq!(conversions(&mut set, flips(last)), 0);
    let mut runs: RankSet = (0..n_runs - 1).map(|i| 2 * i).collect();
    assert!(!is_bits(&runs));
    assert_eq!(conversions(&mut runs, flips(last)), 1);

    // Removed one after the other, the set becomes runs again, later.
    let mut set: RankSet = (0..1000).map(|i| 2 * i).chain([9999]).collect();
    assert!(is_bits(&set));
    let mut rank = 0;
    while is_bits(&set) {
        set.remove(rank);
        rank += 2;
    }
    assert_eq!(conversions(&mut set, flips(rank)), 0);
    assert_eq!(conversions(&mut set, (0..9).map(|i| (true, 2 * i))), 0);
}

#[test]
fn inv2_a_far_rank_makes_no_large_bitmap() {
    let mut set: RankSet = (0..100).map(|i| 2 * i).collect();
    assert!(is_bits(&set));
    set.insert(4_000_000_000);
    assert!(!is_bits(&set));
    assert_eq!(set.count(), 101);
    set.insert_range(0..4_000_000_000);
    assert_eq!(set.to_string(), "0..4000000001");
}

#[test]
fn inv3_both_forms_are_equal_and_answer_alike() {
    let lists: [&[usize]; 5] = [
        &[],
        &[0],
        &[63, 64, 65, 127, 128],
        &[5, 1023, 1024, 1025, 2047, 5000],
        &[4095],
    ];
    for list in lists {
        let set: RankSet = list.iter().copied().collect();
        let [runs, bits] = both_forms(&set);
        assert_eq!(runs, bits);
        assert_eq!(HashSet::from([runs.clone(), bits.clone()]).len(), 1);
        for set in [runs, bits] {
            assert!(set.iter().eq(list.iter().copied()));
            assert!(
                set.spans()
                    .rev()
                    .eq(set.spans().collect::<Vec<_>>().into_iter().rev())
            );
            assert_eq!(set.spans().len(), set.spans().count());
            for rank in 0..5100 {
                assert_eq!(set.contains(rank), list.contains(&rank));
                let below = list.iter().filter(|known| **known < rank).count();
                assert_eq!(set.count_below(rank), below, "{set} below {rank}");
                assert_eq!(set.select(rank), list.get(rank).copied());
            }
        }
    }
}

proptest! {
    #[test]
    fn the_forms_keep_their_own_invariants(
        changes in prop::collection::vec((any::<bool>(), 0..3000_usize, 1..200_usize), 0..60),
        is_bits: bool,
    ) {
        let mut form = match is_bits {
            true => Form::Bits(Bitmap::from_words(vec![0x5555_5555; 40])),
            false => Form::Runs(RunList::empty()),
        };
        for (is_added, start, len) in changes {
            let range = start..start + len;
            match &mut form {
                Form::Runs(runs) if is_added => runs.insert(&range),
                Form::Runs(runs) if runs.contains(start) => runs.remove(start),
                Form::Bits(bits) if is_added => bits.insert(&range),
                Form::Bits(bits) if bits.contains(start) => bits.remove(start),
                _ => {}
            }
            // What is counted step by step is what is counted from scratch.
            match &form {
                Form::Runs(runs) => {
                    let mut again = RunList::empty();
                    runs.iter().for_each(|run| again.append(&run.range()));
                    prop_assert_eq!(runs, &again);
                    prop_assert!(runs.iter().all(|run| !run.range().is_empty()));
                }
                Form::Bits(bits) => {
                    prop_assert_eq!(bits, &Bitmap::from_words(bits.words().to_vec()));
                }
            }
        }
    }
}
