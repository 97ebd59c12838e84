//! Questions that are asked to answer other questions: their deadlines, and cycles of them.

use std::sync::Arc;
use std::time::Duration;

use hypermesh_actor::settings::{CALL_CYCLES, CALL_TIMEOUT};
use hypermesh_actor::{ActorRef, CallError, Cx, Message, Proc, Result, actor};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::fixture::{next_turn, proc, two_procs, within};

/// Asks the others in turn, the last of whom never answers; by handle or by ref as `by_ref` says.
#[derive(Message)]
struct Pass {
    to: Vec<ActorRef<Relay>>,
    by_ref: bool,
}

/// Never answered.
#[derive(Message)]
struct Hang;

/// Tells the deadline that the handler knows.
#[derive(Message)]
struct HowLong;

struct Relay {
    /// What the last question of this actor ended with.
    seen: Arc<std::sync::Mutex<Vec<String>>>,
    asked: Arc<Notify>,
}

impl Relay {
    fn note(&self, cx: &Cx<'_, Self>, error: &CallError) {
        let text = format!("{}: {error}", cx.label());
        self.seen.lock().unwrap().push(text);
    }
}

#[actor]
impl Relay {
    #[handler(on_error = "reply")]
    async fn pass(&mut self, cx: &Cx<'_, Self>, Pass { mut to, by_ref }: Pass) -> Result<u64> {
        self.asked.notify_one();
        if to.is_empty() {
            std::future::pending::<()>().await;
        }
        let next = to.remove(0);
        let pass = Pass { to, by_ref };
        let answer = match cx.proc().resolve(&next).filter(|_| !by_ref) {
            Some(next) => next.ask(pass).await,
            None => next.ask(cx, pass).await,
        };
        answer.inspect_err(|error| self.note(cx, error))?;
        Ok(0)
    }

    #[handler]
    async fn hang(&mut self, _cx: &Cx<'_, Self>, _: Hang) -> Result<u64> {
        std::future::pending().await
    }

    #[handler]
    fn how_long(&mut self, cx: &Cx<'_, Self>, _: HowLong) -> Result<Option<Duration>> {
        let now = Instant::now();
        Ok(cx.deadline().map(|due| due.saturating_duration_since(now)))
    }
}

struct Rig {
    seen: Arc<std::sync::Mutex<Vec<String>>>,
    asked: Arc<Notify>,
    relays: Vec<ActorRef<Relay>>,
}

impl Rig {
    /// Returns relays called a, b, c, .., one on each of `procs`.
    fn new(procs: &[&Proc]) -> Self {
        let seen = Arc::default();
        let asked = Arc::default();
        let mut relays = Vec::new();
        for (proc, name) in procs.iter().zip(["a", "b", "c", "d"]) {
            let relay = Relay {
                seen: Arc::clone(&seen),
                asked: Arc::clone(&asked),
            };
            relays.push(proc.spawn_named(name, relay).unwrap().bind());
        }
        Self {
            seen,
            asked,
            relays,
        }
    }

    fn pass(&self, to: &[usize], by_ref: bool) -> Pass {
        let to = to.iter().map(|idx| self.relays[*idx].clone()).collect();
        Pass { to, by_ref }
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_nested_question_ends_with_the_one_around_it() {
    let proc = proc();
    for by_ref in [false, true] {
        let rig = Rig::new(&[&proc, &proc, &proc]);
        let client = proc.client("client");
        let begin = Instant::now();
        let limit = Duration::from_millis(1500);
        let outer = rig.relays[0].ask(&client, rig.pass(&[1, 2], by_ref));
        let error = outer.timeout(limit).await.unwrap_err();
        assert_eq!(error, CallError::Deadline(limit));
        assert_eq!(begin.elapsed(), limit);
        // The inner ones are over at the same moment, not 30 s after they began.
        while rig.seen.lock().unwrap().len() < 2 {
            next_turn().await;
        }
        assert_eq!(begin.elapsed(), limit, "by ref: {by_ref}");
        let seen = rig.seen();
        assert!(
            seen.contains(
                &"b: no reply before the end of the first question: a -> b -> c".to_owned()
            ),
            "{seen:?}"
        );
        for relay in &rig.relays {
            let handle = proc.resolve(relay).unwrap();
            handle.kill();
            handle.wait().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_nested_question_may_end_earlier_by_itself() {
    #[derive(Message)]
    struct Try;
    struct Impatient(ActorRef<Relay>);
    #[actor]
    impl Impatient {
        #[handler]
        async fn attempt(&mut self, cx: &Cx<'_, Self>, _: Try) -> Result<Option<CallError>> {
            let limit = Duration::from_secs(1);
            Ok(self.0.ask(cx, Hang).timeout(limit).await.err())
        }
    }
    let proc = proc();
    let rig = Rig::new(&[&proc]);
    let impatient = proc.spawn(Impatient(rig.relays[0].clone()));
    let error = impatient.ask(Try).await.unwrap().unwrap();
    assert_eq!(error, CallError::Deadline(Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_handler_knows_how_long_its_caller_waits() {
    let proc = proc();
    let rig = Rig::new(&[&proc]);
    let client = proc.client("client");
    let limit = Duration::from_secs(7);
    let left = rig.relays[0].ask(&client, HowLong).timeout(limit);
    assert_eq!(left.await, Ok(Some(limit)));
}

#[tokio::test]
async fn the_deadline_of_a_question_crosses_a_link() {
    let (home, away) = two_procs();
    let rig = Rig::new(&[&home]);
    let client = away.client("client");
    let left = within(rig.relays[0].ask(&client, HowLong)).await.unwrap();
    let left = left.unwrap();
    assert!(left <= CALL_TIMEOUT.get(), "{left:?}");
    assert!(Duration::ZERO < left, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cycle_is_refused_at_once_and_named() {
    assert!(CALL_CYCLES.get(), "tests are built with debug assertions");
    for by_ref in [false, true] {
        let proc = proc();
        let rig = Rig::new(&[&proc, &proc, &proc]);
        let client = proc.client("client");
        let begin = Instant::now();
        let outer = rig.relays[0].ask(&client, rig.pass(&[1, 2, 0], by_ref));
        assert!(outer.await.is_err());
        assert_eq!(begin.elapsed(), Duration::ZERO);
        let expected = "c: the actors would wait for each other: a -> b -> c -> a";
        assert_eq!(rig.seen().first().map(String::as_str), Some(expected));
    }
}

#[tokio::test]
async fn a_cycle_over_links_is_refused_and_named() {
    assert!(CALL_CYCLES.get(), "tests are built with debug assertions");
    let (home, away) = two_procs();
    let rig = Rig::new(&[&home, &away]);
    let client = away.client("client");
    let outer = rig.relays[0].ask(&client, rig.pass(&[1, 0], true));
    assert!(within(outer).await.is_err());
    let seen = rig.seen();
    let expected = "b: the actors would wait for each other: a -> b -> a";
    assert_eq!(seen.first().map(String::as_str), Some(expected), "{seen:?}");
}

#[tokio::test]
async fn who_does_not_wait_is_no_part_of_a_cycle() {
    #[derive(Message)]
    struct Start;
    #[derive(Message)]
    struct AskBack(ActorRef<Front>);
    #[derive(Message)]
    struct Get;
    struct Front(ActorRef<Back>);
    struct Back;
    #[actor]
    impl Front {
        #[handler]
        fn start(&mut self, cx: &Cx<'_, Self>, _: Start) -> Result<()> {
            // Asked, and not awaited: this actor is free to answer.
            drop(self.0.ask(cx, AskBack(cx.self_ref())));
            Ok(())
        }
        #[handler]
        fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<u64> {
            Ok(7)
        }
    }
    #[derive(Message)]
    struct Answer;
    #[actor]
    impl Back {
        #[handler]
        async fn ask_back(&mut self, cx: &Cx<'_, Self>, AskBack(front): AskBack) -> Result<()> {
            assert_eq!(front.ask(cx, Get).await?, 7);
            Ok(())
        }
        #[handler]
        fn answer(&mut self, _cx: &Cx<'_, Self>, _: Answer) -> Result<()> {
            Ok(())
        }
    }
    assert!(CALL_CYCLES.get(), "tests are built with debug assertions");
    let proc = proc();
    let back = proc.spawn(Back);
    let front = proc.spawn(Front(back.bind()));
    within(front.ask(Start)).await.unwrap();
    // It is behind the question above, and is answered only if that did not fail.
    within(back.ask(Answer)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_comes_too_late_is_counted() {
    let proc = proc();
    let rig = Rig::new(&[&proc]);
    let handle = proc.resolve(&rig.relays[0]).unwrap();
    let before = proc.late_replies();
    drop(handle.ask(HowLong));
    handle.ask(HowLong).await.unwrap();
    assert_eq!(proc.late_replies() - before, 1);
    drop(handle.ask(rig.pass(&[], false)));
    rig.asked.notified().await;
    assert_eq!(proc.late_replies() - before, 1);
}
