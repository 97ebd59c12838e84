//! The network through its own interface, on a paused clock.

mod waiting;

use std::{fmt::Write as _, future::poll_fn, io, num::NonZeroU64, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, advance, timeout},
};

use super::{
    connection::{CAPACITY, MAX_PIECES},
    *,
};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A network whose latency is always so many milliseconds.
fn network(seed: u64, latency_ms: u32) -> SimNetwork {
    let network = SimNetwork::new(seed);
    let latency = MS * latency_ms;
    network.set_default_conditions(SimConditions::new(latency..=latency));
    network
}

/// A connection from the node `a` to the node `b`, where `service` is the name.
async fn connect(network: &SimNetwork, service: &str) -> (SimStream, SimStream) {
    let mut listener = network.node("b").listen(service).unwrap();
    let near = network.node("a").connect(service).await.unwrap();
    (near, listener.accept().await.unwrap())
}

async fn write(writer: &mut SimWriter, piece: &[u8]) -> io::Result<()> {
    let piece = Bytes::copy_from_slice(piece);
    poll_fn(|cx| writer.poll_write_bytes(cx, &piece)).await
}

async fn read(reader: &mut SimReader) -> io::Result<Bytes> {
    poll_fn(|cx| reader.poll_chunk(cx)).await
}

/// Reads to the end, and returns what was read and what the end was.
async fn read_all(reader: &mut SimReader) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut all = Vec::new();
    loop {
        match read(reader).await {
            Ok(piece) if piece.is_empty() => return (all, None),
            Ok(piece) => all.extend_from_slice(&piece),
            Err(error) => return (all, Some(error.kind())),
        }
    }
}

/// Checks that nothing comes of `future` in an hour.
async fn check_hangs<T: std::fmt::Debug>(future: impl Future<Output = T>) {
    let result = timeout(HOUR, future).await;
    assert!(result.is_err(), "{result:?}");
}

#[track_caller]
fn check_error<T: std::fmt::Debug>(result: io::Result<T>, kind: io::ErrorKind) {
    assert_eq!(result.unwrap_err().kind(), kind);
}

#[tokio::test(start_paused = true)]
async fn bytes_arrive_in_order_after_their_latency() {
    let network = network(1, 100);
    let start = Instant::now();
    let (near, far) = connect(&network, "s").await;
    assert_eq!(start.elapsed(), 100 * MS);
    let (mut reader, mut writer) = (far.split().0, near.split().1);
    for piece in [&b"one "[..], b"two ", b"three"] {
        write(&mut writer, piece).await.unwrap();
    }
    drop(writer);
    assert_eq!(read_all(&mut reader).await, (b"one two three".into(), None));
    assert_eq!(start.elapsed(), 200 * MS);
}

#[tokio::test(start_paused = true)]
async fn each_connection_draws_its_latency_so_that_a_later_one_may_overtake() {
    let mut n_overtaken = 0;
    for seed in 0..20 {
        let network = SimNetwork::new(seed);
        network.set_conditions("a", "b", SimConditions::new(100 * MS..=200 * MS));
        let (mut streams, mut arrivals) = (Vec::new(), Vec::new());
        for service in ["one", "other"] {
            let (near, far) = connect(&network, service).await;
            streams.push((near.split().1, far.split().0));
        }
        let start = Instant::now();
        for (writer, _) in &mut streams {
            write(writer, b"x").await.unwrap();
        }
        let [one, other] = streams.as_mut_slice() else {
            panic!("there are two");
        };
        let arrival = async |reader: &mut SimReader| {
            read(reader).await.unwrap();
            start.elapsed()
        };
        let (one, other) = tokio::join!(arrival(&mut one.1), arrival(&mut other.1));
        arrivals.extend([one, other]);
        // A timer may be a millisecond late.
        let range = 100 * MS..=201 * MS;
        assert!(arrivals.iter().all(|at| range.contains(at)), "{arrivals:?}");
        n_overtaken += usize::from(other < one);
    }
    assert!((1..20).contains(&n_overtaken), "{n_overtaken}");
}

#[tokio::test(start_paused = true)]
async fn a_bandwidth_is_shared_by_the_connections_of_a_pair() {
    let network = network(1, 0);
    let (one, one_far) = connect(&network, "one").await;
    let (other, other_far) = connect(&network, "other").await;
    let conditions = SimConditions::new(Duration::ZERO..=Duration::ZERO);
    let conditions = conditions.with_bandwidth(NonZeroU64::new(1_000_000).unwrap());
    network.set_conditions("b", "a", conditions);
    let start = Instant::now();
    let send = async |stream: SimStream| {
        let mut writer = stream.split().1;
        writer.write_all(&[7; 500_000]).await.unwrap();
    };
    let receive = async |stream: SimStream| read_all(&mut stream.split().0).await.0.len();
    let (_, _, n_one, n_other) =
        tokio::join!(send(one), send(other), receive(one_far), receive(other_far));
    assert_eq!(n_one + n_other, 1_000_000);
    assert_eq!(start.elapsed(), 1000 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_while_its_direction_is_full() {
    let network = network(1, 10);
    let (near, far) = connect(&network, "s").await;
    let (mut reader, mut writer) = (far.split().0, near.split().1);
    for _ in 0..CAPACITY / 1024 {
        write(&mut writer, &[7; 1024]).await.unwrap();
    }
    check_hangs(write(&mut writer, b"x")).await;
    let mut n_read = 0;
    while n_read < CAPACITY / 2 {
        n_read += read(&mut reader).await.unwrap().len();
    }
    // Now that something is free, the whole is taken.
    write(&mut writer, &[7; 1 << 20]).await.unwrap();
    check_hangs(write(&mut writer, b"x")).await;
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_while_many_small_pieces_are_not_read() {
    let network = network(1, 10);
    let (near, far) = connect(&network, "s").await;
    let (_reader, mut writer) = (far.split().0, near.split().1);
    for _ in 0..MAX_PIECES {
        write(&mut writer, b"x").await.unwrap();
    }
    check_hangs(write(&mut writer, b"x")).await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_resets_both_ends_after_what_had_arrived() {
    let network = network(1, 100);
    let (near, far) = connect(&network, "s").await;
    let ((mut near_reader, mut near_writer), (mut reader, mut writer)) =
        (near.split(), far.split());
    write(&mut near_writer, b"arrives").await.unwrap();
    advance(100 * MS).await;
    write(&mut near_writer, b"is lost").await.unwrap();
    advance(50 * MS).await;
    network.cut("b", "a");
    advance(100 * MS).await;
    let reset = Some(io::ErrorKind::ConnectionReset);
    let start = Instant::now();
    assert_eq!(read_all(&mut reader).await, (b"arrives".into(), reset));
    assert_eq!(read_all(&mut near_reader).await, (vec![], reset));
    for writer in [&mut writer, &mut near_writer] {
        check_error(write(writer, b"x").await, io::ErrorKind::ConnectionReset);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    // The way itself is as before.
    connect(&network, "other").await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_wakes_those_who_wait_and_spares_other_pairs() {
    let network = network(1, 10);
    let (near, far) = connect(&network, "s").await;
    let _listener = network.node("c").listen("c").unwrap();
    let spared = network.node("a").connect("c").await.unwrap();
    let (mut reader, mut writer) = (near.split().0, far.split().1);
    write(&mut writer, &[7; CAPACITY]).await.unwrap();
    let cut = async {
        advance(MS).await;
        network.cut("a", "b");
    };
    let (read, written, ()) = tokio::join!(read(&mut reader), write(&mut writer, b"x"), cut);
    check_error(read, io::ErrorKind::ConnectionReset);
    check_error(written, io::ErrorKind::ConnectionReset);
    let (mut reader, mut writer) = spared.split();
    write(&mut writer, b"x").await.unwrap();
    check_hangs(super::tests::read(&mut reader)).await;
}

#[tokio::test(start_paused = true)]
async fn half_open_connections_swallow_everything_without_an_error() {
    let network = network(1, 100);
    let (near, far) = connect(&network, "s").await;
    let ((_near_reader, mut writer), (mut reader, far_writer)) = (near.split(), far.split());
    write(&mut writer, b"arrives").await.unwrap();
    advance(100 * MS).await;
    write(&mut writer, b"vanishes").await.unwrap();
    network.half_open("a", "b");
    assert_eq!(read(&mut reader).await.unwrap(), "arrives");
    write(&mut writer, &[7; CAPACITY]).await.unwrap();
    check_hangs(read(&mut reader)).await;
    check_hangs(write(&mut writer, b"x")).await;
    drop((reader, far_writer));
    check_hangs(write(&mut writer, b"x")).await;
    connect(&network, "other").await;
}

#[tokio::test(start_paused = true)]
async fn a_partition_delays_bytes_and_connects_until_it_is_healed() {
    let network = network(1, 100);
    let (near, far) = connect(&network, "s").await;
    let (mut reader, mut writer) = (far.split().0, near.split().1);
    let mut listener = network.node("b").listen("later").unwrap();
    write(&mut writer, b"under way").await.unwrap();
    network.partition("a", "b");
    write(&mut writer, b", held").await.unwrap();
    drop(writer);
    check_hangs(read(&mut reader)).await;
    let start = Instant::now();
    let node = network.node("a");
    let heal = async {
        advance(HOUR).await;
        network.heal("a", "b");
    };
    let (all, connected, accepted, ()) = tokio::join!(
        read_all(&mut reader),
        node.connect("later"),
        listener.accept(),
        heal
    );
    assert_eq!(all, (b"under way, held".into(), None));
    assert_eq!(connected.unwrap().number(), accepted.unwrap().number());
    assert_eq!(start.elapsed(), HOUR + 100 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_partition_in_one_direction_lets_the_other_one_through() {
    let network = network(1, 100);
    let (near, far) = connect(&network, "s").await;
    let ((mut near_reader, mut near_writer), (mut reader, mut writer)) =
        (near.split(), far.split());
    network.partition_one_way("a", "b");
    write(&mut near_writer, b"to b").await.unwrap();
    write(&mut writer, b"to a").await.unwrap();
    assert_eq!(read(&mut near_reader).await.unwrap(), "to a");
    check_hangs(read(&mut reader)).await;
    let _listener = network.node("a").listen("on a").unwrap();
    let (a, b) = (network.node("a"), network.node("b"));
    check_hangs(b.connect("on a")).await;
    check_hangs(a.connect("s")).await;
    network.heal_all();
    assert_eq!(read(&mut reader).await.unwrap(), "to b");
}

#[tokio::test(start_paused = true)]
async fn a_frozen_node_goes_on_where_it_was() {
    let network = network(1, 100);
    let mut listener = network.node("b").listen("later").unwrap();
    let (near, far) = connect(&network, "s").await;
    let ((mut reader, mut writer), (_near_reader, mut near_writer)) = (far.split(), near.split());
    network.freeze("b");
    write(&mut near_writer, b"for b").await.unwrap();
    // The system of the node goes on: it completes what its process will accept.
    let connected = network.node("a").connect("later").await.unwrap();
    check_hangs(listener.accept()).await;
    check_hangs(read(&mut reader)).await;
    check_hangs(write(&mut writer, b"x")).await;
    let b = network.node("b");
    check_hangs(b.connect("later")).await;
    let thaw = async {
        advance(HOUR).await;
        network.thaw("b");
    };
    let (accepted, piece, written, ()) = tokio::join!(
        listener.accept(),
        read(&mut reader),
        write(&mut writer, b"x"),
        thaw
    );
    assert_eq!(accepted.unwrap().number(), connected.number());
    assert_eq!(piece.unwrap(), "for b");
    written.unwrap();
}

/// Lets `b` write to `a` and restart before that arrives; returns what arrives.
async fn restarted(seed: u64) -> Vec<u8> {
    let network = network(seed, 100);
    let old = network.node("b");
    let mut listener = old.listen("s").unwrap();
    let near = network.node("a").connect("s").await.unwrap();
    let far = listener.accept().await.unwrap();
    let unaccepted = network.node("a").connect("s").await.unwrap();
    let ((mut near_reader, mut near_writer), (mut reader, mut writer)) =
        (near.split(), far.split());
    write(&mut near_writer, b"lost").await.unwrap();
    write(&mut writer, b"last words").await.unwrap();

    let new = network.restart("b");
    let reset = io::ErrorKind::ConnectionReset;
    check_error(read(&mut reader).await, reset);
    check_error(write(&mut writer, b"x").await, reset);
    check_error(listener.accept().await, io::ErrorKind::ConnectionAborted);
    check_error(old.listen("s"), io::ErrorKind::ConnectionAborted);
    check_error(old.connect("s").await, io::ErrorKind::ConnectionAborted);
    let _listener = new.listen("s").unwrap();
    drop((listener, reader, writer));

    let start = Instant::now();
    let (mut unread, _) = unaccepted.split();
    assert_eq!(read_all(&mut unread).await, (vec![], Some(reset)));
    let (read, end) = read_all(&mut near_reader).await;
    assert!(b"last words".starts_with(&read), "{read:?}");
    assert_eq!(end, Some(reset));
    check_error(write(&mut near_writer, b"x").await, reset);
    assert_eq!(start.elapsed(), 100 * MS);
    network.node("a").connect("s").await.unwrap();
    read
}

#[tokio::test(start_paused = true)]
async fn a_restart_ends_everything_of_a_node_and_loses_a_random_part() {
    let mut lens: Vec<usize> = Vec::new();
    for seed in 0..60 {
        lens.push(restarted(seed).await.len());
    }
    for len in [0, 5, 10] {
        assert!(lens.contains(&len), "{len} is not among {lens:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_learns_that_the_reader_is_gone_when_the_news_arrives() {
    let network = network(1, 100);
    let (near, far) = connect(&network, "s").await;
    let ((_, mut full), mut writer) = (near.split(), far.split().1);
    // Each has dropped its reader by now; one waits for room when the news comes, one tries later.
    let start = Instant::now();
    write(&mut full, &[7; CAPACITY]).await.unwrap();
    check_error(write(&mut full, b"x").await, io::ErrorKind::BrokenPipe);
    assert_eq!(start.elapsed(), 100 * MS);
    check_error(write(&mut writer, b"x").await, io::ErrorKind::BrokenPipe);
}

#[tokio::test(start_paused = true)]
async fn a_connect_is_refused_after_a_latency_if_nobody_listens() {
    let network = network(1, 100);
    let node = network.node("a");
    let start = Instant::now();
    check_error(node.connect("s").await, io::ErrorKind::ConnectionRefused);
    assert_eq!(start.elapsed(), 100 * MS);
    drop(network.node("b").listen("s").unwrap());
    check_error(node.connect("s").await, io::ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn a_name_has_one_listener_and_a_bounded_backlog() {
    let network = network(1, 1);
    let mut listener = network.node("b").listen("s").unwrap();
    check_error(network.node("a").listen("s"), io::ErrorKind::AddrInUse);
    let node = network.node("a");
    let mut streams = Vec::new();
    for _ in 0..128 {
        streams.push(node.connect("s").await.unwrap());
    }
    check_hangs(node.connect("s")).await;
    let (connected, accepted) = tokio::join!(node.connect("s"), listener.accept());
    assert_eq!(connected.unwrap().number(), 128);
    assert_eq!(accepted.unwrap().number(), 0);
}

#[tokio::test(start_paused = true)]
async fn copying_reads_and_writes_carry_every_byte() {
    let network = network(3, 5);
    let sent: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
    let (near, far) = connect(&network, "s").await;
    let write = async {
        let (_reader, mut writer) = near.split();
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
        check_error(writer.write(b"x").await, io::ErrorKind::BrokenPipe);
    };
    let read = async {
        let mut all = Vec::new();
        far.split().0.read_to_end(&mut all).await.unwrap();
        all
    };
    let ((), all) = tokio::join!(write, read);
    assert!(all == sent);
}

/// Runs some traffic with some faults, and returns its trace. `meanwhile` happens in between.
async fn traffic(seed: u64, meanwhile: impl AsyncFn()) -> String {
    let network = SimNetwork::new(seed);
    for round in 0..10 {
        let (near, far) = connect(&network, "s").await;
        let ((mut near_reader, mut near_writer), (mut reader, mut writer)) =
            (near.split(), far.split());
        meanwhile().await;
        let talk = async {
            let piece = network.node("a").random().to_le_bytes().repeat(500);
            _ = write(&mut near_writer, &piece).await;
            _ = write(&mut writer, &piece[..round]).await;
            drop((near_writer, writer));
        };
        let fault = async {
            advance(MS).await;
            match round % 3 {
                0 => network.cut("a", "b"),
                1 => _ = network.restart("b"),
                _ => {}
            }
        };
        tokio::join!(
            talk,
            fault,
            read_all(&mut reader),
            read_all(&mut near_reader)
        );
    }
    network.trace()
}

#[tokio::test(start_paused = true)]
async fn one_seed_gives_one_trace_whatever_another_network_does() {
    let alone = traffic(1, async || {}).await;
    let other = SimNetwork::new(1);
    let beside = traffic(1, async || {
        other.node("a").random();
        other.cut("a", "b");
        // The name is free: it is another network.
        drop(other.node("b").listen("s").unwrap());
    })
    .await;
    assert_eq!(alone, beside);
    assert_ne!(alone, traffic(2, async || {}).await);
    let mut events = String::new();
    for event in [
        "opens on s",
        "writes ",
        "reads ",
        "reads the end",
        "cut",
        "restart",
    ] {
        if !alone.contains(event) {
            writeln!(events, "{event}").unwrap();
        }
    }
    assert_eq!(events, "", "these are not in\n{alone}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_forgotten_with_its_last_half() {
    let network = network(1, 1);
    let (near, far) = connect(&network, "s").await;
    let (reader, writer) = near.split();
    let n_connections = || network.fabric.act(|state, _| state.n_open());
    drop((far, reader));
    assert_eq!(n_connections(), 1);
    drop(writer);
    assert_eq!(n_connections(), 0);
    let listener = network.node("b").listen("s").unwrap();
    let unaccepted = network.node("a").connect("s").await.unwrap();
    drop(listener);
    assert_eq!(n_connections(), 1);
    drop(unaccepted);
    assert_eq!(n_connections(), 0);
}
