//! What becomes of a session that is carried on while it is about to be forgotten.

use hypermesh_wire::Payload;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    carried::Carried,
    endpoint::{Endpoint, EndpointOptions},
    handshake::{LinkKind, LinkType},
    incarnation::Incarnation,
    pipe::pair,
    server::Taker,
    sink::{Flow, Peer, Sink},
    stream::{Glances, Heard, Stream},
};

/// A sink that takes everything.
struct Any;

impl Sink for Any {
    fn deliver(&self, _: &Peer, batch: &mut Vec<Payload>) -> Flow {
        batch.clear();
        Flow::Continue
    }
}

fn target() -> Target {
    Target::Sink(Arc::new(Any))
}

/// An endpoint that serves, without connections.
struct Rig {
    endpoint: Endpoint,
    serving: Arc<Serving>,
}

impl Rig {
    fn new() -> Self {
        let endpoint = Endpoint::new(EndpointOptions::new(Handle::current()));
        let taker = Taker::Sessions(target());
        let stop = CancellationToken::new();
        let serving = Serving::new(endpoint.shared().clone(), taker, LinkType::PARCELS, stop);
        let serving = Arc::new(serving);
        Self { endpoint, serving }
    }

    fn registry(&self) -> &Registry {
        &self.endpoint.shared().registry
    }

    /// Has the session carried by a new connection with this number.
    fn carry(&self, connection: u64) -> Arc<Served> {
        let (here, _) = pair(1 << 10);
        let (_, writer) = Stream::Pipe(here).split(&Heard::default()).unwrap();
        let outlet = Outlet::new(connection, writer, Glances::default().join());
        let open = Open {
            id: SessionId([1; 16]),
            kind: LinkKind::PARCELS,
            incarnation: Incarnation::from_wire(7),
            acked: 0,
            sent: 0,
            advertised: None,
            turn: connection,
            layout: 0,
            roams: false,
            path: Vec::new(),
        };
        let serving = self.serving.clone();
        self.registry()
            .carry(&open, None, serving, target(), 1, &outlet)
            .unwrap()
    }
}

#[tokio::test]
async fn inv3_a_session_that_is_found_is_not_forgotten_before_it_answers() {
    let rig = Rig::new();
    let session = rig.carry(1);
    session.clone().on_lost(1);
    // Found, and not yet answered.
    assert!(Arc::ptr_eq(&rig.carry(2), &session));
    rig.registry().expire(Duration::ZERO);
    assert!(Arc::ptr_eq(&rig.carry(3), &session));
}

#[tokio::test]
async fn inv2_a_session_without_a_connection_is_forgotten_in_time() {
    let rig = Rig::new();
    let session = rig.carry(1);
    session.clone().on_lost(1);
    rig.registry().expire(Duration::from_secs(3600));
    assert!(Arc::ptr_eq(&rig.carry(2), &session));
    session.clone().on_lost(2);
    rig.registry().expire(Duration::ZERO);
    assert!(!Arc::ptr_eq(&rig.carry(3), &session));
}

#[tokio::test]
async fn inv3_the_end_on_one_connection_does_not_forget_what_another_one_carries() {
    let rig = Rig::new();
    let session = rig.carry(1);
    session.clone().on_lost(1);
    rig.carry(2);
    // As the connection before does, which has just been left.
    rig.registry().forget(&session);
    assert!(Arc::ptr_eq(&rig.carry(3), &session));
    session.clone().on_lost(3);
    rig.registry().forget(&session);
    assert!(!Arc::ptr_eq(&rig.carry(4), &session));
}
