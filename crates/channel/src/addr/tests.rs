//! Addresses as text: what is read, what is printed, what is refused and why.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn addr(text: &str) -> ChannelAddr {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// Checks that `text` prints as `colon` and as `url`, and that both are read back (INV-2).
#[track_caller]
fn check(text: &str, colon: &str, url: &str) {
    let parsed = addr(text);
    assert_eq!(parsed.to_string(), colon);
    assert_eq!(parsed.to_url(), url);
    assert_eq!(addr(colon), parsed);
    assert_eq!(addr(url), parsed);
}

#[track_caller]
fn check_refused(text: &str, problem: &str) {
    let error = text.parse::<ChannelAddr>().expect_err(text);
    assert_eq!(error.problem().to_string(), problem, "{text:?}");
    assert!(error.to_string().len() < 400, "{error}");
}

#[test]
fn an_address_prints_in_one_form_and_is_read_in_both() {
    check("local:7", "local:7", "inproc://7");
    check("inproc://007", "local:7", "inproc://7");
    check("unix:/p", "unix:/p", "ipc:///p");
    check("ipc:///p/q.sock", "unix:/p/q.sock", "ipc:///p/q.sock");
    check("unix:@n", "unix:@n", "ipc://@n");
    check("unix:", "unix:", "ipc://");
    check("tcp:127.0.0.1:0", "tcp:127.0.0.1:0", "tcp://127.0.0.1:0");
    check("tcp:[::1]:1234", "tcp:[::1]:1234", "tcp://[::1]:1234");
    check("tcp:node7:1234", "tcp:node7:1234", "tcp://node7:1234");
    check("tcp://*:80", "tcp:*:80", "tcp://*:80");
    check("tls:node7:443", "tls:node7:443", "tls://node7:443");
    check("tls://[::1]:443", "tls:[::1]:443", "tls://[::1]:443");
    check("tls://*:0", "tls:*:0", "tls://*:0");
    check("sim:a", "sim:a", "sim://a");
    check(
        "sim://host-1.rack_2",
        "sim:host-1.rack_2",
        "sim://host-1.rack_2",
    );
    check("sim:", "sim:", "sim://");
}

#[test]
fn inv1_equal_places_are_equal_addresses() {
    for (one, other) in [
        ("tcp:LOCALHOST:1", "tcp:localhost:1"),
        ("tcp:[0:0::1]:5", "tcp:[::1]:5"),
        ("tcp:[::ffff:10.0.0.1]:5", "tcp:10.0.0.1:5"),
        ("tls:LOCALHOST:1", "tls:localhost:1"),
        ("tls:[::ffff:10.0.0.1]:5", "tls:10.0.0.1:5"),
    ] {
        assert_eq!(addr(one), addr(other));
        assert_eq!(HashSet::from([addr(one), addr(other)]).len(), 1);
    }
    for (one, other) in [
        ("tls:h:1", "tcp:h:1"),
        ("sim:A", "sim:a"),
        ("unix:/p", "unix:@p"),
    ] {
        assert_ne!(addr(one), addr(other));
    }
}

#[test]
fn what_is_no_address_is_refused_with_the_reason() {
    let schemes = "known are local, unix, tcp, tls and sim, and the URLs tcp://, tls://, sim://, ipc:// and inproc://";
    let path =
        "a unix address is an absolute path in UTF-8 that starts with one slash, or @ and a name";
    check_refused("", "it is empty");
    check_refused(
        "nothing",
        "it has no scheme; known are local:, unix:, tcp:, tls:, sim:, tcp://, tls://, sim://, ipc:// and inproc://",
    );
    check_refused(
        "bogus:1",
        &format!("the scheme \"bogus\" is not known; {schemes}"),
    );
    check_refused(
        "ipc:/p",
        &format!("the scheme \"ipc\" is not known; {schemes}"),
    );
    check_refused("tcp:", "it has no port");
    check_refused("tcp:1.2.3.4", "it has no port");
    check_refused("tcp:[::1]", "it has no port");
    check_refused(
        "tcp::80",
        "the host \"\" is neither an IP address nor a name",
    );
    check_refused(
        "tcp:1.2.3.999:80",
        "the host \"1.2.3.999\" is neither an IP address nor a name",
    );
    check_refused(
        "tcp:a b:80",
        "the host \"a b\" is neither an IP address nor a name",
    );
    check_refused(
        "tcp:[1.2.3.4]:80",
        "the host \"1.2.3.4\" is neither an IP address nor a name",
    );
    check_refused(
        "tcp:h:99999",
        "the port \"99999\" is not a number from 0 to 65535",
    );
    check_refused(
        "tcp:h:+80",
        "the port \"+80\" is not a number from 0 to 65535",
    );
    check_refused(
        "tcp:h:fd7",
        "the port \"fd7\" is not a number from 0 to 65535",
    );
    check_refused("tcp:h:", "the port \"\" is not a number from 0 to 65535");
    check_refused(
        "tcp:[::1:80",
        "an IPv6 address is written as [address]:port",
    );
    check_refused("tcp:::1:80", "an IPv6 address is written as [address]:port");
    check_refused(
        "local:x",
        "\"x\" is not the decimal number of a local address",
    );
    check_refused(
        "local:-1",
        "\"-1\" is not the decimal number of a local address",
    );
    check_refused("tls:", "it has no port");
    check_refused(
        "tls:h:99999",
        "the port \"99999\" is not a number from 0 to 65535",
    );
    for name in ["a b", "a/b", "a:1", "é", &"n".repeat(65)] {
        check_refused(
            &format!("sim:{name}"),
            &format!("{name:?} is not a name of 1 to 64 letters, digits, -, _ and ."),
        );
    }
    check_refused("unix:p", path);
    check_refused("unix:@", path);
    check_refused("unix://p", path);
    check_refused(
        &format!("unix:/{}", "p".repeat(107)),
        "the path or name has 108 bytes, and a unix socket takes 107",
    );
    check_refused(
        &format!("tcp:{}:1", "h".repeat(600)),
        "it has 606 bytes, and 512 are allowed",
    );
}

#[test]
fn no_text_stands_for_an_open_socket() {
    for text in [
        "fd:7",
        "tcp:fd7",
        "tcp:fd:7x",
        "unix:fd7",
        "tls:h:fd7",
        "tcp:h:fd7",
        "local:fd7",
    ] {
        assert!(text.parse::<ChannelAddr>().is_err(), "{text}");
    }
    assert_eq!(
        addr("tcp:fd:7").to_string(),
        "tcp:fd:7",
        "a host of that name"
    );
}

#[test]
fn where_to_listen_and_what_to_tell_is_no_text() {
    for text in [
        "tcp:0.0.0.0:80,tcp:front:80",
        "tcp:0.0.0.0:80=tcp:front:80",
        "tcp:0.0.0.0:80@front:80",
    ] {
        assert!(text.parse::<ChannelAddr>().is_err(), "{text}");
    }
}

#[test]
fn a_long_path_is_told_from_a_bad_one() {
    let error = format!("unix:/{}", "p".repeat(107))
        .parse::<ChannelAddr>()
        .unwrap_err();
    assert_eq!(error.problem(), &AddrProblem::PathTooLong(108));
    let longest = format!("unix:/{}", "p".repeat(106));
    assert_eq!(addr(&longest).to_string(), longest);
    let error = UnixName::abstract_name(&"n".repeat(108)).unwrap_err();
    assert_eq!(error.problem(), &AddrProblem::PathTooLong(108));
}

#[test]
fn what_the_system_is_to_choose_cannot_be_dialled() {
    for (text, dialable) in [
        ("local:0", false),
        ("local:1", true),
        ("unix:", false),
        ("unix:@n", true),
        ("tcp:h:0", false),
        ("tcp:h:1", true),
        ("tcp:*:1", false),
        ("tcp:0.0.0.0:1", false),
        ("tcp:[::]:1", false),
        ("tls:h:0", false),
        ("tls:h:1", true),
        ("tls:*:1", false),
        ("sim:", false),
        ("sim:a", true),
    ] {
        assert_eq!(addr(text).is_dialable(), dialable, "{text}");
    }
}

#[test]
fn any_of_a_transport_has_that_transport() {
    for &transport in ChannelTransport::ALL {
        assert_eq!(ChannelAddr::any(transport).transport(), transport);
        assert_eq!(transport.to_string().parse(), Ok(transport));
        let text = ChannelAddr::any(transport).to_string();
        assert!(text.starts_with(&format!("{transport}:")), "{text}");
    }
    for text in ["", "TCP", "tcp:", "quic"] {
        assert!(text.parse::<ChannelTransport>().is_err(), "{text}");
    }
}

/// Checks what is told to others when `bound` was bound; `Err` is the address that cannot be told.
#[track_caller]
fn check_advertised(advertise: Option<&str>, bound: &str, told: Result<&str, &str>) {
    let serve = ServeAddr {
        bind: addr(bound),
        advertise: advertise.map(addr),
    };
    assert_eq!(
        advertised(serve.advertise.as_ref(), addr(bound)),
        told.map(addr).map_err(addr)
    );
}

#[test]
fn the_advertised_address_is_told_with_the_bound_port() {
    check_advertised(None, "tcp:10.0.0.1:80", Ok("tcp:10.0.0.1:80"));
    check_advertised(None, "tcp:0.0.0.0:80", Err("tcp:0.0.0.0:80"));
    check_advertised(Some("tcp:front:0"), "tcp:0.0.0.0:80", Ok("tcp:front:80"));
    check_advertised(
        Some("tcp:front:443"),
        "tcp:10.0.0.1:80",
        Ok("tcp:front:443"),
    );
    check_advertised(Some("tcp:*:443"), "tcp:10.0.0.1:80", Err("tcp:*:443"));
    check_advertised(Some("tls:front:0"), "tls:0.0.0.0:80", Ok("tls:front:80"));
    check_advertised(
        Some("tls:front:443"),
        "tcp:10.0.0.1:80",
        Ok("tls:front:443"),
    );
    check_advertised(Some("tls:front:0"), "tcp:10.0.0.1:80", Err("tls:front:0"));
    check_advertised(Some("unix:"), "tcp:10.0.0.1:80", Err("unix:"));
}

#[test]
fn an_address_is_its_text_in_formats_for_people() {
    let json = serde_json::to_string(&addr("tcp:h:1")).unwrap();
    assert_eq!(json, "\"tcp:h:1\"");
    assert_eq!(
        serde_json::from_str::<ChannelAddr>(&json).unwrap(),
        addr("tcp:h:1")
    );
    let error = serde_json::from_str::<ChannelAddr>("\"tcp:h\"")
        .unwrap_err()
        .to_string();
    assert!(error.contains("it has no port"), "{error}");
}

/// Checks what the bytes of an address on the wire decode to.
#[track_caller]
fn check_bytes(bytes: &[u8], expected: Result<&str, &str>) {
    let payload = hypermesh_wire::Payload {
        body: bytes.to_vec().into(),
        ..Default::default()
    };
    match (hypermesh_wire::decode::<ChannelAddr>(&payload), expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found, addr(expected)),
        (Err(error), Err(expected)) => {
            let error = error.to_string();
            assert!(error.contains(expected), "{error:?}");
        }
        (found, _) => panic!("{found:?} is not {expected:?}"),
    }
}

#[test]
fn an_address_is_its_parts_in_formats_for_machines() {
    check_bytes(b"\x00\x07", Ok("local:7"));
    check_bytes(b"\x01", Ok("unix:"));
    check_bytes(b"\x02\x02/p", Ok("unix:/p"));
    check_bytes(b"\x03\x01n", Ok("unix:@n"));
    check_bytes(b"\x04\x50", Ok("tcp:*:80"));
    check_bytes(b"\x05\x00\x0a\x00\x00\x01\x50", Ok("tcp:10.0.0.1:80"));
    check_bytes(b"\x06\x01H\x50", Ok("tcp:h:80"));
    check_bytes(b"\x07\x50", Ok("tls:*:80"));
    check_bytes(b"\x08\x00\x0a\x00\x00\x01\x50", Ok("tls:10.0.0.1:80"));
    check_bytes(b"\x09\x01H\x50", Ok("tls:h:80"));
    check_bytes(b"\x0a", Ok("sim:"));
    check_bytes(b"\x0b\x01a", Ok("sim:a"));
    check_bytes(b"\x0b\x00", Err("is not a name of 1 to 64"));
    check_bytes(b"\x0c", Err("invalid value"));
    check_bytes(b"\x02\x03p/q", Err("a unix address is an absolute path"));
    check_bytes(b"\x02\x03/\0q", Err("a unix address is an absolute path"));
    check_bytes(b"\x03\x00", Err("a unix address is an absolute path"));
    check_bytes(
        &[b"\x03\x7f".as_slice(), &[b'n'; 127]].concat(),
        Err("has 127 bytes, and a unix socket takes 107"),
    );
    check_bytes(b"\x06\x03a/b\x50", Err("neither an IP address nor a name"));
    check_bytes(b"\x06\x01h\x80\x80\x04", Err("is too long"));
}

fn any_addr() -> impl Strategy<Value = ChannelAddr> {
    let host = prop_oneof![
        any::<std::net::IpAddr>().prop_map(Host::from),
        "[a-zA-Z0-9_-]{0,40}[a-zA-Z](\\.[a-zA-Z0-9]{1,20}){0,3}"
            .prop_map(|name| Host(Machine::Name(name.to_ascii_lowercase().into()))),
        Just(Host::every()),
    ];
    let socket = (host, any::<u16>());
    prop_oneof![
        any::<u64>().prop_map(ChannelAddr::Local),
        "(/[^/\0]{1,10}){1,2}".prop_map(|path| ChannelAddr::Unix(UnixName::path(path).unwrap())),
        "[^\0]{1,26}".prop_map(|name| ChannelAddr::Unix(UnixName::abstract_name(&name).unwrap())),
        socket
            .clone()
            .prop_map(|(host, port)| ChannelAddr::Tcp { host, port }),
        socket.prop_map(|(host, port)| ChannelAddr::Tls { host, port }),
        "[a-zA-Z0-9._-]{1,64}".prop_map(|name| ChannelAddr::Sim(SimName::new(&name).unwrap())),
        prop::sample::select(vec![ChannelTransport::Unix, ChannelTransport::Sim])
            .prop_map(ChannelAddr::any),
    ]
}

proptest! {
    #[test]
    fn inv2_every_address_is_read_back_from_its_text(addr in any_addr()) {
        prop_assert_eq!(&addr.to_string().parse::<ChannelAddr>().unwrap(), &addr);
        prop_assert_eq!(&addr.to_url().parse::<ChannelAddr>().unwrap(), &addr);
        prop_assert!(addr.to_string().len() <= MAX_ADDR_LEN);
    }

    #[test]
    fn every_address_is_read_back_from_its_parts(addr in any_addr()) {
        let payload = hypermesh_wire::encode(&addr).unwrap();
        prop_assert_eq!(hypermesh_wire::decode::<ChannelAddr>(&payload).unwrap(), addr);
    }

    #[test]
    fn what_bytes_decode_to_is_an_address_of_its_text(
        kind in 0_u8..13,
        rest in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let body = [&[kind], &rest[..]].concat().into();
        let payload = hypermesh_wire::Payload { body, ..Default::default() };
        if let Ok(addr) = hypermesh_wire::decode::<ChannelAddr>(&payload) {
            prop_assert_eq!(addr.to_string().parse::<ChannelAddr>().unwrap(), addr);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(tcp|tls|sim|unix|local|ipc|inproc)?:?(//)?[\\[\\]:@/*.0-9a-z\\PC]{0,40}") {
        if let Ok(addr) = text.parse::<ChannelAddr>() {
            prop_assert_eq!(addr.to_string().parse::<ChannelAddr>().unwrap(), addr);
        }
    }
}
