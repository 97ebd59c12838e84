//! Text forms of ids round-trip, and no text parses as two kinds of id.

use proptest::prelude::*;

use super::*;

fn any_proc() -> impl Strategy<Value = ProcId> {
    (any::<u64>(), any::<u32>(), any::<u32>()).prop_map(|(w, r, g)| ProcId::new(w, r, g))
}

fn any_actor() -> impl Strategy<Value = ActorId> {
    (any_proc(), any::<u64>(), any::<u32>()).prop_map(|(proc, a, g)| proc.actor(a, g))
}

fn any_port() -> impl Strategy<Value = PortId> {
    let port = prop_oneof![
        any::<u64>().prop_map(|key| Port::Handler(TypeKey::from_value(key))),
        (any::<u32>(), any::<u32>())
            .prop_map(|(slot, generation)| Port::Ephemeral { slot, generation }),
        any::<u8>().prop_map(Port::Control),
    ];
    (any_actor(), port).prop_map(|(actor, port)| actor.port(port))
}

#[track_caller]
fn check_kinds(text: &str, parses_as: [bool; 3]) {
    let found = [
        text.parse::<ProcId>().is_ok(),
        text.parse::<ActorId>().is_ok(),
        text.parse::<PortId>().is_ok(),
    ];
    assert_eq!(found, parses_as, "{text:?}");
}

proptest! {
    #[test]
    fn every_id_round_trips_and_parses_as_no_other_kind(
        proc in any_proc(), actor in any_actor(), port in any_port(),
    ) {
        prop_assert_eq!(proc.to_string().parse(), Ok(proc));
        prop_assert_eq!(actor.to_string().parse(), Ok(actor));
        prop_assert_eq!(port.to_string().parse(), Ok(port));
        check_kinds(&proc.to_string(), [true, false, false]);
        check_kinds(&actor.to_string(), [false, true, false]);
        check_kinds(&port.to_string(), [false, false, true]);
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in ".{0,80}") {
        _ = (text.parse::<ProcId>(), text.parse::<ActorId>(), text.parse::<PortId>());
    }

    #[test]
    fn a_text_that_parses_is_the_text_of_that_id(text in "[0-9a-f.+-]{1,12}") {
        if let Ok(proc) = text.parse::<ProcId>() {
            prop_assert_eq!(proc.to_string(), text);
        }
    }

    #[test]
    fn ids_of_one_proc_are_contiguous_in_any_order(mut ports in prop::collection::vec(any_port(), 9)) {
        let home = ports[0].actor.proc;
        ports[4].actor.proc = home;
        ports[8].actor.proc = home;
        ports.sort();
        let at_home: Vec<usize> = (0..9).filter(|idx| ports[*idx].actor.proc == home).collect();
        prop_assert!(at_home.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    }
}

#[track_caller]
fn check_error<I: FromStr<Err = ParseIdError> + fmt::Debug>(text: &str, expected: &str) {
    assert_eq!(text.parse::<I>().unwrap_err().to_string(), expected);
}

#[test]
fn bad_texts_are_refused_with_the_text_and_the_place() {
    check_error::<ProcId>("", "\"\" is not of the form world.rank.generation");
    check_error::<ProcId>("1.2", "\"1.2\" is not of the form world.rank.generation");
    check_error::<ProcId>(
        "1.2.3.4",
        "\"1.2.3.4\" is not of the form world.rank.generation",
    );
    check_error::<ProcId>("1..3", "\"\" in \"1..3\" is not a rank number");
    check_error::<ProcId>("+1.2.3", "\"+1\" in \"+1.2.3\" is not a world number");
    check_error::<ProcId>("1.-2.3", "\"-2\" in \"1.-2.3\" is not a rank number");
    check_error::<ProcId>("1.02.3", "\"02\" in \"1.02.3\" is not a rank number");
    check_error::<ProcId>(
        "1.2.4294967296",
        "\"4294967296\" in \"1.2.4294967296\" is not a generation number",
    );
    check_error::<ProcId>(
        "1ffffffffffffffff.2.3",
        "\"1ffffffffffffffff\" in \"1ffffffffffffffff.2.3\" is not a world number",
    );
    check_error::<PortId>(
        "1.2.3/4.5/control.256",
        "\"256\" in \"1.2.3/4.5/control.256\" is not a control port number",
    );
    check_error::<ActorId>(
        "1.2.3/4.5 ",
        "\"5 \" in \"1.2.3/4.5 \" is not a generation number",
    );
    check_error::<ProcId>(
        &"1".repeat(257),
        "the text of an id has 257 bytes, 256 are allowed",
    );
}

#[test]
fn ids_are_small_and_without_addresses() {
    assert_eq!(size_of::<ProcId>(), 16);
    assert_eq!(size_of::<ActorId>(), 32);
    assert_eq!(size_of::<PortId>(), 48);
}
