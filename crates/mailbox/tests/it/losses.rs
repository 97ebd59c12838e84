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

    /// Accepts a connection and the session that is opened on it, as the life `life` of a process which knows nothing
    /// of another one.
    async fn accept(&self, life: u64) -> UnixStream {
        let (mut stream, _) = soon(self.listener.accept()).await.unwrap();
        let mut preamble = [0; 12];
        soon(stream.read_exact(&mut preamble)).await.unwrap();
        let rest = usize::from(u16::from_le_bytes([preamble[10], preamble[11]]));
        soon(stream.read_exact(&mut vec![0; rest])).await.unwrap();
        let mut answer = b"\x89hmesh\r\n\x01\x00\x09\x00\x00".to_vec();
        answer.extend(life.to_le_bytes());
        stream.write_all(&answer).await.unwrap();
        let open = read_frame(&mut stream, OPEN).await;
        let sent = u64::from_le_bytes(open.body[40..48].try_into().unwrap());
        // A new session, with credit for all messages up to 1 MiB; no address.
        let mut opened = life.to_le_bytes().to_vec();
        opened.push(0);
        for number in [sent, u64::MAX, u64::MAX, 1 << 20] {
            opened.extend(number.to_le_bytes());
        }
        opened.extend([0, 0]);
        let mut frame = vec![OPENED, 0, 0, 0, opened.len() as u8, 0, 0, 0];
        frame.extend(open.session);
        frame.extend([0; 4]);
        frame.extend(opened);
        stream.write_all(&frame).await.unwrap();
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

/// The kinds of frames that these tests know.
const DATA: u8 = 1;
const OPEN: u8 = 8;
const OPENED: u8 = 9;
const NEXT: u8 = 16;

/// A frame without parts.
struct Frame {
    session: [u8; 4],
    body: Vec<u8>,
}

async fn read_frame(stream: &mut UnixStream, kind: u8) -> Frame {
    let mut header = [0; 16];
    soon(stream.read_exact(&mut header)).await.unwrap();
    assert_eq!(header[..4], [kind, 0, 0, 0]);
    let len = u32::from_le_bytes(header[4..8].try_into().unwrap()) as usize;
    let mut body = vec![0; len];
    soon(stream.read_exact(&mut body)).await.unwrap();
    let session = header[8..12].try_into().unwrap();
    Frame { session, body }
}

/// Reads a message that follows another one.
async fn read_next(stream: &mut UnixStream) {
    let mut header = [0; 4];
    soon(stream.read_exact(&mut header)).await.unwrap();
    assert_eq!(header[0], NEXT);
    let len = u32::from_le_bytes(header) >> 8;
    let mut body = vec![0; len as usize];
    soon(stream.read_exact(&mut body)).await.unwrap();
}

/// Posts three messages, has the peer lose them by being another one, and returns when that was noticed.
async fn lose_three(peer: &Silent, node: &Node) -> UnixStream {
    for n in 0..3 {
        post(node, "a", n);
    }
    let mut stream = peer.accept(7).await;
    read_frame(&mut stream, DATA).await;
    for _ in 0..2 {
        read_next(&mut stream).await;
    }
    drop(stream);
    let mut again = peer.accept(8).await;
    // What comes next shows that the answer was read.
    post(node, "a", 3);
    read_frame(&mut again, DATA).await;
    again
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
