//! Tests of the climb.

use super::*;

/// Runs a climb of a ladder given in seconds; `steps` are (second, what is done, rung taken).
#[track_caller]
fn check(drain: u64, term: u64, steps: &[(u64, &str, Option<Rung>)]) {
    let start = Instant::now();
    let secs = Duration::from_secs;
    let mut climb = Climb::new(
        Ladder {
            drain: secs(drain),
            term: secs(term),
        },
        start,
    );
    for &(second, step, rung) in steps {
        let now = start + secs(second);
        match step {
            "tick" => {}
            "kill" => climb.hurry(Ladder::kill(), now),
            "skip" => climb.skip_drain(now),
            "longer" => climb.hurry(
                Ladder {
                    drain: secs(99),
                    term: secs(99),
                },
                now,
            ),
            other => panic!("no such step: {other}"),
        }
        assert_eq!(climb.on_time(now), rung, "at {second} after {step}");
    }
}

#[test]
fn inv1_rungs_are_climbed_upward_and_once() {
    use Rung::{Drain, Kill, Term};
    let tick = |second, rung| (second, "tick", rung);
    check(
        3,
        2,
        &[
            tick(0, Some(Drain)),
            tick(2, None),
            tick(3, Some(Term)),
            tick(4, None),
        ],
    );
    check(
        3,
        2,
        &[
            tick(0, Some(Drain)),
            tick(3, Some(Term)),
            tick(5, Some(Kill)),
            tick(9, None),
        ],
    );
    check(3, 2, &[tick(0, Some(Drain)), tick(9, Some(Kill))]);
    check(0, 2, &[tick(0, Some(Term)), tick(2, Some(Kill))]);
    check(3, 0, &[tick(0, Some(Drain)), tick(3, Some(Kill))]);
    check(0, 0, &[tick(0, Some(Kill)), tick(1, None)]);
}

#[test]
fn inv2_a_further_request_only_makes_the_end_earlier() {
    use Rung::{Drain, Kill, Term};
    check(
        3,
        2,
        &[
            (0, "tick", Some(Drain)),
            (1, "kill", Some(Kill)),
            (2, "longer", None),
        ],
    );
    check(
        3,
        2,
        &[
            (0, "tick", Some(Drain)),
            (1, "longer", None),
            (3, "tick", Some(Term)),
        ],
    );
}

#[test]
fn a_child_that_cannot_be_asked_gets_sigterm_at_once_and_the_whole_time_after_it() {
    use Rung::{Drain, Kill, Term};
    check(
        8,
        2,
        &[
            (0, "tick", Some(Drain)),
            (1, "skip", Some(Term)),
            (2, "tick", None),
            (3, "tick", Some(Kill)),
        ],
    );
    check(
        8,
        2,
        &[
            (0, "tick", Some(Drain)),
            (8, "tick", Some(Term)),
            (9, "skip", None),
            (10, "tick", Some(Kill)),
        ],
    );
}

#[test]
fn a_climb_says_when_it_is_due() {
    let now = Instant::now();
    let ladder = Ladder {
        drain: Duration::from_secs(3),
        term: Duration::from_secs(2),
    };
    let mut climb = Climb::new(ladder, now);
    climb.on_time(now);
    assert_eq!(climb.due(), Some(now + ladder.drain));
    climb.on_time(now + ladder.drain);
    assert_eq!(climb.due(), Some(now + ladder.total()));
    climb.on_time(now + ladder.total());
    assert_eq!(climb.due(), None);
    assert!(climb.has_escalated());
}
