//! Which failures of an attempt to connect end a link, and as what.

use super::*;

fn handshake() -> HandshakeError {
    HandshakeError::Version { ours: 1, theirs: 3 }
}

fn io_error(kind: io::ErrorKind) -> ConnectError {
    io::Error::from(kind).into()
}

#[test]
fn what_may_pass_is_tried_again() {
    let passing = [
        io_error(io::ErrorKind::ConnectionRefused),
        io_error(io::ErrorKind::NotFound),
        io_error(io::ErrorKind::TimedOut),
        ConnectError::NoAddress,
        ConnectError::Timeout,
        ConnectError::ForeignUser(1),
        ConnectError::Tls(TlsError::NotConfigured),
        ConnectError::Refused(Refusal::Busy),
        ConnectError::Refused(Refusal::NextHop),
    ];
    for error in passing {
        assert_eq!(error.permanent(), None, "{error}");
    }
}

#[test]
fn what_does_not_pass_ends_the_link_with_a_reason_of_its_own() {
    let refusals = [
        Refusal::Magic,
        Refusal::Version { ours: 1, theirs: 2 },
        Refusal::Malformed,
        Refusal::Kind {
            asked: "parcels".to_owned(),
            served: "others".to_owned(),
        },
        Refusal::Identity,
        Refusal::NotGateway,
        Refusal::HopLimit,
        Refusal::Loop,
        Refusal::Unknown(77),
    ];
    for refusal in refusals {
        let error = ConnectError::Refused(refusal.clone());
        assert_eq!(error.permanent(), Some(CloseReason::Refused(refusal)));
    }
    let gone = ConnectError::NotServed.permanent();
    assert_eq!(gone, Some(CloseReason::PeerClosed));
    let broken = ConnectError::Handshake(handshake()).permanent();
    assert_eq!(broken, Some(CloseReason::Protocol(handshake().into())));
}

#[test]
fn only_an_answer_of_the_system_says_that_nobody_listens() {
    for (error, is_absence) in [
        (io_error(io::ErrorKind::ConnectionRefused), true),
        (io_error(io::ErrorKind::NotFound), true),
        (io_error(io::ErrorKind::ConnectionReset), false),
        (ConnectError::Timeout, false),
        (ConnectError::Refused(Refusal::Busy), false),
    ] {
        assert_eq!(error.is_absence(), is_absence, "{error}");
    }
}
