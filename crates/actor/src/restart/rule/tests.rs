//! Scripts of ends, and what is decided.

use hypermesh_testkit::Seed;

use super::super::Backoff;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn rule(strategy: Strategy, max: u32, within: u64, backoff: Backoff) -> Rule {
    let within = Duration::from_secs(within);
    Rule::new(
        strategy,
        RestartPolicy {
            max,
            within,
            backoff,
        },
    )
}

/// Lets the only member end at these seconds, and compares what is decided: the pause in seconds, or
/// `x` and the number of ends.
#[track_caller]
fn check_times(max: u32, within: u64, backoff: Backoff, ends: &[u64], expected: &str) {
    let mut rule = rule(Strategy::OneForOne, max, within, backoff);
    let place = rule.join();
    let begin = Instant::now();
    let decide = |&at: &u64| match rule.ended(place, begin + SECOND * at as u32) {
        Verdict::Again { after, .. } => after.as_secs().to_string(),
        Verdict::GiveUp { ends } => format!("x{ends}"),
    };
    let decided: Vec<String> = ends.iter().map(decide).collect();
    assert_eq!(decided.join(" "), expected);
}

#[test]
fn inv1_the_fourth_end_within_the_span_is_one_too_many() {
    check_times(3, 10, Backoff::NONE, &[0, 1, 2, 3], "0 0 0 x4");
    check_times(3, 10, Backoff::NONE, &[0, 1, 2, 9], "0 0 0 x4");
    check_times(3, 10, Backoff::NONE, &[0, 1, 2, 10], "0 0 0 0");
    check_times(3, 10, Backoff::NONE, &[0, 8, 9, 10, 11, 18], "0 0 0 0 x4 0");
    check_times(0, 10, Backoff::NONE, &[0], "x1");
}

#[test]
fn inv1_holds_for_any_times() {
    let mut rng = Seed::from_env().rng();
    for _ in 0..200 {
        let max = rng.below(5) as u32;
        let within = 1 + rng.below(20);
        let mut rule = rule(Strategy::OneForOne, max, within, Backoff::NONE);
        let place = rule.join();
        let begin = Instant::now();
        let mut restarted: Vec<u64> = Vec::new();
        let mut now = 0;
        for _ in 0..100 {
            now += rng.below(8);
            let recent = restarted.iter().filter(|&&at| now - at < within).count();
            let verdict = rule.ended(place, begin + SECOND * now as u32);
            let is_again = matches!(verdict, Verdict::Again { .. });
            assert_eq!(is_again, recent < max as usize, "{restarted:?} then {now}");
            if is_again {
                restarted.push(now);
            }
            assert!(rule.restarts.len() <= max as usize, "INV-5");
        }
    }
}

#[test]
fn inv2_ends_that_are_far_apart_never_exhaust_the_rule() {
    let ends: Vec<u64> = (0..100).map(|n| n * 4).collect();
    let expected = vec!["0"; 100].join(" ");
    check_times(3, 10, Backoff::NONE, &ends, &expected);
}

#[test]
fn inv3_the_pause_doubles_within_the_span_and_has_a_limit() {
    let backoff = Backoff {
        first: SECOND,
        longest: 5 * SECOND,
    };
    check_times(9, 100, backoff, &[0, 1, 2, 3, 4], "1 2 4 5 5");
    check_times(9, 100, backoff, &[0, 1, 150, 151], "1 2 1 2");
    assert_eq!(backoff.pause(0), SECOND);
    assert_eq!(backoff.pause(u32::MAX), 5 * SECOND);
    let endless = Backoff {
        first: SECOND,
        longest: Duration::MAX,
    };
    assert_eq!(endless.pause(33), SECOND * u32::MAX);
}

#[track_caller]
fn check_members(strategy: Strategy, left: &[Place], ended: Place, expected: &[Place]) {
    let mut rule = rule(strategy, 1, 10, Backoff::NONE);
    (0..5).for_each(|place| assert_eq!(rule.join(), place));
    left.iter().for_each(|&place| rule.leave(place));
    let Verdict::Again { members, .. } = rule.ended(ended, Instant::now()) else {
        panic!("it is the first end");
    };
    assert_eq!(members, expected);
}

#[test]
fn inv4_the_strategy_says_who_is_made_anew() {
    use Strategy::{OneForAll, OneForOne, RestForOne};
    check_members(OneForOne, &[], 2, &[2]);
    check_members(OneForAll, &[], 2, &[0, 1, 2, 3, 4]);
    check_members(RestForOne, &[], 2, &[2, 3, 4]);
    check_members(RestForOne, &[], 4, &[4]);
    check_members(OneForAll, &[1, 4], 2, &[0, 2, 3]);
    check_members(RestForOne, &[1, 4], 2, &[2, 3]);
}
