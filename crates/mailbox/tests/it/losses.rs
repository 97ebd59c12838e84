//! Connections that are lost with messages on their way, and what their senders are told.

use std::time::Duration;

use hypermesh_mailbox::channel::{ChannelTransport, UnixName};
use hypermesh_mailbox::{Cause, Envelope, Gateway, GatewayOptions, Location, Port, ProcId};
use hypermesh_testkit::SocketDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;

use crate::fixture::{Node, WORLD, soon};

const NEVER: Duration = Duration::from_secs(3600);
const GONE: ProcId = ProcId::new(WORLD, 7, 0);

/// A peer that takes whatever comes and acknowledges nothing.
struct Silent {
    listener: UnixListener,
    dir: SocketDir,
}

impl Silent {
    fn new() -> Self {
        let dir = SocketDir::new();
        let listener = UnixListener::bind(dir.path().join("peer")).unwrap();
        Self { listener, dir }
    }

    /// Accepts a connection and its hello.
    async fn accept(&self) -> UnixStream {
        let (mut stream, _) = soon(self.listener.accept()).await.unwrap();
        let mut preamble = [0; 12];
        soon(stream.read_exact(&mut preamble)).await.unwrap();
        let rest = usize::from(u16::from_le_bytes([preamble[10], preamble[11]]));
        soon(stream.read_exact(&mut vec![0; rest])).await.unwrap();
        // Accepted, by the life 7 of a process, up to 1 MiB, no address.
        let mut answer = b"\x89hmesh\r\n\x01\x00\x13\x00\x00".to_vec();
        answer.extend(7u64.to_le_bytes());
        answer.extend((1u64 << 20).to_le_bytes());
        answer.extend([0, 0]);
        stream.write_all(&answer).await.unwrap();
        stream
    }

    /// A node that reaches the proc [`GONE`] here, and pauses so long.
    fn node(&self, pause: Duration) -> Node {
        let mut options = GatewayOptions::new(Handle::current(), ChannelTransport::Unix);
        options.unknown_pause = pause;
        let node = Node::on(Gateway::new(options), ProcId::new(WORLD, 0, 0));
        let name = UnixName::path(self.dir.path().join("peer")).unwrap();
        node.gateway
            .route_proc(GONE, hypermesh_mailbox::channel::ChannelAddr::Unix(name));
        node
    }
}

fn post(node: &Node, sender: &str, n: u32) {
    let from = node.mailbox(sender).id();
    let dst = GONE.named_actor("x").port(Port::Control(9));
    node.gateway
        .post(Envelope::new(dst, Location::NONE, from, n));
}

/// Reads one message without parts.
async fn read_message(stream: &mut UnixStream) {
    let mut header = [0; 8];
    soon(stream.read_exact(&mut header)).await.unwrap();
    assert_eq!(header[..4], [1, 0, 0, 0]);
    let len = u32::from_le_bytes(header[4..].try_into().unwrap()) as usize;
    soon(stream.read_exact(&mut vec![0; len])).await.unwrap();
}

/// Posts three messages, has the peer lose them, and returns when that was noticed.
async fn lose_three(peer: &Silent, node: &Node) -> UnixStream {
    for n in 0..3 {
        post(node, "a", n);
    }
    let mut stream = peer.accept().await;
    for _ in 0..3 {
        read_message(&mut stream).await;
    }
    drop(stream);
    // Whoever dials again has lost the connection before.
    peer.accept().await
}

#[tokio::test]
async fn a_lost_message_waits_for_the_death_that_explains_it() {
    let peer = Silent::new();
    let mut node = peer.node(NEVER);
    let _again = lose_three(&peer, &node).await;
    node.no_bounce();
    node.gateway.proc_died(GONE, "killed by signal 9");
    for n in 0..3 {
        let bounce = node.bounced().await;
        assert_eq!(bounce.cause, Cause::ProcDied("killed by signal 9".into()));
        assert!(bounce.cause.is_unknown());
        assert_eq!(bounce.payload.unwrap().take::<u32>().unwrap(), n);
    }
    node.no_bounce();
}

#[tokio::test]
async fn a_lost_message_that_nothing_explains_comes_back_as_unknown() {
    let peer = Silent::new();
    let mut node = peer.node(Duration::ZERO);
    let _again = lose_three(&peer, &node).await;
    for n in 0..3 {
        let bounce = node.bounced().await;
        assert!(matches!(bounce.cause, Cause::Unknown(_)), "{bounce}");
        assert_eq!(bounce.payload.unwrap().take::<u32>().unwrap(), n);
    }
}

#[tokio::test]
async fn a_shutdown_ends_the_pause() {
    let peer = Silent::new();
    let mut node = peer.node(NEVER);
    let _again = lose_three(&peer, &node).await;
    soon(node.gateway.shutdown(Duration::ZERO)).await;
    for _ in 0..3 {
        let bounce = node.bounced().await;
        assert!(matches!(bounce.cause, Cause::Unknown(_)), "{bounce}");
    }
}
