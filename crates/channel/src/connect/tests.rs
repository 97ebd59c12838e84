//! The race over the places of an address, with attempts that are scripted, under a paused clock.

use std::{cell::RefCell, future::pending};

use super::*;

/// What becomes of the attempts at one place, and after how many milliseconds; the last line repeats.
#[derive(Clone, Copy)]
enum Script {
    Connects(u64),
    Fails(u64),
    Hangs,
}
use Script::{Connects, Fails, Hangs};

/// Lets the paused clock go on.
async fn pass(milliseconds: u64) {
    let _ = timeout(Duration::from_millis(milliseconds), pending::<()>()).await;
}

/// Runs a race over the places 0, 1, … and takes so many winners. Returns what happened, with the times.
async fn run(scripts: &[Script], winners: usize) -> String {
    let log = RefCell::new(Vec::new());
    let began = Instant::now();
    let note = |what: &str, place: usize| {
        let time = began.elapsed().as_millis();
        log.borrow_mut().push(format!("{what}{place}@{time}"));
    };
    let open = async |place: usize| {
        note("begins ", place);
        match scripts[place] {
            Connects(after) => pass(after).await,
            Fails(after) => {
                pass(after).await;
                return Err(ConnectError::NoAddress);
            }
            Hangs => pending().await,
        }
        Ok(place)
    };
    let mut race = Race::new((0..scripts.len()).collect(), open);
    for _ in 0..winners {
        match race.winner().await {
            Some((place, socket)) => {
                assert_eq!(place, socket);
                note("wins ", place);
                race.failed(&place, ConnectError::Timeout);
            }
            None => note("ends ", race.tried.len()),
        }
    }
    let tried: Vec<_> = race.tried.iter().map(|tried| &*tried.place).collect();
    let log = log.borrow().join(", ");
    format!("{log}; failed {}", tried.join(" "))
}

#[tokio::test(start_paused = true)]
async fn inv1_the_next_attempt_begins_after_a_while_or_a_failure() {
    let log = run(&[Connects(100), Connects(0)], 1).await;
    assert_eq!(log, "begins 0@0, wins 0@100; failed 0");
    let log = run(&[Hangs, Hangs, Connects(10)], 1).await;
    assert_eq!(
        log,
        "begins 0@0, begins 1@250, begins 2@500, wins 2@510; failed 2"
    );
    let log = run(&[Fails(5), Fails(1), Connects(10)], 1).await;
    assert_eq!(
        log,
        "begins 0@0, begins 1@5, begins 2@6, wins 2@16; failed 0 1 2"
    );
    // A slow first place may still win.
    let log = run(&[Connects(300), Connects(100)], 1).await;
    assert_eq!(log, "begins 0@0, begins 1@250, wins 0@300; failed 0");
}

#[tokio::test(start_paused = true)]
async fn inv2_what_was_given_up_is_tried_again_if_the_winner_fails() {
    let log = run(&[Connects(300), Connects(20), Connects(5)], 2).await;
    assert_eq!(
        log,
        "begins 0@0, begins 1@250, wins 1@270, begins 0@270, begins 2@520, wins 2@525; failed 1 2"
    );
}

#[tokio::test(start_paused = true)]
async fn inv3_each_place_that_failed_is_reported_once() {
    let log = run(&[Fails(300), Connects(10), Fails(20)], 3).await;
    assert_eq!(
        log,
        "begins 0@0, begins 1@250, wins 1@260, begins 0@260, begins 2@510, ends 3@560, ends 3@560; failed 1 2 0"
    );
    assert_eq!(run(&[], 1).await, "ends 0@0; failed ");
}

#[test]
fn the_families_take_turns() {
    let check = |found: &str, expected: &str| {
        let ips = found.split(' ').map(|ip| ip.parse().unwrap()).collect();
        let turns: Vec<_> = interleave(ips).iter().map(IpAddr::to_string).collect();
        assert_eq!(turns.join(" "), expected);
    };
    check("::1 ::2 ::3 1.1.1.1", "::1 1.1.1.1 ::2 ::3");
    check("1.1.1.1 2.2.2.2 ::1", "1.1.1.1 ::1 2.2.2.2");
    check("1.1.1.1", "1.1.1.1");
    assert!(interleave(Vec::new()).is_empty());
}
