//! The pipe, polled by hand with wakers that count, and used by tasks.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A waker, and how often it was called.
struct Woken {
    count: Arc<Count>,
    waker: Waker,
}

impl Woken {
    fn new() -> Self {
        let count = Arc::<Count>::default();
        let waker = Waker::from(count.clone());
        Self { count, waker }
    }

    fn cx(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    #[track_caller]
    fn check(&self, times: usize) {
        assert_eq!(self.count.0.load(Ordering::Relaxed), times);
    }
}

/// One direction.
fn one_way(capacity: usize) -> (PipeWriter, PipeReader) {
    let (near, far) = pair(capacity);
    (near.split().1, far.split().0)
}

#[track_caller]
fn write(writer: &mut PipeWriter, woken: &Woken, piece: &'static str) {
    let piece = Bytes::from_static(piece.as_bytes());
    let poll = writer.poll_write_bytes(&mut woken.cx(), &piece);
    assert!(matches!(poll, Poll::Ready(Ok(()))), "{poll:?}");
}

#[track_caller]
fn check_full(writer: &mut PipeWriter, woken: &Woken) {
    let poll = writer.poll_write_bytes(&mut woken.cx(), &Bytes::from_static(b"x"));
    assert!(poll.is_pending(), "{poll:?}");
}

#[track_caller]
fn check_broken(writer: &mut PipeWriter, woken: &Woken) {
    let piece = Bytes::from_static(b"x");
    match writer.poll_write_bytes(&mut woken.cx(), &piece) {
        Poll::Ready(Err(error)) => assert_eq!(error.kind(), io::ErrorKind::BrokenPipe),
        poll => panic!("{poll:?}"),
    }
}

#[track_caller]
fn check_read(reader: &mut PipeReader, woken: &Woken, piece: &str) {
    match reader.poll_chunk(&mut woken.cx()) {
        Poll::Ready(Ok(read)) => assert_eq!(read, piece),
        poll => panic!("{poll:?}"),
    }
}

#[track_caller]
fn check_empty(reader: &mut PipeReader, woken: &Woken) {
    let poll = reader.poll_chunk(&mut woken.cx());
    assert!(poll.is_pending(), "{poll:?}");
}

#[test]
fn inv1_pieces_arrive_in_order_as_written_and_then_the_end() {
    let (mut writer, mut reader) = one_way(64);
    let woken = Woken::new();
    write(&mut writer, &woken, "one");
    write(&mut writer, &woken, "");
    write(&mut writer, &woken, "two");
    drop(writer);
    check_read(&mut reader, &woken, "one");
    check_read(&mut reader, &woken, "two");
    check_read(&mut reader, &woken, "");
    check_read(&mut reader, &woken, "");
}

#[test]
fn a_piece_is_handed_over_without_a_copy() {
    let (mut writer, mut reader) = one_way(4);
    let woken = Woken::new();
    let piece = Bytes::from(vec![7; 1 << 20]);
    let poll = writer.poll_write_bytes(&mut woken.cx(), &piece);
    assert!(poll.is_ready());
    let Poll::Ready(Ok(read)) = reader.poll_chunk(&mut woken.cx()) else {
        panic!("a piece waits");
    };
    assert_eq!((read.as_ptr(), read.len()), (piece.as_ptr(), piece.len()));
}

#[test]
fn inv2_a_full_pipe_makes_the_writer_wait_until_half_is_free() {
    let (mut writer, mut reader) = one_way(4);
    let woken = Woken::new();
    write(&mut writer, &woken, "a");
    write(&mut writer, &woken, "b");
    // As anything is free, the whole is taken.
    write(&mut writer, &woken, "longer");
    check_full(&mut writer, &woken);
    check_read(&mut reader, &woken, "a");
    check_read(&mut reader, &woken, "b");
    woken.check(0);
    check_read(&mut reader, &woken, "longer");
    woken.check(1);
    write(&mut writer, &woken, "c");
}

#[test]
fn inv2_the_number_of_pieces_is_bounded_too() {
    let (mut writer, mut reader) = one_way(usize::MAX);
    let woken = Woken::new();
    for _ in 0..MAX_PIECES {
        write(&mut writer, &woken, "a");
    }
    check_full(&mut writer, &woken);
    for _ in 0..MAX_PIECES / 2 {
        woken.check(0);
        check_read(&mut reader, &woken, "a");
    }
    woken.check(1);
    write(&mut writer, &woken, "b");
}

#[test]
fn inv3_the_waker_of_the_last_poll_is_woken() {
    let (mut writer, mut reader) = one_way(1);
    let (first, last) = (Woken::new(), Woken::new());
    let idle = Waker::noop();
    assert!(
        reader
            .poll_chunk(&mut Context::from_waker(idle))
            .is_pending()
    );
    check_empty(&mut reader, &first);
    check_empty(&mut reader, &last);
    write(&mut writer, &first, "a");
    first.check(0);
    last.check(1);

    check_full(&mut writer, &first);
    check_full(&mut writer, &last);
    check_read(&mut reader, &last, "a");
    first.check(0);
    last.check(2);
}

#[test]
fn a_writer_without_a_reader_is_woken_and_broken() {
    let (mut writer, reader) = one_way(1);
    let woken = Woken::new();
    write(&mut writer, &woken, "a");
    check_full(&mut writer, &woken);
    drop(reader);
    woken.check(1);
    check_broken(&mut writer, &woken);
}

#[test]
fn a_writer_that_was_shut_down_writes_no_more() {
    let (mut writer, mut reader) = one_way(8);
    let woken = Woken::new();
    check_empty(&mut reader, &woken);
    writer.shut_down();
    woken.check(1);
    check_broken(&mut writer, &woken);
    check_read(&mut reader, &woken, "");
}

/// A waker that owns a half of the pipe, which goes with it.
struct Owner {
    _reader: PipeReader,
}

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn inv4_a_waker_may_own_the_other_half() {
    let (mut writer, reader) = one_way(1);
    let woken = Woken::new();
    write(&mut writer, &woken, "a");
    let owner = Waker::from(Arc::new(Owner { _reader: reader }));
    let poll = writer.poll_write_bytes(&mut Context::from_waker(&owner), &Bytes::from_static(b"b"));
    assert!(poll.is_pending(), "{poll:?}");
    drop(owner);
    // The next poll replaces the last handle of the owner, whose reader then locks the pipe.
    check_full(&mut writer, &woken);
    check_broken(&mut writer, &woken);
}

#[test]
fn inv5_an_empty_pipe_keeps_little_room() {
    let (mut writer, mut reader) = one_way(1 << 20);
    let woken = Woken::new();
    assert_eq!(reader.direction.lock().pieces.capacity(), 0);
    for _ in 0..100 {
        write(&mut writer, &woken, "a");
    }
    for _ in 0..100 {
        check_read(&mut reader, &woken, "a");
    }
    assert!(reader.direction.lock().pieces.capacity() <= KEPT_ROOM);
}

#[tokio::test]
async fn copying_reads_and_writes_carry_every_byte_both_ways() {
    let sent: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
    let (near, far) = pair(1000);
    let talk = async |end: PipeEnd| {
        let (mut reader, mut writer) = end.split();
        let write = async {
            writer.write_all(&sent).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let read = async {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).await.unwrap();
            read
        };
        tokio::join!(write, read).1
    };
    let (one, other) = tokio::join!(talk(near), talk(far));
    assert!(one == sent && other == sent);
}

#[tokio::test]
async fn what_a_copying_read_leaves_comes_first_in_the_next_piece() {
    let (mut writer, mut reader) = one_way(64);
    writer.write_all(b"hello").await.unwrap();
    let mut start = [0; 2];
    reader.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"he");
    let woken = Woken::new();
    check_read(&mut reader, &woken, "llo");
    check_empty(&mut reader, &woken);
}
