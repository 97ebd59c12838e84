//! Questions, and every way in which they end.

use std::sync::Arc;
use std::time::Duration;

use hypermesh_actor::{
    ActorHandle, ActorRef, Ask, CallError, Cx, Error, Exit, FailureCause, Instance, Message, Mode,
    Phase, Ping, Proc, ReplyTo, Result, actor,
};
use tokio::sync::Notify;

use crate::fixture::{proc, two_procs, within};

#[derive(Message)]
struct Echo(String);
#[derive(Message)]
struct Fail;
#[derive(Message)]
struct Refuse;
#[derive(Message)]
struct Panic;
#[derive(Message)]
struct Forget;
#[derive(Message)]
struct Hang;
#[derive(Message)]
struct Keep;
#[derive(Message)]
struct AskSelf;
/// Answered when the gate is opened.
#[derive(Message)]
struct Pass;

/// Answers in every possible way.
#[derive(Default)]
struct Oracle {
    hanging: Arc<Notify>,
    gate: Arc<Notify>,
    kept: Vec<ReplyTo<u64>>,
}

#[actor]
impl Oracle {
    #[handler]
    async fn echo(&mut self, _cx: &Cx<'_, Self>, Echo(text): Echo) -> Result<String> {
        Ok(text)
    }

    #[handler]
    fn fail(&mut self, _cx: &Cx<'_, Self>, _: Fail) -> Result<u64> {
        Err(Error::msg("no disk").context("cannot answer"))
    }

    #[handler(on_error = "reply")]
    async fn refuse(&mut self, _cx: &Cx<'_, Self>, _: Refuse) -> Result<u64, std::fmt::Error> {
        Err(std::fmt::Error)
    }

    #[handler]
    async fn panic(&mut self, _cx: &Cx<'_, Self>, _: Panic) -> Result<u64> {
        tokio::task::yield_now().await;
        panic!("{} is no number", "x");
    }

    #[handler]
    fn forget(&mut self, _cx: &Cx<'_, Self>, _: Forget, reply: ReplyTo<u64>) {
        drop(reply);
    }

    #[handler]
    async fn hang(&mut self, _cx: &Cx<'_, Self>, _: Hang) -> Result<u64> {
        self.hanging.notify_one();
        std::future::pending().await
    }

    #[handler]
    async fn pass(&mut self, _cx: &Cx<'_, Self>, _: Pass) -> Result<u64> {
        self.hanging.notify_one();
        self.gate.notified().await;
        Ok(1)
    }

    #[handler]
    fn keep(&mut self, _cx: &Cx<'_, Self>, _: Keep, reply: ReplyTo<u64>) {
        self.hanging.notify_one();
        self.kept.push(reply);
    }

    #[handler]
    async fn ask_self(&mut self, cx: &Cx<'_, Self>, _: AskSelf) -> Result<Vec<CallError>> {
        let by_handle = cx.self_handle().ask(Echo(String::new())).await;
        let by_ref = cx.self_ref().ask(cx, Echo(String::new())).await;
        Ok(vec![by_handle.unwrap_err(), by_ref.unwrap_err()])
    }
}

/// A way to ask an oracle: by its handle, by a ref in its proc, or over a link.
struct Rig {
    procs: Vec<Proc>,
    client: Instance<()>,
    oracle: ActorHandle<Oracle>,
    by_ref: Option<ActorRef<Oracle>>,
    hanging: Arc<Notify>,
    gate: Arc<Notify>,
}

impl Rig {
    fn new(way: &str) -> Self {
        let oracle = Oracle::default();
        let (hanging, gate) = (oracle.hanging.clone(), oracle.gate.clone());
        let (home, asker) = match way {
            "link" => two_procs(),
            _ => {
                let proc = proc();
                (proc.clone(), proc)
            }
        };
        let oracle = home.spawn(oracle);
        let by_ref = (way != "handle").then(|| oracle.bind());
        let client = asker.client("client");
        Self {
            procs: vec![home, asker],
            client,
            oracle,
            by_ref,
            hanging,
            gate,
        }
    }

    fn ask<M, R>(&self, message: M) -> Ask<R>
    where
        M: Message,
        R: Message,
        Oracle: hypermesh_actor::Handler<M, Reply = R> + hypermesh_actor::Accepts<M, Reply = R>,
    {
        match &self.by_ref {
            Some(oracle) => oracle.ask(&self.client, message),
            None => self.oracle.ask(message),
        }
    }
}

const WAYS: [&str; 3] = ["handle", "ref", "link"];

#[tokio::test]
async fn a_value_comes_back_whatever_the_way() {
    for way in WAYS {
        let rig = Rig::new(way);
        let answer = within(rig.ask(Echo("hello".to_owned()))).await;
        assert_eq!(answer, Ok("hello".to_owned()), "by {way}");
    }
}

#[tokio::test]
async fn an_error_of_the_handler_answers_with_its_text_and_fails_the_actor() {
    for way in WAYS {
        let rig = Rig::new(way);
        let Err(CallError::Handler(failure)) = within(rig.ask(Fail)).await else {
            panic!("by {way}");
        };
        assert_eq!(failure.cause, FailureCause::Handler);
        assert_eq!(failure.message, "cannot answer");
        assert_eq!(failure.chain, ["no disk"]);
        assert_eq!(failure.actor, rig.oracle.id());
        assert_eq!(failure.label, "Oracle");
        assert_eq!(within(rig.oracle.wait()).await, Exit::Failed(failure));
    }
}

#[tokio::test]
async fn an_error_of_a_handler_that_replies_errors_leaves_the_actor_running() {
    for way in WAYS {
        let rig = Rig::new(way);
        let error = within(rig.ask(Refuse)).await.unwrap_err();
        assert!(matches!(error, CallError::Handler(_)), "{error} by {way}");
        assert!(within(rig.ask(Echo("still here".to_owned()))).await.is_ok());
    }
}

#[tokio::test]
async fn a_panic_answers_with_its_message_and_fails_the_actor() {
    for way in WAYS {
        let rig = Rig::new(way);
        let Err(CallError::Handler(failure)) = within(rig.ask(Panic)).await else {
            panic!("by {way}");
        };
        assert_eq!(
            failure.cause,
            FailureCause::Panic {
                phase: Phase::Handler
            }
        );
        assert_eq!(failure.message, "x is no number");
        assert_eq!(within(rig.oracle.wait()).await, Exit::Failed(failure));
    }
}

#[tokio::test]
async fn a_dropped_reply_slot_answers_at_once() {
    for way in WAYS {
        let rig = Rig::new(way);
        assert_eq!(
            within(rig.ask(Forget)).await,
            Err(CallError::NoReply),
            "by {way}"
        );
    }
}

#[tokio::test]
async fn the_end_of_the_actor_answers_queued_and_kept_questions() {
    for way in WAYS {
        for mode in [Mode::Stop, Mode::Drain, Mode::Kill] {
            let rig = Rig::new(way);
            let kept = rig.ask(Keep);
            rig.hanging.notified().await;
            let (hanging, queued) = match mode {
                // Only a kill interrupts a handler; the others would wait for it.
                Mode::Kill => (Some(rig.ask(Hang)), Some(rig.ask(Echo(String::new())))),
                Mode::Stop | Mode::Drain => (None, None),
            };
            if hanging.is_some() {
                rig.hanging.notified().await;
            }
            let exit = match mode {
                Mode::Stop => {
                    rig.oracle.stop();
                    Exit::Stopped
                }
                Mode::Drain => {
                    rig.oracle.drain();
                    Exit::Drained
                }
                Mode::Kill => {
                    rig.oracle.kill();
                    Exit::Killed
                }
            };
            let expected = CallError::Exited(exit.clone());
            assert_eq!(
                within(kept).await,
                Err(expected.clone()),
                "{mode:?} by {way}"
            );
            if let Some((hanging, queued)) = hanging.zip(queued) {
                assert_eq!(
                    within(hanging).await,
                    Err(expected.clone()),
                    "{mode:?} by {way}"
                );
                let error = within(queued).await.unwrap_err();
                assert_eq!(error, expected, "{mode:?} by {way}");
            }
            assert_eq!(within(rig.oracle.wait()).await, exit);
            let late = within(rig.ask(Echo(String::new()))).await.unwrap_err();
            assert_eq!(late, expected, "{mode:?} by {way}");
        }
    }
}

#[tokio::test]
async fn questions_queued_behind_a_failure_are_answered_with_it() {
    for way in WAYS {
        let rig = Rig::new(way);
        let (failing, queued) = (rig.ask(Fail), rig.ask(Echo(String::new())));
        let Err(CallError::Handler(failure)) = within(failing).await else {
            panic!("by {way}")
        };
        let error = within(queued).await.unwrap_err();
        assert_eq!(error, CallError::Exited(Exit::Failed(failure)), "by {way}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_question_has_a_deadline() {
    let rig = Rig::new("handle");
    let begin = tokio::time::Instant::now();
    let error = rig.ask(Hang).await.unwrap_err();
    assert_eq!(error, CallError::Deadline(Duration::from_secs(30)));
    assert_eq!(begin.elapsed(), Duration::from_secs(30));
    for way in ["handle", "ref"] {
        let rig = Rig::new(way);
        let limit = Duration::from_millis(1500);
        let begin = tokio::time::Instant::now();
        assert_eq!(
            rig.ask(Hang).timeout(limit).await,
            Err(CallError::Deadline(limit))
        );
        assert_eq!(begin.elapsed(), limit, "by {way}");
    }
}

#[tokio::test]
async fn an_actor_that_asks_itself_is_told_so() {
    let rig = Rig::new("handle");
    let errors = within(rig.ask(AskSelf)).await.unwrap();
    for error in errors {
        let text = error.to_string();
        assert!(matches!(error, CallError::WouldDeadlock(_)), "{text}");
        assert!(text.ends_with("Oracle -> Oracle"), "{text}");
    }
}

#[tokio::test]
async fn cancelled_questions_leave_nothing_behind() {
    for way in WAYS {
        let rig = Rig::new(way);
        let before = rig.client.mailbox().n_ports();
        for _ in 0..100 {
            (0..1000).for_each(|_| drop(rig.ask(Echo(String::new()))));
            within(rig.ask(Echo(String::new()))).await.unwrap();
        }
        assert_eq!(rig.client.mailbox().n_ports(), before, "by {way}");
        assert_eq!(rig.client.proc().pending_calls(), 0, "by {way}");
    }
}

#[tokio::test]
async fn a_late_reply_is_dropped_and_counted() {
    let rig = Rig::new("link");
    let gateway = rig.client.proc().gateway();
    let before = gateway.stats().dropped;
    drop(rig.ask(Echo("late".to_owned())));
    // Replies come in the order of the questions: the late one was there before this one.
    let next = within(rig.ask(Echo("next".to_owned()))).await;
    assert_eq!(next, Ok("next".to_owned()));
    assert_eq!(gateway.stats().dropped - before, 1);
}

#[tokio::test]
async fn questions_behind_a_handler_end_with_the_actor_or_are_answered_by_its_drain() {
    for way in WAYS {
        for mode in [Mode::Stop, Mode::Drain] {
            let rig = Rig::new(way);
            let gate = rig.gate.clone();
            let (first, second) = (rig.ask(Pass), rig.ask(Echo("second".to_owned())));
            rig.hanging.notified().await;
            // Behind the second one on its way, so that that one is in the queue.
            let agent = rig.procs[0].agent();
            within(agent.ask(&rig.client, Ping)).await.unwrap();
            match mode {
                Mode::Stop => rig.oracle.stop(),
                Mode::Drain | Mode::Kill => rig.oracle.drain(),
            }
            let late = within(rig.ask(Echo("late".to_owned()))).await;
            assert_eq!(late, Err(CallError::Closed), "{mode:?} by {way}");
            gate.notify_one();
            assert_eq!(within(first).await, Ok(1), "{mode:?} by {way}");
            let expected = match mode {
                Mode::Stop => Err(CallError::Exited(Exit::Stopped)),
                Mode::Drain | Mode::Kill => Ok("second".to_owned()),
            };
            assert_eq!(within(second).await, expected, "{mode:?} by {way}");
        }
    }
}

#[tokio::test]
async fn an_actor_that_cannot_be_reached_is_told_apart() {
    use hypermesh_actor::mailbox::{Cause, Location, ProcId};
    let rig = Rig::new("ref");
    let id = ProcId::new(7, 99, 0).named_actor("nobody");
    let nowhere = Location::at("local:7777".parse().unwrap());
    let nobody = ActorRef::<Oracle>::attest(id, nowhere, "nobody");
    let error = within(nobody.ask(&rig.client, Echo(String::new()))).await;
    let Err(CallError::Undeliverable(Cause::LinkFailed(text))) = error else {
        panic!("{error:?}");
    };
    assert!(text.contains("local:7777"), "{text}");
}

#[tokio::test]
async fn an_actor_that_never_existed_is_told_apart_from_one_that_exited() {
    for way in ["ref", "link"] {
        let rig = Rig::new(way);
        let known = rig.oracle.bind();
        let mut id = known.id();
        id.actor += 1000;
        let stranger = ActorRef::<Oracle>::attest(id, known.location().clone(), "stranger");
        let error = within(stranger.ask(&rig.client, Echo(String::new())))
            .await
            .unwrap_err();
        let expected = hypermesh_actor::mailbox::Cause::ActorNotFound;
        assert_eq!(error, CallError::Undeliverable(expected), "by {way}");
    }
}

#[tokio::test]
async fn the_death_of_a_proc_answers_what_is_asked_there() {
    let rig = Rig::new("link");
    let hanging = rig.ask(Hang);
    rig.hanging.notified().await;
    rig.client
        .proc()
        .gateway()
        .proc_died(rig.oracle.id().proc, "killed by signal 9");
    let expected = CallError::ProcDied("killed by signal 9".to_owned());
    assert_eq!(within(hanging).await, Err(expected));
}
