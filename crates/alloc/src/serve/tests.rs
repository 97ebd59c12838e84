//! Tests of serving by the settings of a machine.

use std::fmt;

use super::*;

#[derive(Debug)]
struct Taken;
impl std::error::Error for Taken {}
impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("taken")
    }
}

/// Serves where all ports but `free` are taken; port 0 becomes 4000. What was bound and what
/// came out are compared as text.
#[track_caller]
fn check(addr: &str, every_interface: bool, ports: &str, free: u16, bound: &str, told: &str) {
    let mut seen = Vec::new();
    let told_now = serve(
        addr.parse().unwrap(),
        every_interface,
        ports.parse().unwrap(),
        |at| {
            seen.push(at.bind.to_string());
            let chosen = match &at.bind {
                ChannelAddr::Tcp { port: 0, .. } => 4000,
                ChannelAddr::Tcp { port, .. } if *port != free => return Err(Taken),
                _ => free,
            };
            Ok(match at.advertise.unwrap_or(at.bind) {
                ChannelAddr::Tcp { host, port: 0 } => ChannelAddr::Tcp { host, port: chosen },
                addr => addr,
            })
        },
    );
    let told_now = match told_now {
        Ok(addr) => addr.to_string(),
        Err(error) => error.to_string(),
    };
    assert_eq!((&*seen.join(" "), &*told_now), (bound, told));
}

#[test]
fn the_given_address_is_served_and_told() {
    check(
        "tcp:10.0.0.1:80",
        false,
        "",
        80,
        "tcp:10.0.0.1:80",
        "tcp:10.0.0.1:80",
    );
    check(
        "tcp:10.0.0.1:0",
        false,
        "",
        80,
        "tcp:10.0.0.1:0",
        "tcp:10.0.0.1:4000",
    );
    check("local:7", true, "10..20", 80, "local:7", "local:7");
    check(
        "tcp:10.0.0.1:81",
        false,
        "",
        80,
        "tcp:10.0.0.1:81",
        "cannot serve at tcp:10.0.0.1:81",
    );
}

#[test]
fn every_interface_is_bound_and_the_given_address_told() {
    check(
        "tcp:10.0.0.1:80",
        true,
        "",
        80,
        "tcp:*:80",
        "tcp:10.0.0.1:80",
    );
    check(
        "tcp:[2001:db8::1]:0",
        true,
        "",
        80,
        "tcp:*:0",
        "tcp:[2001:db8::1]:4000",
    );
}

#[test]
fn the_first_allowed_port_that_is_free_is_taken() {
    check(
        "tcp:h:0",
        false,
        "79..82",
        80,
        "tcp:h:79 tcp:h:80",
        "tcp:h:80",
    );
    check(
        "tcp:h:0",
        true,
        "79..82",
        81,
        "tcp:*:79 tcp:*:80 tcp:*:81",
        "tcp:h:81",
    );
    check("tcp:h:90", false, "79..82", 90, "tcp:h:90", "tcp:h:90");
    let exhausted = "cannot serve at any of the allowed ports 79..81";
    check(
        "tcp:h:0",
        false,
        "79..81",
        90,
        "tcp:h:79 tcp:h:80",
        exhausted,
    );
}
