//! Peers that know the protocol well enough to get deep into a server, and break it there: from seeds, many at a time.

use std::collections::BTreeMap;

use hypermesh_channel::{ChannelTransport, Endpoint, EndpointOptions};
use hypermesh_testkit::{Rng, Seed};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    runtime::Handle,
    task::JoinSet,
};

use crate::{by_hand::*, rig::*};

/// So many strangers come, and so many of them at a time.
const STRANGERS: usize = 400;
const AT_A_TIME: usize = 16;
/// The good links: each sends a message whenever a stranger comes.
const GOOD: usize = 9;

/// What a stranger says: a conversation as it might be, with lies in it.
struct Talk<'a> {
    rng: &'a mut Rng,
    bytes: Vec<u8>,
    /// The sessions that were opened, and the next number of a message in each.
    sessions: Vec<(u32, u64)>,
}

impl<'a> Talk<'a> {
    /// Returns the bytes of stranger `number`, who knows a path back to the server.
    fn of(rng: &'a mut Rng, number: u64, path: &'static [&'static str]) -> Vec<u8> {
        let mut talk = Self {
            rng,
            bytes: hello(),
            sessions: Vec::new(),
        };
        for _ in 0..talk.rng.below(3) {
            talk.open(number, path);
        }
        for _ in 0..talk.rng.below(30) {
            match talk.rng.below(10) {
                0 => talk.open(number, path),
                1..6 => talk.message(),
                6 => talk.chunk(),
                _ => talk.any_frame(),
            }
        }
        talk.damage();
        talk.bytes
    }

    /// Opens a session, that of another stranger sometimes.
    fn open(&mut self, number: u64, path: &'static [&'static str]) {
        let session = 1 + self.rng.below(4) as u32;
        let acked = self.small_or_any();
        let sent = if self.rng.chance(0.9) {
            acked
        } else {
            self.small_or_any()
        };
        let open = Open {
            kind: if self.rng.chance(0.9) { 0 } else { 9 },
            acked,
            sent,
            turn: self.small_or_any(),
            path: match self.rng.below(4) {
                0 => path,
                1 => &["unix:@nobody-is-here"],
                _ => &[],
            },
            ..Open::new((number / 2) as u8)
        };
        self.bytes.extend(open.frame(session).bytes());
        self.sessions.push((session, open.sent));
    }

    /// A message of one of the sessions, with parts sometimes.
    fn message(&mut self) {
        let (session, seq) = self.session();
        let len = self.rng.below(300) as usize;
        let kind = if self.rng.chance(0.5) { DATA } else { DATA_ASK };
        let parts: Vec<u32> = (0..self.rng.below(3))
            .map(|_| self.rng.below(100) as u32)
            .collect();
        let head = header(kind, parts.len() as u32, len as u32, session, seq as u32);
        self.bytes.extend(head);
        parts
            .iter()
            .for_each(|len| self.bytes.extend(len.to_le_bytes()));
        let rest = len + parts.iter().sum::<u32>() as usize;
        self.noise(rest);
    }

    /// A piece of a longer message, which may announce very much.
    fn chunk(&mut self) {
        let (session, seq) = self.session();
        let announced = [1 << 20, 2 << 20, 256 << 20, u32::MAX][self.rng.below(4) as usize];
        let inner = header(
            DATA,
            self.rng.below(3) as u32,
            announced,
            session,
            seq as u32,
        );
        let len = self.rng.below(400) as usize;
        let chunk = 3;
        let has_head = self.rng.chance(0.7);
        let all = len + if has_head { inner.len() } else { 0 };
        self.bytes
            .extend(header(chunk, 0, all as u32, session, seq as u32));
        if has_head {
            self.bytes.extend(inner);
        }
        self.noise(len);
    }

    /// A frame of any kind, most often one that a dialling end says, and of its usual length.
    fn any_frame(&mut self) {
        let kind = if self.rng.chance(0.7) {
            [ASK, VOID, CLOSE, PING, PONG][self.rng.below(5) as usize]
        } else {
            self.rng.below(17) as u8
        };
        let (session, seq) = self.session();
        let len = match kind {
            _ if self.rng.chance(0.1) => self.rng.below(9000) as usize,
            ACK | CLOSED => 24,
            NACK => 12,
            REFUSED => 9,
            OPENED => 43,
            LOST => self.rng.below(2) as usize,
            _ => 0,
        };
        let head = header(kind, 0, len as u32, session, seq as u32);
        self.bytes.extend(head);
        self.noise(len);
    }

    /// Bytes that are changed, or missing.
    fn damage(&mut self) {
        if self.rng.chance(0.3) {
            for _ in 0..=self.rng.below(4) {
                let at = self.rng.below(self.bytes.len() as u64) as usize;
                self.bytes[at] ^= 1 << self.rng.below(8);
            }
        }
        if self.rng.chance(0.3) {
            let len = self.rng.below(self.bytes.len() as u64) as usize;
            self.bytes.truncate(len);
        }
        if self.rng.chance(0.1) {
            self.bytes.clear();
            self.noise(200);
        }
    }

    /// Returns a session and the number of its next message, or another one.
    fn session(&mut self) -> (u32, u64) {
        let n = self.sessions.len() as u64;
        if n == 0 || self.rng.chance(0.1) {
            return (self.rng.below(6) as u32, self.small_or_any());
        }
        let (session, next) = &mut self.sessions[self.rng.below(n) as usize];
        *next = next.wrapping_add(1);
        (*session, next.wrapping_sub(1))
    }

    fn small_or_any(&mut self) -> u64 {
        if self.rng.chance(0.9) {
            self.rng.below(2)
        } else {
            self.rng.next_u64()
        }
    }

    fn noise(&mut self, len: usize) {
        let bytes = (0..len).map(|_| self.rng.next_u64() as u8);
        self.bytes.extend(bytes);
    }
}

/// How a stranger behaves otherwise.
struct Manner {
    /// So many bytes are written at once.
    step: usize,
    reads: bool,
    ends: bool,
}

/// Says all, and returns the connection, if the stranger does not go.
async fn visit(mut stream: UnixStream, bytes: Vec<u8>, manner: Manner) -> Option<UnixStream> {
    for piece in bytes.chunks(manner.step) {
        // The server may have ended it.
        if stream.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    if manner.ends {
        // Likewise.
        let _ = stream.shutdown().await;
        if manner.reads {
            read_to_end(&mut stream).await;
        }
        return None;
    }
    if manner.reads {
        let mut buffer = [0; 100];
        // An answer, or the end.
        let _ = soon(stream.read(&mut buffer)).await;
    }
    Some(stream)
}

/// A server that carries sessions on as well.
fn gateway() -> Endpoint {
    let mut options = EndpointOptions::new(Handle::current());
    options.gateway = true;
    options.limits.sessions = 200;
    Endpoint::new(options)
}

/// Checks that the messages of each good link came in order, each once.
fn check_delivered(keeper: &Keeper, texts: Vec<String>) {
    assert_eq!(keeper.len(), 0);
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    for text in texts {
        let (link, number) = text.split_once(' ').unwrap();
        let expected = next.entry(link.to_owned()).or_default();
        assert_eq!(number, expected.to_string(), "{link}");
        *expected += 1;
    }
    assert!(next.len() == GOOD && next.values().all(|count| *count == STRANGERS));
}

#[tokio::test]
async fn strangers_who_know_the_protocol_stop_neither_a_server_nor_its_other_links() {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let endpoint = gateway();
    let keeper = Keeper::new();
    let server = endpoint
        .serve_sink(ChannelTransport::Unix, keeper.clone())
        .unwrap();
    let addr: &'static str = server.addr().to_string().leak();
    let path: &'static [&'static str] = vec![addr].leak();
    let others: Vec<_> = (0..GOOD).map(|_| crate::rig::endpoint()).collect();
    let mut good: Vec<_> = others
        .iter()
        .map(|other| (other.dial_link(server.addr()).unwrap(), Clerk::new()))
        .collect();
    let (mut visits, mut stay) = (JoinSet::new(), Vec::new());
    for number in 0..STRANGERS {
        let bytes = Talk::of(&mut rng, number as u64, path);
        let manner = Manner {
            step: [1, 7, 4096][rng.below(3) as usize],
            reads: rng.chance(0.7),
            ends: rng.chance(0.6),
        };
        let stream = connect(server.addr()).await;
        visits.spawn(visit(stream, bytes, manner));
        for (i, (link, clerk)) in good.iter_mut().enumerate() {
            clerk.post(link, payload(&format!("good{i} {number}")));
        }
        if visits.len() == AT_A_TIME {
            stay.extend(soon(visits.join_next()).await.unwrap().unwrap());
        }
    }
    while let Some(visited) = soon(visits.join_next()).await {
        stay.extend(visited.unwrap());
    }
    for (_, clerk) in &mut good {
        clerk.assert_acked(STRANGERS).await;
    }
    // Strangers who stay keep nobody out.
    let late = crate::rig::endpoint();
    let link = late.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("late"));
    clerk.assert_acked(1).await;
    drop(stay);
    soon(server.stop()).await;
    let stats = server.stats();
    // A task that panicked would not have come to its end.
    assert_eq!(stats.accepted, stats.ended);
    // Many came as far as that.
    assert!(STRANGERS / 2 < stats.accepted as usize, "{stats:?}");
    assert!(STRANGERS / 10 < stats.broken as usize, "{stats:?}");
    let (n_kept, mut texts) = (keeper.len(), Vec::new());
    while keeper.len() > 0 {
        let body = keeper.next().await.body;
        texts.extend(String::from_utf8(body.to_vec()).ok());
    }
    // So are messages of strangers.
    assert!((STRANGERS * GOOD + STRANGERS / 40) < n_kept, "{n_kept}");
    texts.retain(|text| text.starts_with("good"));
    check_delivered(&keeper, texts);
    for endpoint in others.into_iter().chain([late, endpoint]) {
        let report = soon(endpoint.shutdown(DEADLINE)).await;
        assert_eq!(report.stuck_tasks, 0);
    }
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}
