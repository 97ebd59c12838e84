//! What ports do without room, as scripts: a letter is an item of one byte, a capital of five; `.` takes one out.

use super::*;

/// Runs `script` on a queue of 3 messages and 6 bytes. Returns what is left, what came out, what was refused
/// and what was displaced or replaced.
#[track_caller]
fn check(policy: QueuePolicy, script: &str, [left, out, refused, gone]: [&str; 4]) {
    let options = PortOptions {
        messages: 3,
        bytes: 6,
        policy,
        ..PortOptions::default()
    };
    let mut queue = PortQueue::new(&options);
    let mut found = [const { String::new() }; 4];
    for step in script.chars() {
        let bytes = if step.is_uppercase() { 5 } else { 1 };
        if step == '.' {
            found[1].extend(queue.pop());
            continue;
        }
        match queue.reserve(bytes) {
            Ok(displaced) => {
                found[3].extend(displaced);
                found[3].extend(queue.fill(step, 1, bytes));
            }
            Err(_) => found[2].push(step),
        }
        assert!(
            queue.len() <= 3 && (queue.bytes() <= 6 || queue.len() == 1),
            "INV-2"
        );
        assert_eq!(queue.weight(), queue.len() as u64);
    }
    let counts = queue.counts;
    assert_eq!(counts.rejected, found[2].len() as u64, "INV-3");
    assert_eq!(
        counts.dropped + counts.replaced,
        found[3].len() as u64,
        "INV-3"
    );
    found[0].extend(queue.take_all());
    assert_eq!((queue.bytes(), queue.weight()), (0, 0));
    assert_eq!(found, [left, out, refused, gone]);
}

#[test]
fn inv1_and_inv2_reject_keeps_what_came_first() {
    for policy in [QueuePolicy::Reject, QueuePolicy::Wait] {
        check(policy, "abcd", ["abc", "", "d", ""]);
        check(policy, "abcd.e", ["bce", "a", "d", ""]);
        check(policy, "aBcd", ["aB", "", "cd", ""]);
        check(policy, "aB.c", ["Bc", "a", "", ""]);
    }
}

#[test]
fn inv3_drop_oldest_keeps_what_came_last() {
    check(QueuePolicy::DropOldest, "abcdef", ["def", "", "", "abc"]);
    check(QueuePolicy::DropOldest, "abcD", ["cD", "", "", "ab"]);
    check(QueuePolicy::DropOldest, "ABc", ["Bc", "", "", "A"]);
}

#[test]
fn inv3_latest_keeps_one() {
    check(QueuePolicy::Latest, "abc", ["c", "", "", "ab"]);
    check(QueuePolicy::Latest, "ab.C", ["C", "b", "", "a"]);
}

#[test]
fn inv2_one_item_may_be_larger_than_the_queue_alone() {
    let options = PortOptions {
        bytes: 6,
        ..PortOptions::default()
    };
    let mut queue = PortQueue::new(&options);
    assert_eq!(queue.reserve(100), Ok(vec![]));
    assert_eq!(
        queue.reserve(1),
        Err(PortSendReason::FullOfBytes { limit: 6 })
    );
    queue.cancel(100);
    assert_eq!(queue.reserve(1), Ok(vec![]));
    assert_eq!(queue.fill('a', 1, 1), []);
    assert_eq!((queue.pop(), queue.bytes()), (Some('a'), 0));
}
