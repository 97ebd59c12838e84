//! The same rules of reading and writing for each transport.

use std::{
    future::Future,
    io::IoSlice,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    join,
    net::TcpListener,
    select,
    time::timeout,
};

use super::*;

/// A test that waits longer than this has found a fault.
const DEADLINE: Duration = Duration::from_secs(30);

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(DEADLINE, future).await.expect("in time")
}

/// Returns the halves of both ends of a connection.
type Ends = ((Reader, Writer), (Reader, Writer));

async fn tcp() -> Ends {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (one, other) = join!(TcpStream::connect(addr), listener.accept());
    let split = |stream| {
        Stream::tcp(stream)
            .unwrap()
            .split(&Heard::default())
            .unwrap()
    };
    (split(one.unwrap()), split(other.unwrap().0))
}

fn unix() -> Ends {
    let (one, other) = tokio::net::UnixStream::pair().unwrap();
    let split = |stream| {
        Stream::Unix(Unix::new(stream).unwrap())
            .split(&Heard::default())
            .unwrap()
    };
    (split(one), split(other))
}

async fn tls() -> Ends {
    let (one, other) = crate::tls::connected_pair().await;
    let split = |stream| Stream::Tls(stream).split(&Heard::default()).unwrap();
    (split(one), split(other))
}

/// Writes what fits at once, in two slices, and returns how much that was.
fn write_now(writer: &mut Writer, piece: &[u8]) -> Option<usize> {
    let mut cx = Context::from_waker(Waker::noop());
    let (head, tail) = piece.split_at(piece.len() / 3);
    let slices = [IoSlice::new(head), IoSlice::new(tail)];
    match Pin::new(writer).poll_write_vectored(&mut cx, &slices) {
        Poll::Ready(written) => Some(written.unwrap()),
        Poll::Pending => None,
    }
}

/// Writes without waiting until nothing fits any more, then waits, and so three times; all of it arrives, and
/// then the end.
async fn check(((one_reader, one_writer), (other_reader, other_writer)): Ends) {
    let (mut reader, mut writer) = (other_reader, one_writer);
    let piece: Vec<u8> = (0..=250).cycle().take(251 * 400).collect();
    let writing = async {
        let mut total = 0;
        for _ in 0..3 {
            // What follows is always what comes next in the pattern.
            while let Some(n) = write_now(&mut writer, &piece[total % 251..]) {
                total += n;
            }
            writer
                .write_all(&piece[total % 251..][..1000])
                .await
                .unwrap();
            total += 1000;
            writer.flush().await.unwrap();
        }
        writer.shutdown().await.unwrap();
        total
    };
    let reading = async {
        let (mut total, mut buffer) = (0, vec![0; 70_000]);
        loop {
            let n = reader.read(&mut buffer).await.unwrap();
            assert_eq!(buffer[..n], piece[total % 251..][..n]);
            total += n;
            if n == 0 {
                return total;
            }
        }
    };
    let (written, read) = soon(async { join!(writing, reading) }).await;
    assert_eq!(written, read);
    assert!(written > 3 * 1000);
    // A peer that goes is noticed by who reads.
    drop((other_writer, reader));
    let mut rest = Vec::new();
    let mut one_reader = one_reader;
    let end = soon(one_reader.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "{end:?}");
}

#[tokio::test]
async fn a_write_that_finds_no_room_waits_with_the_next_waker() {
    check(tcp().await).await;
    check(unix()).await;
    check(tls().await).await;
}

/// Fills the socket without waiting, and never calls the writer again: what it took arrives.
async fn check_sent(((mut one_reader, mut writer), (mut reader, _other)): Ends) {
    let piece = [7; 50_000];
    let mut written = 0;
    while let Some(n) = write_now(&mut writer, &piece) {
        written += n;
    }
    let mut buffer = vec![0; 70_000];
    let reading = async {
        let mut read = 0;
        while read < written {
            read += reader.read(&mut buffer).await.unwrap();
        }
        read
    };
    let mut reading = pin!(soon(reading));
    let read = select! {
        read = &mut reading => read,
        silence = one_reader.read_u8() => panic!("{silence:?}"),
    };
    assert_eq!(read, written);
}

#[tokio::test]
async fn what_a_write_took_is_sent_without_another_call() {
    check_sent(tcp().await).await;
    check_sent(unix()).await;
    check_sent(tls().await).await;
}

#[tokio::test]
async fn a_tcp_reader_that_waits_for_much_is_told_of_little_when_it_looks() {
    let ((mut reader, _here), (_there, mut writer)) = tcp().await;
    let ((mut echo_reader, _keep), (_and_keep, mut echo_writer)) = tcp().await;
    let mut memory = vec![0; 1 << 20];
    soon(writer.write_all(b"first")).await.unwrap();
    assert_eq!(soon(reader.read(&mut memory)).await.unwrap(), 5);
    // The read that finds nothing tells the system to wait for much.
    assert!(read_announced_now(&mut reader, &mut memory).is_none());
    soon(writer.write_all(b"little")).await.unwrap();
    // What comes over another socket after it has been told of by now.
    soon(echo_writer.write_all(b"x")).await.unwrap();
    soon(echo_reader.read_u8()).await.unwrap();
    assert!(read_announced_now(&mut reader, &mut memory).is_none());
    reader.look().unwrap();
    assert_eq!(soon(read_announced(&mut reader, &mut memory)).await, 6);
    // Much is told of without that.
    assert!(read_announced_now(&mut reader, &mut memory).is_none());
    let much = vec![7; 256 << 10];
    let reading = async {
        let mut n = 0;
        while n < much.len() / 2 {
            n += read_announced(&mut reader, &mut memory).await;
        }
    };
    let (written, ()) = soon(async { join!(writer.write_all(&much), reading) }).await;
    written.unwrap();
}

/// Reads some of what was announced to be as much as there is memory, and returns how much.
async fn read_announced(reader: &mut Reader, memory: &mut [u8]) -> usize {
    let mut memory = ReadBuf::new(memory);
    let read = std::future::poll_fn(|cx| reader.poll_read_announced(cx, &mut memory));
    read.await.unwrap();
    memory.filled().len()
}

/// The same, if something is there.
fn read_announced_now(reader: &mut Reader, memory: &mut [u8]) -> Option<usize> {
    let mut read = pin!(read_announced(reader, memory));
    match read.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(n) => Some(n),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_tcp_socket_inside_one_machine_keeps_little_that_nobody_has_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (one, other) = join!(TcpStream::connect(addr), listener.accept());
    for socket in [one.unwrap(), other.unwrap().0] {
        let size = || SockRef::from(&socket).recv_buffer_size().unwrap();
        let before = size();
        set_up(&socket).unwrap();
        assert_ne!(size(), before, "the system chooses");
        // It adds as much again for its own needs.
        assert!(size() <= 2 * UNREAD, "{}", size());
    }
}
