//! Which numbers are served, which were, and how much is remembered of these.

use super::*;

/// A port at which nobody answers.
struct Silent;

impl Port for Silent {
    fn connect(&self) -> Option<Stream> {
        None
    }
}

fn serve(hub: &LocalHub, number: u64) -> LocalNumber {
    hub.serve(number, |_| Arc::new(Silent)).unwrap()
}

#[track_caller]
fn check(hub: &LocalHub, number: u64, expected: Absence) {
    assert_eq!(hub.find(number).err(), Some(expected), "{number}");
}

#[test]
fn inv1_a_number_that_was_served_is_told_from_one_that_never_was() {
    let hub = LocalHub::new();
    check(&hub, 7, Absence::NeverServed);
    check(&hub, FIRST_CHOSEN, Absence::NeverServed);
    // Somebody writes the number that would be chosen first: it is passed over.
    let written = serve(&hub, FIRST_CHOSEN);
    let chosen = [serve(&hub, 0), serve(&hub, 0)];
    let numbers = [written.number, chosen[0].number, chosen[1].number];
    assert_eq!(numbers, [0, 1, 2].map(|n| FIRST_CHOSEN + n));
    let seven = serve(&hub, 7);
    for number in [7, numbers[0], numbers[1], numbers[2]] {
        assert!(hub.find(number).is_ok(), "{number}");
    }
    drop((written, chosen, seven));
    for number in [7, numbers[0], numbers[1], numbers[2]] {
        check(&hub, number, Absence::Gone);
    }
    check(&hub, 8, Absence::NeverServed);
    check(&hub, FIRST_CHOSEN + 3, Absence::NeverServed);
    // A number that somebody wrote may be served again.
    let again = serve(&hub, 7);
    assert!(hub.find(7).is_ok());
    drop(again);
    check(&hub, 7, Absence::Gone);
}

#[test]
fn inv1_what_is_remembered_of_numbers_is_bounded() {
    let hub = LocalHub::new();
    let most = MAX_GONE as u64;
    for number in 1..=most + 10 {
        // Twice, and a chosen one each time, which takes no place.
        drop(serve(&hub, number));
        drop(serve(&hub, number));
        drop(serve(&hub, 0));
    }
    assert_eq!(hub.lock().gone.len(), MAX_GONE);
    assert!(hub.lock().served.is_empty());
    check(&hub, 10, Absence::NeverServed);
    check(&hub, 11, Absence::Gone);
    check(&hub, most + 10, Absence::Gone);
    check(&hub, FIRST_CHOSEN + most + 9, Absence::Gone);
}
