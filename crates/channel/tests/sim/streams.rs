//! Raw streams under random faults.
//!
//! # Invariants
//!
//! - **INV-1**: what is read is a prefix of what was written.
//! - **INV-2**: who reads the end has read everything.
//! - **INV-3**: without faults, everything is read.
//! - **INV-4**: once all faults are over, new connections work, and nobody waits for longer than his
//!   patience.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io,
    num::NonZeroU64,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use hypermesh_channel::{SimConditions, SimNetwork, SimReader, SimStream};
use hypermesh_testkit::Rng;
use tokio::{
    io::AsyncWriteExt,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

const NODES: [&str; 3] = ["a", "b", "c"];

/// How many connections one after the other each node opens in each of two tasks.
const ROUNDS: u64 = 4;

/// How long a program waits for anything of the network.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything is over after this time at the latest: each wait of each round in its turn.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// What became of the connections, by their numbers.
type Ledger = Arc<Mutex<BTreeMap<u64, Entry>>>;

#[derive(Debug, Default)]
struct Entry {
    n_written: usize,
    /// The writer shut the stream down.
    is_shut: bool,
    n_read: usize,
    /// The reader read the end.
    is_ended: bool,
}

/// Runs the traffic and the faults of a seed.
pub(crate) async fn run(network: SimNetwork, seed: u64) {
    let start = Instant::now();
    let mut rng = Rng::new(seed);
    for (idx, a) in NODES.into_iter().enumerate() {
        for b in &NODES[idx..] {
            network.set_conditions(a, b, conditions(&mut rng));
        }
    }
    let (ledger, stop) = (Ledger::default(), CancellationToken::new());
    let (mut servers, mut clients) = (JoinSet::new(), JoinSet::new());
    for node in NODES {
        servers.spawn(serve(network.clone(), node, ledger.clone(), stop.clone()));
        for _ in 0..2 {
            let rng = Rng::new(rng.next_u64());
            clients.spawn(dial(network.clone(), node, ledger.clone(), rng));
        }
    }
    // Every fourth seed is calm.
    let n_faults = match seed % 4 {
        0 => 0,
        _ => 1 + rng.below(20),
    };
    for _ in 0..n_faults {
        // tidy: sleeps because the clock is paused, and faults come at random times
        sleep(Duration::from_millis(rng.below(300))).await;
        strike(&network, &mut rng);
    }
    network.heal_all();
    NODES.iter().for_each(|node| network.thaw(node));
    join(&mut clients).await;
    check_reachable(&network, &ledger).await;
    stop.cancel();
    join(&mut servers).await;
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    for (number, entry) in ledger.lock().unwrap().iter() {
        check(*number, entry, n_faults == 0);
    }
}

#[track_caller]
fn check(number: u64, entry: &Entry, is_calm: bool) {
    assert!(
        entry.n_read <= entry.n_written,
        "INV-1: #{number} {entry:?}"
    );
    if entry.is_ended {
        let is_all = entry.is_shut && entry.n_read == entry.n_written;
        assert!(is_all, "INV-2: #{number} {entry:?}");
    }
    assert!(!is_calm || entry.is_ended, "INV-3: #{number} {entry:?}");
}

async fn join(tasks: &mut JoinSet<()>) {
    while let Some(joined) = tasks.join_next().await {
        joined.unwrap();
    }
}

fn conditions(rng: &mut Rng) -> SimConditions {
    let low = Duration::from_micros(rng.below(50_000));
    let conditions = SimConditions::new(low..=low + Duration::from_micros(rng.below(100_000)));
    match rng.below(2) {
        0 => conditions,
        _ => conditions.with_bandwidth(NonZeroU64::new(500_000 + rng.below(10_000_000)).unwrap()),
    }
}

fn strike(network: &SimNetwork, rng: &mut Rng) {
    let mut node = || NODES[rng.below(NODES.len() as u64) as usize];
    let (a, b) = (node(), node());
    match rng.below(9) {
        0 | 1 => network.cut(a, b),
        2 => network.half_open(a, b),
        3 => network.partition(a, b),
        4 => network.partition_one_way(a, b),
        5 => network.heal(a, b),
        6 => network.freeze(a),
        7 => network.thaw(a),
        _ => _ = network.restart(a),
    }
}

/// Reads from all who connect to `node`, in each of its lives, until `stop`; then to the end of each.
async fn serve(network: SimNetwork, node: &'static str, ledger: Ledger, stop: CancellationToken) {
    let mut readers = JoinSet::new();
    let mut listener = network.node(node).listen(node).unwrap();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(stream) => _ = readers.spawn(take(stream, ledger.clone())),
            Err(_) => listener = network.node(node).listen(node).unwrap(),
        }
    }
    join(&mut readers).await;
}

/// Reads a stream to its end, a reset, or the end of patience.
async fn take(stream: SimStream, ledger: Ledger) {
    let number = stream.number();
    let (mut reader, _writer) = stream.split();
    while let Ok(Ok(piece)) = timeout(PATIENCE, chunk(&mut reader)).await {
        let mut ledger = ledger.lock().unwrap();
        let entry = ledger.entry(number).or_default();
        if piece.is_empty() {
            entry.is_ended = true;
            break;
        }
        let expected = content(number, entry.n_read, piece.len());
        assert!(piece == expected, "INV-1: #{number} after {}", entry.n_read);
        entry.n_read += piece.len();
    }
}

async fn chunk(reader: &mut SimReader) -> io::Result<Bytes> {
    poll_fn(|cx| reader.poll_chunk(cx)).await
}

/// Opens connections from `node` to random nodes and writes on them.
async fn dial(network: SimNetwork, node: &'static str, ledger: Ledger, mut rng: Rng) {
    for _ in 0..ROUNDS {
        let to = NODES[rng.below(NODES.len() as u64) as usize];
        // tidy: sleeps because the clock is paused, and connections come at random times
        sleep(Duration::from_millis(rng.below(200))).await;
        let from = network.node(node);
        let Ok(Ok(stream)) = timeout(PATIENCE, from.connect(to)).await else {
            continue;
        };
        // Few are large, and fewer fill the connection.
        let pieces = (0..rng.below(20)).map(|_| match rng.below(32) {
            0 => rng.below(400_000),
            1..=4 => rng.below(20_000),
            _ => rng.below(300),
        });
        let pieces: Vec<usize> = pieces.map(|n_bytes| n_bytes as usize).collect();
        give(stream, &pieces, &ledger).await;
    }
}

/// Writes pieces of these lengths, shuts the stream down and waits until the other end does the same; or
/// stops at an error or the end of patience. Returns whether all was read, as far as one knows here.
async fn give(stream: SimStream, pieces: &[usize], ledger: &Ledger) -> bool {
    let number = stream.number();
    let (mut reader, mut writer) = stream.split();
    let mut n_written = 0;
    for (idx, n_bytes) in pieces.iter().enumerate() {
        let piece = content(number, n_written, *n_bytes);
        n_written += n_bytes;
        // Of a write that fails, a part may have been taken.
        note(ledger, number, |entry| entry.n_written = n_written);
        let written = match idx % 2 {
            0 => timeout(PATIENCE, poll_fn(|cx| writer.poll_write_bytes(cx, &piece))).await,
            _ => timeout(PATIENCE, writer.write_all(&piece)).await,
        };
        if !matches!(written, Ok(Ok(()))) {
            return false;
        }
    }
    note(ledger, number, |entry| entry.is_shut = true);
    writer.shutdown().await.unwrap();
    let end = timeout(PATIENCE, chunk(&mut reader)).await;
    matches!(end, Ok(Ok(piece)) if piece.is_empty())
}

fn note(ledger: &Ledger, number: u64, change: impl FnOnce(&mut Entry)) {
    change(ledger.lock().unwrap().entry(number).or_default());
}

/// Returns what stands in the stream of a connection after so many bytes.
fn content(number: u64, after: usize, n_bytes: usize) -> Bytes {
    // The period is a prime, so that a piece in a wrong place differs.
    let byte = |at: usize| ((at % 251) as u64).wrapping_add(number) as u8;
    (after..after + n_bytes).map(byte).collect()
}

/// Opens a connection from each node to each, and writes on it (INV-4).
async fn check_reachable(network: &SimNetwork, ledger: &Ledger) {
    for from in NODES {
        for to in NODES {
            let connected = timeout(PATIENCE, network.node(from).connect(to)).await;
            let stream = connected.unwrap().unwrap();
            assert!(give(stream, &[1000; 3], ledger).await, "{from}>{to}");
        }
    }
}
