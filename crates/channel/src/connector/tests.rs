//! How often a connector looks at its sessions, and that it misses none. Counted, and on a clock that is paused.

use std::{
    mem,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::{runtime::Handle, time::advance};

use super::*;
use crate::{
    carried::Wish,
    endpoint::{Endpoint, EndpointOptions},
    image::Image,
    link::CloseReport,
    news::News,
};

const SECOND: Duration = Duration::from_secs(1);

/// A session that counts how often it is looked at, and ends when it is told to or its time is over.
struct Counted {
    number: u32,
    hop: ChannelAddr,
    news: News,
    looks: Arc<AtomicU64>,
    is_over: AtomicBool,
    /// Whether the end of its time does not end it.
    is_held_up: AtomicBool,
    deadline: Mutex<Option<Instant>>,
    /// Where it goes to at the next look.
    next: Mutex<Vec<Arc<Connector>>>,
}

impl Counted {
    fn finish(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.news.notify_one();
    }

    fn give(&self, deadline: Instant) {
        *self.deadline.lock().unwrap() = Some(deadline);
        self.news.notify_one();
    }
}

impl Carried for Counted {
    fn fill(self: Arc<Self>, _: u64, _: usize, _: &mut Image) -> bool {
        false
    }

    fn on_control(self: Arc<Self>, _: u64, _: Header, _: &Bytes) -> Result<Wish, ProtocolError> {
        Ok(Wish::None)
    }

    fn on_tick(self: Arc<Self>, _: u64) -> Wish {
        Wish::None
    }

    fn on_lost(self: Arc<Self>, _: u64) {}
}

impl Kept for Counted {
    fn attach(self: Arc<Self>, _: &Arc<Outlet>) {}

    fn first_hop(&self) -> &ChannelAddr {
        &self.hop
    }

    fn join(&self, inbox: &Arc<Inbox>) {
        self.news.turn_to(inbox, self.number);
    }

    /// Goes from one connector to the next, through all of them before this returns.
    fn moves(self: Arc<Self>) -> bool {
        let next = mem::take(&mut *self.next.lock().unwrap());
        let session: Arc<dyn Kept> = self;
        for connector in &next {
            assert!(connector.add(&session));
        }
        !next.is_empty()
    }

    fn fail(self: Arc<Self>, _: CloseReason) {
        self.finish();
    }

    fn number(&self) -> u32 {
        self.number
    }

    fn deadline(&self) -> Option<Instant> {
        *self.deadline.lock().unwrap()
    }

    fn expire(self: Arc<Self>, _: Option<&Arc<Unreachable>>) {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let is_late = self.deadline().is_some_and(|time| time <= Instant::now());
        let ends = is_late && !self.is_held_up.load(Ordering::Relaxed);
        self.is_over.fetch_or(ends, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn has_work(&self) -> bool {
        false
    }

    fn connecting(&self, _: u32, _: Option<&Arc<Unreachable>>) {}

    fn end(self: Arc<Self>, _: CloseReason) {
        self.finish();
    }

    fn close(self: Arc<Self>, _: Instant) {
        self.finish();
    }

    fn report(&self) -> CloseReport {
        CloseReport::default()
    }
}

/// A connector without a task: the tests look in its place, as it does between two events.
struct Rig {
    connector: Arc<Connector>,
    looks: Arc<AtomicU64>,
    sessions: Vec<Arc<Counted>>,
    _endpoint: Endpoint,
}

impl Rig {
    fn new() -> Self {
        let endpoint = Endpoint::new(EndpointOptions::new(Handle::current()));
        let connector = Connector::new(ChannelAddr::Local(7), endpoint.shared().clone());
        Self {
            connector: Arc::new(connector),
            looks: Arc::default(),
            sessions: Vec::new(),
            _endpoint: endpoint,
        }
    }

    fn add(&mut self) -> Arc<Counted> {
        let session = Arc::new(Counted {
            number: self.sessions.len() as u32 + 1,
            hop: ChannelAddr::Local(7),
            news: News::default(),
            looks: self.looks.clone(),
            is_over: AtomicBool::new(false),
            is_held_up: AtomicBool::new(false),
            deadline: Mutex::default(),
            next: Mutex::default(),
        });
        let kept: Arc<dyn Kept> = session.clone();
        assert!(self.connector.add(&kept));
        self.sessions.push(session.clone());
        session
    }

    /// Returns when to look again.
    fn look(&self) -> Option<Instant> {
        self.connector.retire(Whom::Due, None)
    }

    fn n_looks(&self) -> u64 {
        self.looks.swap(0, Ordering::Relaxed)
    }

    fn n_left(&self) -> usize {
        self.connector.sessions().len()
    }
}

#[tokio::test(start_paused = true)]
async fn inv4_the_work_for_a_session_does_not_grow_with_their_number() {
    const SESSIONS: u64 = 10_000;
    let mut rig = Rig::new();
    for _ in 0..SESSIONS {
        rig.add();
        rig.look();
    }
    assert_eq!(rig.n_looks(), SESSIONS);
    // Each of them says something, twice before it is looked at.
    for session in &rig.sessions {
        session.news.notify_one();
        session.news.notify_one();
        rig.look();
    }
    assert_eq!(rig.n_looks(), SESSIONS);
    rig.connector.retire(Whom::All, None);
    assert_eq!(rig.n_looks(), SESSIONS);
    for session in &rig.sessions {
        assert!(rig.look().is_some());
        session.finish();
    }
    // Each look found the one before; the last one is not looked at yet.
    assert_eq!((rig.n_looks(), rig.n_left()), (SESSIONS - 1, 1));
    assert_eq!(rig.look(), None);
    assert_eq!((rig.n_looks(), rig.n_left()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn inv4_each_session_is_looked_at_when_its_time_comes() {
    let mut rig = Rig::new();
    let begin = Instant::now();
    for second in 1..=100 {
        rig.add().give(begin + second * SECOND);
    }
    // One whose time is put off, and one that has none any more.
    rig.look();
    rig.sessions[9].give(begin + 200 * SECOND);
    *rig.sessions[19].deadline.lock().unwrap() = None;
    rig.sessions[19].news.notify_one();
    rig.look();
    rig.n_looks();
    for second in 1..=100 {
        advance(SECOND).await;
        let next = rig.look().unwrap();
        let is_there = second == 10 || second == 20;
        assert_eq!(rig.n_looks(), u64::from(!is_there), "{second}");
        assert_eq!(rig.sessions[second - 1].is_over(), !is_there, "{second}");
        let expected = match second as u32 + 1 {
            10 | 20 => second as u32 + 2,
            101 => 200,
            next => next,
        };
        assert_eq!(next, begin + expected * SECOND, "{second}");
    }
    assert_eq!(rig.n_left(), 2);
    advance(100 * SECOND).await;
    // The one that has no time keeps it going.
    assert_eq!(rig.look(), Some(Instant::now() + IDLE));
    assert_eq!(rig.n_left(), 1);
    rig.connector.leave(20);
    assert_eq!(rig.n_left(), 1, "it is not over");
    rig.sessions[19].finish();
    rig.connector.leave(20);
    assert_eq!(rig.look(), None);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_cannot_be_ended_yet_is_looked_at_ten_times_a_second() {
    let mut rig = Rig::new();
    // As one that waits for an attempt to connect.
    let session = rig.add();
    session.is_held_up.store(true, Ordering::Relaxed);
    session.give(Instant::now());
    for _ in 0..10 {
        assert_eq!(rig.look(), Some(Instant::now() + AGAIN));
        assert_eq!(rig.n_looks(), 1);
        advance(AGAIN / 2).await;
        rig.look();
        assert_eq!(rig.n_looks(), 0);
        advance(AGAIN / 2).await;
    }
    session.is_held_up.store(false, Ordering::Relaxed);
    assert_eq!(rig.look(), None);
}

#[tokio::test(start_paused = true)]
async fn inv5_a_session_that_comes_back_at_once_is_kept() {
    let mut near = Rig::new();
    let far = Rig::new();
    let session = near.add();
    near.look();
    let goes = |connectors: Vec<Arc<Connector>>| {
        *session.next.lock().unwrap() = connectors;
        session.news.notify_one();
    };
    goes(vec![far.connector.clone(), near.connector.clone()]);
    assert!(near.look().is_some());
    assert_eq!((near.n_left(), far.n_left()), (1, 1));
    // It goes for good, and does not come back.
    near.look();
    goes(vec![far.connector.clone()]);
    assert_eq!(near.look(), None);
    assert_eq!((near.n_left(), far.n_left()), (0, 1));
}
