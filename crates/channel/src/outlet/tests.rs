//! The outlet over a pipe: who writes, in which order, and that nothing that was asked for stays unwritten.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use bytes::Bytes;
use tokio::{
    io::AsyncReadExt,
    task::JoinSet,
    time::{Duration, timeout},
};

use super::*;
use crate::{
    attachment::Attachment,
    carried::Wish,
    frame::Header,
    outcome::ProtocolError,
    pipe::{PipeReader, pair},
    stream::{Glances, Heard, Stream},
};

const NUMBER: u64 = 7;

/// A session that writes its name once for each time that it is asked to.
struct Source {
    name: u8,
    attachment: Attachment,
    pending: AtomicU64,
    /// How many of them it hands out at once.
    at_once: u64,
    unsent: Mutex<Vec<u64>>,
    /// What is asked for while this one is filled.
    next: Mutex<Option<Arc<Source>>>,
}

impl Source {
    fn new(name: u8, at_once: u64, outlet: &Arc<Outlet>) -> Arc<Self> {
        let source = Self {
            name,
            attachment: Attachment::default(),
            pending: AtomicU64::new(0),
            at_once,
            unsent: Mutex::default(),
            next: Mutex::default(),
        };
        assert!(source.attachment.attach(outlet));
        Arc::new(source)
    }

    fn ask(self: &Arc<Self>, count: u64, now: bool) {
        self.pending.fetch_add(count, Ordering::SeqCst);
        self.attachment.schedule(self.clone(), now);
    }
}

impl Carried for Source {
    fn fill(self: Arc<Self>, connection: u64, _: usize, image: &mut Image) -> bool {
        if !self.attachment.begin_fill(connection) {
            return false;
        }
        let next = self.next.lock().unwrap().take();
        if let Some(next) = next {
            next.ask(1, true);
        }
        let pending = self.pending.swap(0, Ordering::SeqCst);
        let now = pending.min(self.at_once);
        let left = self.pending.fetch_add(pending - now, Ordering::SeqCst) + pending - now;
        let begin = image.pushed();
        image.push(Bytes::from(vec![self.name; now as usize]));
        let session: Arc<dyn Carried> = self.clone();
        image.filled(begin, &session, begin);
        left > 0 && self.attachment.goes_on(connection)
    }

    fn on_control(self: Arc<Self>, _: u64, _: Header, _: &Bytes) -> Result<Wish, ProtocolError> {
        Ok(Wish::None)
    }

    fn on_tick(self: Arc<Self>, _: u64) -> Wish {
        Wish::None
    }

    fn on_lost(self: Arc<Self>, _: u64) {}

    fn unsend(&self, sent: u64) {
        self.unsent.lock().unwrap().push(sent);
    }
}

/// Returns an outlet and what reads from the other end.
fn outlet(capacity: usize) -> (Arc<Outlet>, PipeReader) {
    let (near, far) = pair(capacity);
    let (_, writer) = Stream::Pipe(near).split(&Heard::default()).unwrap();
    (
        Outlet::new(NUMBER, writer, Glances::default().join()),
        far.split().0,
    )
}

/// Reads so many bytes.
async fn read(reader: &mut PipeReader, count: usize) -> String {
    let mut bytes = vec![0; count];
    let reading = reader.read_exact(&mut bytes);
    let read = timeout(Duration::from_secs(60), reading).await;
    read.expect("nothing that was asked for stays unwritten")
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Reads what is there at once.
fn read_now(reader: &mut PipeReader) -> String {
    let mut all = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(bytes) = reader.poll_chunk(&mut cx) {
        let bytes = bytes.unwrap();
        if bytes.is_empty() {
            break;
        }
        all.extend(bytes);
    }
    String::from_utf8(all).unwrap()
}

/// Returns the turns of so many new sessions with so many bytes each, and of one that always has more.
fn turns(new: usize, bytes: usize, count: usize) -> String {
    let (outlet, _reader) = outlet(1);
    let source: Arc<dyn Carried> = Source::new(b'a', 1, &outlet);
    let mut scheduled = Scheduled::default();
    scheduled.going_on.push_back(source.clone());
    scheduled.new.extend(vec![source; new]);
    let mut turns = String::new();
    for _ in 0..count {
        let Some((session, was_new)) = scheduled.next() else {
            break;
        };
        turns.push(if was_new { 'n' } else { 'g' });
        scheduled.had_turn(was_new, bytes);
        if !was_new {
            scheduled.going_on.push_back(session);
        }
    }
    turns
}

#[test]
fn inv2_new_sessions_come_before_one_that_goes_on_but_not_for_ever() {
    assert_eq!(turns(3, 80, 6), "nnnggg");
    assert_eq!(turns(10, SHARED_BATCH / 8, 14), "nnnngnnnngnngg");
    assert_eq!(turns(3, BATCH, 7), "ngngngg");
}

#[test]
fn batches_are_short_while_sessions_share_the_connection() {
    let (outlet, _reader) = outlet(1);
    let source: Arc<dyn Carried> = Source::new(b'a', 1, &outlet);
    let mut scheduled = Scheduled::default();
    scheduled.going_on.push_back(source.clone());
    assert_eq!(scheduled.begin_batch(), BATCH);
    scheduled.next();
    scheduled.new.push_back(source.clone());
    scheduled.next();
    // There was nobody beside it.
    assert_eq!(scheduled.begin_batch(), BATCH);
    scheduled.going_on.push_back(source.clone());
    scheduled.new.push_back(source);
    scheduled.next();
    for _ in 1..SHARED_FOR {
        assert_eq!(scheduled.begin_batch(), SHARED_BATCH);
    }
    assert_eq!(scheduled.begin_batch(), BATCH);
}

#[test]
fn a_session_that_goes_on_does_not_share_the_connection_with_itself() {
    let (outlet, _reader) = outlet(1);
    let source = Source::new(b'a', BATCH as u64, &outlet);
    let mut pen = outlet.lock().pen.take().unwrap();
    let in_line = || {
        let scheduled = &outlet.lock().scheduled;
        scheduled.new.len() + scheduled.going_on.len()
    };
    source.ask(10 * BATCH as u64, false);
    // It is asked for more while it is filled, and when it goes on.
    *source.next.lock().unwrap() = Some(source.clone());
    for _ in 0..3 {
        assert_eq!(outlet.fill(&mut pen), BATCH);
        pen.image.advance(BATCH);
        assert_eq!(in_line(), 1);
        source.ask(1, false);
        assert_eq!(in_line(), 1);
    }
}

#[test]
fn inv1_who_schedules_on_an_idle_connection_writes() {
    let (outlet, mut reader) = outlet(100);
    let source = Source::new(b'a', 10, &outlet);
    source.ask(3, true);
    assert_eq!(read_now(&mut reader), "aaa");
    assert!(outlet.is_idle());
}

#[tokio::test]
async fn inv4_what_is_not_wanted_at_once_is_for_the_task() {
    let (outlet, mut reader) = outlet(100);
    let (one, two) = (
        Source::new(b'a', 10, &outlet),
        Source::new(b'b', 10, &outlet),
    );
    one.ask(1, false);
    // It does not overtake the one before.
    two.ask(1, true);
    assert_eq!(read_now(&mut reader), "");
    assert!(!outlet.is_idle());
    outlet.end();
    let mut run = Box::pin(outlet.run());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(run.as_mut().poll(&mut cx).is_ready());
    assert_eq!(read_now(&mut reader), "ab");
}

#[tokio::test]
async fn inv4_what_is_scheduled_while_the_pen_is_in_use_is_written() {
    let (outlet, mut reader) = outlet(100);
    let (one, two) = (
        Source::new(b'a', 10, &outlet),
        Source::new(b'b', 10, &outlet),
    );
    *one.next.lock().unwrap() = Some(two);
    let mut run = Box::pin(outlet.run());
    // The task waits before anything is to be done.
    let mut cx = Context::from_waker(Waker::noop());
    assert!(run.as_mut().poll(&mut cx).is_pending());
    let reading = async {
        one.ask(1, true);
        read(&mut reader, 2).await
    };
    let read = async {
        tokio::select! {
            biased;
            result = &mut run => panic!("the task has not ended: {result:?}"),
            bytes = reading => bytes,
        }
    };
    assert_eq!(read.await, "ab");
}

#[tokio::test]
async fn inv2_sessions_take_turns() {
    let (outlet, mut reader) = outlet(1000);
    for name in *b"abc" {
        Source::new(name, 2, &outlet).ask(6, false);
    }
    outlet.end();
    outlet.run().await.unwrap();
    assert_eq!(read_now(&mut reader), "aabbccaabbccaabbcc");
}

#[tokio::test]
async fn the_task_goes_on_when_a_full_connection_has_room_again() {
    let (outlet, mut reader) = outlet(1);
    let source = Source::new(b'a', 1, &outlet);
    source.ask(50, true);
    let run = outlet.run();
    let reading = async {
        let bytes = read(&mut reader, 50).await;
        outlet.end();
        bytes
    };
    let (ended, bytes) = tokio::join!(run, reading);
    ended.unwrap();
    assert_eq!(bytes, "a".repeat(50));
}

#[tokio::test]
async fn a_connection_that_is_killed_tells_whose_bytes_were_not_begun() {
    let (outlet, reader) = outlet(1);
    let (one, two) = (Source::new(b'a', 1, &outlet), Source::new(b'b', 1, &outlet));
    one.ask(1, true);
    // The pipe is full: nothing of these is written.
    two.ask(1, true);
    one.ask(1, true);
    outlet.kill();
    outlet.run().await.unwrap();
    assert_eq!(*two.unsent.lock().unwrap(), [1]);
    assert_eq!(*one.unsent.lock().unwrap(), [0; 0]);
    drop(reader);
    // What is scheduled after that is nobody's.
    one.ask(1, true);
    assert_eq!(Arc::strong_count(&one), 1);
}

#[tokio::test]
async fn an_error_ends_the_task() {
    let (outlet, reader) = outlet(100);
    let source = Source::new(b'a', 10, &outlet);
    drop(reader);
    source.ask(1, true);
    let error = outlet.run().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(*source.unsent.lock().unwrap(), [0]);
}

#[test]
fn of_two_connections_the_newer_one_carries_the_session() {
    let connect = |number| {
        let (_, writer) = Stream::Pipe(pair(1).0).split(&Heard::default()).unwrap();
        Outlet::new(number, writer, Glances::default().join())
    };
    let (older, newer) = (connect(1), connect(2));
    let attachment = Attachment::default();
    assert!(attachment.attach(&newer));
    assert!(!attachment.attach(&older));
    assert!(attachment.is_at(2) && !attachment.is_at(1));
    assert!(!attachment.detach(1) && attachment.detach(2));
}

/// Threads schedule sessions as fast as they can, while the task writes and somebody reads slowly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv4_nothing_that_threads_schedule_is_lost() {
    const THREADS: u64 = 3;
    const TIMES: u64 = 3000;
    let (outlet, mut reader) = outlet(64);
    let sources: Vec<_> = (b'a'..b'd')
        .map(|name| Source::new(name, 5, &outlet))
        .collect();
    let threads: Vec<_> = (0..THREADS)
        .map(|i| {
            let sources = sources.clone();
            thread::spawn(move || {
                for n in 0..TIMES {
                    sources[(n % 3) as usize].ask(1, (n + i) % 4 != 0);
                }
            })
        })
        .collect();
    let mut tasks = JoinSet::new();
    let written = outlet.clone();
    tasks.spawn(async move { written.run().await });
    let bytes = read(&mut reader, (THREADS * TIMES) as usize).await;
    for name in ["a", "b", "c"] {
        assert_eq!(bytes.matches(name).count() as u64, TIMES);
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    outlet.end();
    let ended = tasks.join_all().await;
    assert!(ended.iter().all(Result::is_ok));
    assert_eq!(read_now(&mut reader), "");
}
