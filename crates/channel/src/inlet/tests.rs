//! The inlet over a pipe that has all bytes at once: when others have their turn.

use std::sync::Mutex;

use tokio::{io::AsyncWriteExt, runtime::Handle, sync::Notify, task::JoinSet};

use super::*;
use crate::{
    Endpoint, EndpointOptions,
    frame::Header,
    image::Image,
    pipe::pair,
    stream::{Glances, Heard, Stream},
};

const SHORT: u32 = 1;
const LONG: u32 = 2;
/// Of a message that is long, and read within a turn.
const LEN: usize = TURN / 2;
/// What one read takes at most.
const PIECE: usize = 16 << 10;

/// A session that says when it got a message.
#[derive(Default)]
struct Ear {
    arrived: Notify,
}

impl Carried for Ear {
    fn fill(self: Arc<Self>, _: u64, _: usize, _: &mut Image) -> bool {
        false
    }

    fn on_run(self: Arc<Self>, _: u64, _: Run) -> Result<Wish, ProtocolError> {
        self.arrived.notify_one();
        Ok(Wish::None)
    }

    fn on_message(self: Arc<Self>, _: u64, _: Header, _: Payload) -> Result<Wish, ProtocolError> {
        self.arrived.notify_one();
        Ok(Wish::None)
    }

    fn on_control(self: Arc<Self>, _: u64, _: Header, _: &Bytes) -> Result<Wish, ProtocolError> {
        Ok(Wish::None)
    }

    fn on_tick(self: Arc<Self>, _: u64) -> Wish {
        Wish::None
    }

    fn on_lost(self: Arc<Self>, _: u64) {}

    fn unsend(&self, _: u64) {}
}

#[derive(Default)]
struct Ears {
    short: Arc<Ear>,
    long: Arc<Ear>,
}

impl Sessions for Ears {
    fn find(&self, number: u32) -> Option<Arc<dyn Carried>> {
        match number {
            SHORT => Some(self.short.clone()),
            LONG => Some(self.long.clone()),
            _ => None,
        }
    }

    fn open(&self, _: Header, _: &Bytes) -> Result<(), ProtocolError> {
        Ok(())
    }

    fn leave(&self, _: u32) {}

    fn all(&self) -> Vec<(u32, Arc<dyn Carried>)> {
        Vec::new()
    }
}

/// Reads `stream` from an inlet until its end, and returns which messages had their turn, in this order.
async fn turns(stream: &[u8]) -> Vec<u32> {
    let endpoint = Endpoint::new(EndpointOptions::new(Handle::current()));
    let shared = endpoint.shared();
    let (near, far) = pair(usize::MAX);
    let (_far_reader, mut far) = far.split();
    for piece in stream.chunks(PIECE) {
        far.write_all(piece).await.unwrap();
    }
    far.shutdown().await.unwrap();
    let (reader, writer) = Stream::Pipe(near).split(&Heard::default()).unwrap();
    let outlet = Outlet::new(1, writer, Glances::default().join());
    let heart = Heart::new(&outlet, shared);
    let ears = Ears::default();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let mut listeners = JoinSet::new();
    for (number, ear) in [(SHORT, &ears.short), (LONG, &ears.long)] {
        let (ear, heard) = (ear.clone(), heard.clone());
        listeners.spawn(async move {
            ear.arrived.notified().await;
            heard.lock().unwrap().push(number);
        });
    }
    // They wait before anything is read.
    yield_now().await;
    let end = Inlet::new(reader, &outlet, &ears, heart, &shared.limits)
        .run()
        .await;
    assert!(matches!(end, End::Peer), "{end}");
    let had_turns = heard.lock().unwrap().clone();
    listeners.shutdown().await;
    had_turns
}

fn frame(session: u32, len: usize) -> Vec<u8> {
    let mut bytes = Header::data(session, 0, len).encode().to_vec();
    bytes.resize(bytes.len() + len, 7);
    bytes
}

#[tokio::test]
async fn inv3_a_short_message_has_its_turn_inside_of_a_long_one() {
    // Nobody has a turn at the end of a stream that was read within one.
    assert_eq!(turns(&frame(LONG, LEN)).await, Vec::<u32>::new());
    let before = [frame(SHORT, 100), frame(LONG, LEN)].concat();
    assert_eq!(turns(&before).await, [SHORT]);
    // Nothing is inside of a message that is over.
    let behind = [frame(LONG, LEN), frame(SHORT, 100)].concat();
    assert_eq!(turns(&behind).await, Vec::<u32>::new());
}
