//! Every reducer gives in any tree what a plain fold gives.

use hypermesh_wire::Any;
use proptest::prelude::*;

use super::*;
use crate::fold::{Fold, Folder};

/// Folds `inputs` in a tree: `shape` says how they are cut up, `shuffle` in which order the parts and
/// their members arrive. Everything but the last fold goes through the encoded form.
pub(crate) fn in_a_tree<R: Reducer>(
    reducer: &R,
    inputs: &[R::Input],
    shape: &[usize],
    shuffle: u64,
) -> Result<R::Output, ReduceError>
where
    R::Input: Clone,
{
    let mut root = Fold::new(reducer.clone());
    let mut parts = Vec::new();
    let mut start = 0_usize;
    for len in shape.iter().chain([&usize::MAX]) {
        let end = inputs.len().min(start.saturating_add(*len));
        parts.push(start..end);
        start = end;
    }
    shuffled(&mut parts, shuffle);
    for part in parts {
        let mut relay: Box<dyn Folder> = Box::new(Fold::new(reducer.clone()));
        let first = part.start as u64;
        let mut members: Vec<usize> = part.collect();
        shuffled(&mut members, shuffle ^ 0x5555);
        for member in members {
            let input = Any::local(inputs[member].clone());
            relay
                .fold(Some(member as u64), input)
                .map_err(|error| match error {
                    crate::fold::FoldError::Failed(error) => error,
                    crate::fold::FoldError::Refused(_, cause) => panic!("{cause}"),
                })?;
        }
        if let Some(state) = relay.encode()? {
            root.merge(Some(first), state)?;
        }
    }
    root.finish()
}

fn shuffled<T>(items: &mut [T], mut seed: u64) {
    for idx in (1..items.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        items.swap(idx, (seed >> 33) as usize % (idx + 1));
    }
}

prop_compose! {
    pub(crate) fn a_tree()(shape in prop::collection::vec(0_usize..6, 0..6), shuffle in any::<u64>())
        -> (Vec<usize>, u64) { (shape, shuffle) }
}

proptest! {
    #[test]
    fn integers_reduce_as_a_plain_fold(
        inputs in prop::collection::vec(any::<i32>(), 0..30), (shape, shuffle) in a_tree(),
    ) {
        let wide: Vec<i64> = inputs.iter().map(|input| i64::from(*input)).collect();
        let sum = in_a_tree(&Sum::<i64>::new(), &wide, &shape, shuffle);
        prop_assert_eq!(sum, Ok(wide.iter().sum()));
        let min = in_a_tree(&Min::<i32>::new(), &inputs, &shape, shuffle);
        prop_assert_eq!(min, Ok(inputs.iter().min().copied()));
        let max = in_a_tree(&Max::<i32>::new(), &inputs, &shape, shuffle);
        prop_assert_eq!(max, Ok(inputs.iter().max().copied()));
        let count = in_a_tree(&Count::<i32>::new(), &inputs, &shape, shuffle);
        prop_assert_eq!(count, Ok(inputs.len() as u64));
    }

    #[test]
    fn append_is_in_the_order_of_the_members_whatever_arrives_first(
        inputs in prop::collection::vec("[a-z]{0,3}", 0..30), (shape, shuffle) in a_tree(),
    ) {
        let all = in_a_tree(&Append::<String>::new(), &inputs, &shape, shuffle);
        prop_assert_eq!(all, Ok(inputs));
    }

    #[test]
    fn bools_reduce_as_a_plain_fold(
        inputs in prop::collection::vec(any::<bool>(), 0..30), (shape, shuffle) in a_tree(),
    ) {
        let any = in_a_tree(&AnyOf, &inputs, &shape, shuffle);
        prop_assert_eq!(any, Ok(inputs.iter().any(|input| *input)));
        let all = in_a_tree(&AllOf, &inputs, &shape, shuffle);
        prop_assert_eq!(all, Ok(inputs.iter().all(|input| *input)));
    }

    #[test]
    fn the_largest_stand_in_order_and_ties_by_member(
        keys in prop::collection::vec(0_u32..4, 0..30), k in 0_usize..8, (shape, shuffle) in a_tree(),
    ) {
        let inputs: Vec<ByKey> = (0..).zip(keys).map(|(member, key)| ByKey { key, member }).collect();
        let mut plain = inputs.clone();
        plain.sort_by_key(|input| std::cmp::Reverse(input.key));
        plain.truncate(k);
        prop_assert_eq!(in_a_tree(&TopK::<ByKey>::new(k), &inputs, &shape, shuffle), Ok(plain));
    }

    #[test]
    fn a_float_sum_is_bit_equal_for_one_tree_whatever_arrives_first(
        inputs in prop::collection::vec(-1e9_f64..1e9, 0..30),
        (shape, shuffle) in a_tree(), other in any::<u64>(),
    ) {
        let sum = |shuffle| in_a_tree(&Sum::<f64>::new(), &inputs, &shape, shuffle).map(f64::to_bits);
        prop_assert_eq!(sum(shuffle), sum(other));
    }
}

/// Compared by key alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ByKey {
    key: u32,
    member: u32,
}

impl Named for ByKey {
    const KEY: TypeKey = TypeKey::of("tests::ByKey");

    fn name() -> Cow<'static, str> {
        "tests::ByKey".into()
    }
}

impl TotalOrd for ByKey {
    fn total_cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

#[test]
fn a_sum_that_does_not_fit_is_an_error() {
    let sum = |inputs: &[u8]| in_a_tree(&Sum::<u8>::new(), inputs, &[1], 0);
    assert_eq!(sum(&[200, 55]), Ok(255));
    assert_eq!(sum(&[200, 56]), Err(ReduceError::Overflow));
}

#[test]
fn not_a_number_is_the_largest_float() {
    let inputs = [1.0, -f64::NAN, f64::INFINITY];
    let max = in_a_tree(&Max::<f64>::new(), &inputs, &[], 0).unwrap();
    assert!(max.unwrap().is_nan());
    assert_eq!(
        in_a_tree(&Min::<f64>::new(), &inputs, &[], 0),
        Ok(Some(1.0))
    );
    assert_eq!(
        in_a_tree(&Min::<f64>::new(), &[0.0, -0.0], &[], 0)
            .unwrap()
            .unwrap()
            .to_bits(),
        1 << 63
    );
}

#[test]
fn unit_waits_for_all_and_keeps_nothing() {
    assert_eq!(in_a_tree(&Unit, &[(); 5], &[2], 3), Ok(()));
}
