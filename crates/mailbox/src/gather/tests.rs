//! Who counts as answered, and when a gathering is complete.

use hypermesh_wire::Any;

use super::*;
use crate::fold::Fold;
use crate::reducers::Sum;

type Summing = Gather<Fold<Sum<u64>>>;

fn expecting(members: std::ops::Range<u64>) -> Summing {
    Gather::new(Fold::new(Sum::new()), Some(Ordinals::from(members)))
}

fn answer(gather: &mut Summing, member: u64, value: u64) -> Result<(), Cause> {
    gather
        .on_update(Some(member), Any::local(value))
        .map_err(|refusal| refusal.cause)
}

fn partial_of(members: std::ops::Range<u64>, value: u64) -> Partial {
    let mut gather = expecting(members.clone());
    for member in members.clone() {
        answer(
            &mut gather,
            member,
            if member == members.start { value } else { 0 },
        )
        .unwrap();
    }
    assert!(gather.is_complete());
    gather.take_partial()
}

/// Checks what a gathering of members 0..4 passes on: the sum, the answers, the missing, the settled.
#[track_caller]
fn check(mut gather: Summing, sum: Option<u64>, answered: &str, missing: &str, settled: u64) {
    let partial = gather.take_partial();
    let state = partial
        .state
        .map(|state| hypermesh_wire::decode::<u64>(&state).unwrap());
    let found = (
        state,
        partial.answered.to_string(),
        partial.missing.to_string(),
        partial.settled,
    );
    assert_eq!(
        found,
        (sum, answered.to_owned(), missing.to_owned(), settled)
    );
}

#[test]
fn it_is_complete_with_the_last_expected_answer() {
    let mut gather = expecting(0..4);
    for member in [2, 0, 3] {
        answer(&mut gather, member, 10).unwrap();
        assert!(!gather.is_complete());
    }
    answer(&mut gather, 1, 5).unwrap();
    assert!(gather.is_complete());
    check(gather, Some(35), "0..4", "", 4);
}

#[test]
fn at_the_deadline_whoever_did_not_answer_is_missing() {
    let mut gather = expecting(0..4);
    answer(&mut gather, 2, 10).unwrap();
    check(gather, Some(10), "2", "0..2,3", 4);
    check(expecting(0..4), None, "", "0..4", 4);
}

#[test]
fn expecting_nobody_is_complete_at_once() {
    assert!(expecting(0..0).is_complete());
    check(expecting(0..0), None, "", "", 0);
}

#[test]
fn inv1_a_second_answer_of_a_member_does_not_count() {
    let mut gather = expecting(0..2);
    answer(&mut gather, 1, 10).unwrap();
    answer(&mut gather, 1, 100).unwrap();
    gather.on_missing(&Ordinals::from(1..2));
    assert!(!gather.is_complete());
    check(gather, Some(10), "1", "0", 2);
}

#[test]
fn inv1_a_late_answer_of_a_missing_member_counts_once() {
    let mut gather = expecting(0..3);
    gather.on_missing(&Ordinals::from(0..2));
    gather.on_missing(&Ordinals::from(1..2));
    answer(&mut gather, 1, 7).unwrap();
    assert_eq!(gather.settled(), 2);
    answer(&mut gather, 2, 1).unwrap();
    assert!(gather.is_complete());
    check(gather, Some(8), "1..3", "0", 3);
}

#[test]
fn a_stranger_is_refused_and_gets_its_message_back() {
    let mut gather = expecting(0..2);
    let refusal = gather.on_update(Some(2), Any::local(1_u64)).unwrap_err();
    assert_eq!(refusal.cause, Cause::NotAllowed);
    assert_eq!(refusal.input.unwrap().take::<u64>().unwrap(), 1);
    let refusal = gather.on_partial(partial_of(1..3, 1)).unwrap_err();
    assert_eq!(refusal.cause, Cause::NotAllowed);
    assert_eq!(gather.settled(), 0);
}

#[test]
fn a_message_of_another_type_is_no_answer() {
    let mut gather = expecting(0..1);
    let refusal = gather.on_update(Some(0), Any::local(true)).unwrap_err();
    assert_eq!(refusal.cause, Cause::WrongType { expected: u64::KEY });
    assert!(!gather.is_complete());
    answer(&mut gather, 0, 3).unwrap();
    check(gather, Some(3), "0", "", 1);
}

#[test]
fn an_answer_that_the_reducer_refuses_counts_as_missing_and_is_named() {
    let mut gather = expecting(0..3);
    answer(&mut gather, 0, u64::MAX).unwrap();
    assert_eq!(
        answer(&mut gather, 1, 1),
        Err(Cause::Reduce(ReduceError::Overflow))
    );
    assert_eq!(
        answer(&mut gather, 2, 1),
        Err(Cause::Reduce(ReduceError::Overflow))
    );
    assert!(gather.is_complete());
    let partial = gather.take_partial();
    let fault = ReduceFault {
        ordinal: Some(1),
        error: ReduceError::Overflow,
    };
    assert_eq!(
        (partial.fault, partial.missing.to_string()),
        (Some(fault), "1..3".to_owned())
    );
}

#[test]
fn partial_answers_count_for_all_their_members() {
    let mut gather = expecting(0..8);
    gather.on_partial(partial_of(4..8, 20)).unwrap();
    gather.on_partial(partial_of(4..8, 20)).unwrap();
    gather.on_partial(partial_of(1..4, 3)).unwrap();
    assert!(!gather.is_complete());
    answer(&mut gather, 0, 100).unwrap();
    assert!(gather.is_complete());
    check(gather, Some(123), "0..8", "", 8);
}

#[test]
fn inv1_members_that_a_partial_misses_are_not_counted_twice() {
    let mut gather = expecting(0..4);
    gather.on_missing(&Ordinals::from(2..4));
    let mut late = expecting(2..4);
    answer(&mut late, 3, 5).unwrap();
    gather.on_partial(late.take_partial()).unwrap();
    assert_eq!(gather.settled(), 2);
    check(gather, Some(5), "3", "0..3", 4);
}

#[test]
fn answers_of_nobody_known_count_but_name_nobody() {
    let mut gather = expecting(0..2);
    gather.on_update(None, Any::local(4_u64)).unwrap();
    gather.on_update(None, Any::local(5_u64)).unwrap();
    assert!(gather.is_complete());
    check(gather, Some(9), "", "", 2);
}

#[test]
fn a_stream_takes_every_update_of_a_member() {
    let mut gather = Gather::stream(Fold::new(Sum::<u64>::new()));
    for value in 1..=4 {
        answer(&mut gather, 7, value).unwrap();
    }
    assert_eq!((gather.folded(), gather.folder.arrived()), (4, Some(&10)));
}
