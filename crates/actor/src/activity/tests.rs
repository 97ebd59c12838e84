//! What is read while an actor does this and that, on a clock that stands still.

use std::time::Duration;

use tokio::time::advance;

use super::*;

const NAMES: [&str; 2] = ["Add", "Get"];

const SECOND: Duration = Duration::from_secs(1);

fn event(message: &str, ago: u32, took: u32, outcome: EventOutcome) -> ActorEvent {
    ActorEvent {
        message: message.to_owned(),
        begun_ago: SECOND * ago,
        took: SECOND * took,
        outcome,
    }
}

#[tokio::test(start_paused = true)]
async fn inv2_without_a_recorder_the_handler_and_the_number_of_messages_are_known() {
    let activity = Activity::new();
    activity.begin(2);
    activity.end(EventOutcome::Handled);
    activity.begin(1);
    advance(SECOND).await;
    let seen = activity.read(&NAMES, false);
    assert_eq!((seen.handled, seen.busy, seen.recent.len()), (1, None, 0));
    let current = seen.current.unwrap();
    assert_eq!(
        (current.message.as_str(), current.running_for),
        ("Add", None)
    );
    activity.end(EventOutcome::Failed);
    assert_eq!(activity.read(&NAMES, false).current, None);
}

#[tokio::test(start_paused = true)]
async fn inv3_the_recorder_keeps_the_last_events() {
    let _events = ACTOR_EVENTS.override_for_thread(2);
    let activity = Activity::new();
    for (handler, took, outcome) in [
        (1, 1, EventOutcome::Handled),
        (2, 2, EventOutcome::Handled),
        (1, 3, EventOutcome::Failed),
    ] {
        activity.begin(handler);
        advance(SECOND * took).await;
        activity.end(outcome);
    }
    let seen = activity.read(&NAMES, false);
    assert_eq!((seen.handled, seen.busy), (3, Some(SECOND * 6)));
    let expected = [
        event("Get", 5, 2, EventOutcome::Handled),
        event("Add", 3, 3, EventOutcome::Failed),
    ];
    assert_eq!(seen.recent, expected);
}

#[tokio::test(start_paused = true)]
async fn inv1_a_handler_that_does_not_end_is_read_again_and_again_and_in_the_end_was_cut_short() {
    let _events = ACTOR_EVENTS.override_for_thread(2);
    let activity = Activity::new();
    activity.begin(2);
    for seconds in [1, 2] {
        advance(SECOND).await;
        let seen = activity.read(&NAMES, false);
        assert_eq!(seen.busy, Some(SECOND * seconds));
        let expected = CurrentHandler {
            message: "Get".to_owned(),
            running_for: Some(SECOND * seconds),
        };
        assert_eq!((seen.handled, seen.current), (0, Some(expected)));
    }
    let seen = activity.read(&NAMES, true);
    assert_eq!(seen.current, None);
    assert_eq!(seen.recent, [event("Get", 2, 2, EventOutcome::CutShort)]);
}
