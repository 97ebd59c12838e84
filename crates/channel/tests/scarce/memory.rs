//! What is allocated for messages that are announced, come, or are kept.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hypermesh_channel::{ChannelTransport, Flow, Payload, Peer, Sink};
use hypermesh_testkit::{AllocationWatch, Case};
use tokio::io::AsyncWriteExt;

use crate::{Void, by_hand::*, rig::*};

pub(crate) const CASES: [Case<()>; 3] = [
    (
        "a message that is only announced takes little memory",
        |(), _| crate::run(announced()),
    ),
    (
        "a message that is kept holds little more than itself",
        |(), _| {
            // At once, and one at a time.
            for burst in [500, 1] {
                for len in [64, 1000, 5000, 20_000, 60_000, 70_000, 300_000] {
                    crate::run(kept(len, burst));
                }
            }
        },
    ),
    (
        "a small message takes at most four allocations at both ends together",
        |(), _| {
            for transport in TRANSPORTS {
                crate::run(small(transport));
            }
        },
    ),
];

/// The kind of a frame that is a piece of a longer one.
const CHUNK: u8 = 3;

/// The header of a chunk, and `inner` in it.
fn chunk(inner: &[u8]) -> Vec<u8> {
    let mut bytes = header(CHUNK, 0, inner.len() as u32, SESSION, 0);
    bytes.extend(inner);
    bytes
}

async fn announced() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    let with_ten = |mut header: Vec<u8>| {
        header.extend([7; 10]);
        header
    };
    let one_part = || {
        let mut bytes = header(DATA, 1, 0, SESSION, 0);
        bytes.extend((256_u32 << 20).to_le_bytes());
        bytes
    };
    let announcements = [
        // In chunks, as it has to be.
        chunk(&with_ten(header(DATA, 0, 256 << 20, SESSION, 0))),
        // In one frame, which is refused.
        with_ten(header(DATA, 0, 256 << 20, SESSION, 0)),
        // The longest that may come in one frame.
        with_ten(header(DATA, 0, (1 << 20) - 16, SESSION, 0)),
        // Nothing but parts, and one part of that length.
        with_ten(header(DATA, 65_536, 0, SESSION, 0)),
        chunk(&with_ten(one_part())),
    ];
    for (i, bytes) in (0..).zip(announcements) {
        let mut wire = Wire::open(&server, i).await;
        let watch = AllocationWatch::start();
        wire.send_bytes(&bytes).await;
        // The server has seen all of it when it ends the connection in its turn.
        wire.stream.shutdown().await.unwrap();
        read_to_end(&mut wire.stream).await;
        let peak = watch.so_far().peak;
        assert!(peak <= 128 << 10, "{i}: {peak} bytes");
    }
    assert_eq!(keeper.len(), 0);
}

/// Keeps one of so many messages for ever.
#[derive(Default)]
struct Miser {
    kept: Mutex<(usize, Vec<Payload>)>,
}

const KEPT_ONE_OF: usize = 10;

impl Sink for Miser {
    fn deliver(&self, _: &Peer, batch: &mut Vec<Payload>) -> Flow {
        let mut kept = self.kept.lock().unwrap();
        for payload in batch.drain(..) {
            kept.0 += 1;
            if kept.0.is_multiple_of(KEPT_ONE_OF) {
                kept.1.push(payload);
            }
        }
        Flow::Continue
    }
}

/// Sends messages of `len` bytes, so many at once, of which some are kept.
async fn kept(len: usize, burst: usize) {
    let (here, there) = (endpoint(), endpoint());
    let miser = Arc::new(Miser::default());
    let server = there
        .serve_sink(ChannelTransport::Unix, miser.clone())
        .unwrap();
    let link = here.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    let body = Bytes::from(vec![7; len]);
    let watch = AllocationWatch::start();
    for _ in 0..500 / burst {
        for _ in 0..burst {
            let body = body.clone();
            clerk.post(
                &link,
                Payload {
                    body,
                    ..Payload::default()
                },
            );
        }
        assert_eq!(link.flush(DEADLINE).await, 0);
        clerk.assert_acked(burst).await;
    }
    here.shutdown(DEADLINE).await;
    there.shutdown(DEADLINE).await;
    drop((server, link, here, there, clerk));
    let n = miser.kept.lock().unwrap().1.len();
    assert_eq!(n, 500 / KEPT_ONE_OF);
    let held = watch.so_far().live;
    let limit = n * (4 * len + 1024) + (16 << 10);
    assert!(
        held <= limit as isize,
        "{n} of {len} bytes hold {held}, {burst} at once"
    );
}

async fn small(transport: ChannelTransport) {
    const COUNT: usize = 10_000;
    let hub = hypermesh_channel::LocalHub::new();
    let (here, there) = (endpoint_in(transport, &hub), endpoint_in(transport, &hub));
    let server = there.serve_sink(transport, Arc::new(Void)).unwrap();
    let link = here.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    let body = Bytes::from_static(&[7; 64]);
    // At first whatever grows to a usual size does so.
    for round in 0..3 {
        let watch = AllocationWatch::start();
        for _ in 0..COUNT {
            let body = body.clone();
            clerk.post(
                &link,
                Payload {
                    body,
                    ..Payload::default()
                },
            );
        }
        clerk.assert_acked(COUNT).await;
        let calls = watch.so_far().calls;
        assert!(
            round == 0 || calls <= 4 * COUNT,
            "{transport}: {calls} allocations for {COUNT} messages"
        );
    }
    here.shutdown(DEADLINE).await;
    there.shutdown(DEADLINE).await;
}
