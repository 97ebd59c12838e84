//! Who waits is woken by each thing that he can wait for, and by nothing but his own waker.

use std::task::{Context, Poll, Waker};

use tokio::task::JoinSet;

use super::*;

/// What happens to the network and to the other end of the stream of the one who waits.
type Event = fn(&SimNetwork, &mut Option<SimStream>);

/// Lets `waiting` wait in a task of its own for an hour, until `event`, and returns what comes of it and how
/// long after the event.
async fn woken<T: std::fmt::Debug + Send + 'static>(
    waiting: impl Future<Output = T> + Send + 'static,
    event: impl FnOnce(),
) -> (T, Duration) {
    let mut tasks = JoinSet::new();
    tasks.spawn(waiting);
    check_hangs(tasks.join_next()).await;
    let start = Instant::now();
    event();
    let joined = timeout(HOUR, tasks.join_next()).await.expect("he is woken");
    (joined.unwrap().unwrap(), start.elapsed())
}

#[track_caller]
fn at_once<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it is there"),
    }
}

fn write_x(stream: &mut Option<SimStream>) {
    let (mut writer, piece) = (stream.take().unwrap().split().1, Bytes::from_static(b"x"));
    at_once(|cx| writer.poll_write_bytes(cx, &piece)).unwrap();
}

fn nothing(_: &SimNetwork, _: &mut Option<SimStream>) {}

/// The reader of `b`; latency is 100 ms.
async fn check_reader(before: Event, event: Event, read: Result<&str, io::ErrorKind>, ms: u32) {
    let network = network(1, 100);
    let (near, far) = connect(&network, "s").await;
    let (mut reader, _writer) = far.split();
    let mut near = Some(near);
    before(&network, &mut near);
    let waiting = async move { super::read(&mut reader).await };
    let (result, after) = woken(waiting, || event(&network, &mut near)).await;
    let result = result.map_err(|error| error.kind());
    let expected = read.map(|text| Bytes::copy_from_slice(text.as_bytes()));
    assert_eq!((result, after), (expected, MS * ms));
}

/// The writer of `a`, whose connection is full.
async fn check_writer(before: Event, event: Event, written: Result<(), io::ErrorKind>, ms: u32) {
    let network = network(1, 100);
    let (near, far) = connect(&network, "s").await;
    let (_reader, mut writer) = near.split();
    super::write(&mut writer, &[7; CAPACITY]).await.unwrap();
    let mut far = Some(far);
    before(&network, &mut far);
    let waiting = async move { super::write(&mut writer, b"x").await };
    let (result, after) = woken(waiting, || event(&network, &mut far)).await;
    let result = result.map_err(|error| error.kind());
    assert_eq!((result, after), (written, MS * ms));
}

const RESET: io::ErrorKind = io::ErrorKind::ConnectionReset;

#[tokio::test(start_paused = true)]
async fn inv5_a_reader_is_woken() {
    check_reader(nothing, |_, near| write_x(near), Ok("x"), 100).await;
    check_reader(nothing, |_, near| *near = None, Ok(""), 100).await;
    check_reader(nothing, |network, _| network.cut("a", "b"), Err(RESET), 0).await;
    let restart_peer: Event = |network, _| _ = network.restart("a");
    check_reader(nothing, restart_peer, Err(RESET), 100).await;
    let restart: Event = |network, _| _ = network.restart("b");
    check_reader(nothing, restart, Err(RESET), 0).await;
    let hold: Event = |network, near| {
        network.partition("a", "b");
        write_x(near);
    };
    check_reader(hold, |network, _| network.heal("a", "b"), Ok("x"), 100).await;
    let freeze: Event = |network, near| {
        network.freeze("b");
        write_x(near);
    };
    check_reader(freeze, |network, _| network.thaw("b"), Ok("x"), 0).await;
}

#[tokio::test(start_paused = true)]
async fn inv5_a_writer_is_woken() {
    let broken = Err(io::ErrorKind::BrokenPipe);
    check_writer(nothing, |_, far| *far = None, broken, 100).await;
    check_writer(nothing, |network, _| network.cut("a", "b"), Err(RESET), 0).await;
    let restart_peer: Event = |network, _| _ = network.restart("b");
    check_writer(nothing, restart_peer, Err(RESET), 100).await;
    let restart: Event = |network, _| _ = network.restart("a");
    check_writer(nothing, restart, Err(RESET), 0).await;
    let hold: Event = |network, far| {
        network.partition("a", "b");
        *far = None;
    };
    check_writer(hold, |network, _| network.heal("a", "b"), broken, 100).await;
    let freeze: Event = |network, _| network.freeze("a");
    let cut_and_thaw: Event = |network, _| {
        network.cut("a", "b");
        network.thaw("a");
    };
    check_writer(freeze, cut_and_thaw, Err(RESET), 0).await;
}

#[tokio::test(start_paused = true)]
async fn inv5_a_writer_is_woken_when_half_is_read() {
    let network = network(1, 100);
    let (near, far) = connect(&network, "s").await;
    let ((_reader, mut writer), (mut reader, _writer)) = (near.split(), far.split());
    super::write(&mut writer, &[7; CAPACITY]).await.unwrap();
    let mut n_read = 0;
    let read_half = || {
        while n_read < CAPACITY / 2 {
            n_read += at_once(|cx| reader.poll_chunk(cx)).unwrap().len();
        }
    };
    let waiting = async move { super::write(&mut writer, b"x").await };
    let (result, after) = woken(waiting, read_half).await;
    result.unwrap();
    assert_eq!(after, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_listener_is_woken() {
    let waiting = |network: &SimNetwork| {
        let mut listener = network.node("b").listen("s").unwrap();
        async move { listener.accept().await.map(drop) }
    };
    let network = network(1, 100);
    let (result, _) = woken(waiting(&network), || _ = network.restart("b")).await;
    check_error(result, io::ErrorKind::ConnectionAborted);

    let accept = waiting(&network);
    network.freeze("b");
    let connected = network.node("a").connect("s").await.unwrap();
    let (result, after) = woken(accept, || network.thaw("b")).await;
    result.unwrap();
    assert_eq!(after, Duration::ZERO);
    drop(connected);

    let mut tasks = JoinSet::new();
    tasks.spawn(waiting(&network));
    check_hangs(tasks.join_next()).await;
    network.node("a").connect("s").await.unwrap();
    let start = Instant::now();
    tasks.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_connects_is_woken() {
    let network = network(1, 100);
    let mut listener = network.node("b").listen("s").unwrap();
    let connect = || {
        let node = network.node("a");
        async move { node.connect("s").await }
    };
    network.partition_one_way("b", "a");
    let (result, after) = woken(connect(), || network.heal("a", "b")).await;
    assert_eq!((result.unwrap().number(), after), (0, 100 * MS));
    network.freeze("a");
    let (result, after) = woken(connect(), || network.thaw("a")).await;
    assert_eq!((result.unwrap().number(), after), (1, 100 * MS));
    for _ in 2..128 {
        connect().await.unwrap();
    }
    let accept = || drop(at_once(|cx| listener.poll_accept(cx)).unwrap());
    let (result, after) = woken(connect(), accept).await;
    assert_eq!((result.unwrap().number(), after), (128, 100 * MS));
    network.partition("a", "b");
    let (result, _) = woken(connect(), || _ = network.restart("a")).await;
    check_error(result, io::ErrorKind::ConnectionAborted);
}
