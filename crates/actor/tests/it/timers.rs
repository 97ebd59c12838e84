//! Timers, intervals and idle timeouts, under a paused clock.

use std::time::Duration;

use hypermesh_actor::{
    ActorHandle, Cx, Departure, Exit, FailureCause, Message, Mode, Phase, Proc, Result, Timer,
    actor,
};
use tokio::time::{Instant, advance};

use crate::fixture::{Trace, pass, proc, within};

const MS: Duration = Duration::from_millis(1);

/// A message with a name. Cloning the one called "bad" panics.
#[derive(Message, Debug)]
struct Ring(String);

impl Clone for Ring {
    fn clone(&self) -> Self {
        assert_ne!(self.0, "bad", "a message that cannot be copied");
        Self(self.0.clone())
    }
}

#[derive(Message)]
struct Pending;

/// How a timer is asked for.
#[derive(Clone, Copy)]
enum Kind {
    After,
    Every,
    Idle,
}

struct Set(Kind, u64, &'static str);
struct Busy(u64);
struct SetAndStop(Mode);

/// Writes down what rings, and when.
struct Clock {
    trace: Trace,
    begin: Instant,
    timers: Vec<Timer>,
}

impl Clock {
    fn set(&mut self, cx: &Cx<'_, Self>, kind: Kind, ms: u64, name: &str) -> Timer {
        let (time, ring) = (MS * ms as u32, Ring(name.to_owned()));
        let timer = match kind {
            Kind::After => cx.post_after(time, ring),
            Kind::Every => cx.every(time, ring),
            Kind::Idle => cx.when_idle(time, ring),
        };
        self.timers.push(timer.clone());
        timer
    }
}

#[actor]
impl Clock {
    #[handler]
    fn ring(&mut self, cx: &Cx<'_, Self>, Ring(name): Ring) {
        let at = self.begin.elapsed().as_millis();
        self.trace.push(format!("{at} {name}"));
        match name.as_str() {
            "again" => _ = cx.post_after(Duration::ZERO, Ring("after".to_owned())),
            "stop" => cx.stop(),
            _ => {}
        }
    }

    #[handler(local)]
    fn set_timer(&mut self, cx: &Cx<'_, Self>, Set(kind, ms, name): Set) -> Result<Timer> {
        Ok(self.set(cx, kind, ms, name))
    }

    #[handler(local)]
    async fn busy(&mut self, _cx: &Cx<'_, Self>, Busy(ms): Busy) {
        pass(MS * ms as u32).await;
    }

    #[handler(local)]
    fn set_and_stop(&mut self, cx: &Cx<'_, Self>, SetAndStop(mode): SetAndStop) {
        self.set(cx, Kind::After, 0, "once");
        self.set(cx, Kind::Every, 1, "every");
        match mode {
            Mode::Drain => cx.self_handle().drain(),
            _ => cx.stop(),
        }
    }

    #[handler]
    fn pending(&mut self, _cx: &Cx<'_, Self>, _: Pending) -> Result<u64> {
        Ok(self
            .timers
            .iter()
            .filter(|timer| timer.is_pending())
            .count() as u64)
    }

    #[hook]
    async fn cleanup(&mut self, cx: &Cx<'_, Self>, _: &Exit) -> Result<()> {
        let late = self.set(cx, Kind::After, 0, "late");
        assert!(
            !late.is_pending(),
            "a timer that is made at the end never fires"
        );
        assert_eq!(
            self.timers
                .iter()
                .filter(|timer| timer.is_pending())
                .count(),
            0
        );
        pass(MS * 100).await;
        Ok(())
    }
}

struct Rig {
    /// Dropping it would end the actor.
    _proc: Proc,
    clock: ActorHandle<Clock>,
    trace: Trace,
}

impl Rig {
    fn new() -> Self {
        let (proc, trace) = (proc(), Trace::default());
        let clock = proc.spawn(Clock {
            trace: trace.clone(),
            begin: Instant::now(),
            timers: Vec::new(),
        });
        Self {
            _proc: proc,
            clock,
            trace,
        }
    }

    async fn set(&self, kind: Kind, ms: u64, name: &'static str) -> Timer {
        within(self.clock.ask(Set(kind, ms, name))).await.unwrap()
    }

    /// Lets time pass and returns what rang.
    async fn pass(&self, ms: u64) -> Vec<String> {
        pass(MS * ms as u32).await;
        self.trace.take()
    }
}

#[tokio::test(start_paused = true)]
async fn timers_fire_in_the_order_of_their_times_and_then_of_their_making() {
    let rig = Rig::new();
    for (ms, name) in [(20, "c"), (10, "a"), (20, "d"), (10, "b"), (5, "again")] {
        rig.set(Kind::After, ms, name).await;
    }
    let rang = rig.pass(50).await;
    assert_eq!(rang, ["5 again", "5 after", "10 a", "10 b", "20 c", "20 d"]);
    assert_eq!(within(rig.clock.ask(Pending)).await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn an_interval_keeps_its_beat_and_makes_up_for_nothing() {
    let rig = Rig::new();
    let timer = rig.set(Kind::Every, 10, "tick").await;
    assert_eq!(rig.pass(35).await, ["10 tick", "20 tick", "30 tick"]);
    within(rig.clock.ask(Busy(40))).await.unwrap();
    assert_eq!(rig.pass(16).await, ["75 tick", "80 tick", "90 tick"]);
    assert!(timer.cancel());
    assert_eq!(rig.pass(100).await, [""; 0]);
    assert!(!timer.cancel(), "once");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_timer_does_not_fire_even_when_it_is_due() {
    let rig = Rig::new();
    let timer = rig.set(Kind::After, 10, "a").await;
    let other = rig.set(Kind::After, 10, "b").await;
    rig.clock.tell(Busy(20)).unwrap();
    assert_eq!(rig.pass(15).await, [""; 0], "the handler runs on");
    assert!(timer.cancel());
    assert_eq!(rig.pass(10).await, ["20 b"]);
    assert!(!other.cancel(), "it has fired");
}

#[tokio::test(start_paused = true)]
async fn timers_fire_before_what_is_queued_and_do_not_starve_it() {
    let rig = Rig::new();
    rig.set(Kind::Every, 1, "tick").await;
    rig.clock.tell(Busy(5)).unwrap();
    for n in 0..3 {
        rig.clock.tell(Ring(n.to_string())).unwrap();
        rig.clock.tell(Busy(5)).unwrap();
    }
    let rang = rig.pass(13).await;
    assert_eq!(rang, ["5 tick", "5 0", "10 tick", "10 1"]);
}

#[tokio::test(start_paused = true)]
async fn no_timer_fires_once_the_actor_is_ending() {
    for mode in [Mode::Stop, Mode::Drain] {
        let rig = Rig::new();
        rig.set(Kind::Every, 1, "early").await;
        rig.set(Kind::Idle, 1, "idle").await;
        rig.clock.tell(SetAndStop(mode)).unwrap();
        rig.clock.tell(Busy(50)).unwrap();
        let exit = within(rig.clock.wait()).await;
        assert_eq!(
            exit.to_string(),
            if mode == Mode::Stop {
                "stopped"
            } else {
                "drained"
            }
        );
        assert_eq!(rig.pass(100).await, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_stops_its_actor_is_the_last_to_fire() {
    let rig = Rig::new();
    rig.set(Kind::After, 10, "stop").await;
    rig.set(Kind::After, 10, "after").await;
    assert_eq!(within(rig.clock.wait()).await, Exit::Stopped);
    assert_eq!(rig.pass(50).await, ["10 stop"]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_actor_is_told_once_for_each_pause() {
    let rig = Rig::new();
    let timer = rig.set(Kind::Idle, 10, "idle").await;
    assert_eq!(rig.pass(35).await, ["10 idle"]);
    within(rig.clock.ask(Busy(20))).await.unwrap();
    assert_eq!(
        rig.pass(15).await,
        ["65 idle"],
        "it counts from the end of the handler"
    );
    rig.clock.tell(Ring("x".to_owned())).unwrap();
    assert_eq!(rig.pass(9).await, ["70 x"]);
    rig.clock.tell(Ring("y".to_owned())).unwrap();
    assert_eq!(rig.pass(9).await, ["79 y"], "the pause was too short");
    rig.set(Kind::Idle, 20, "slow").await;
    assert!(!timer.is_pending(), "there is one idle timeout");
    assert_eq!(rig.pass(21).await, ["108 slow"]);
}

#[tokio::test(start_paused = true)]
async fn an_interval_does_not_keep_an_actor_from_being_idle() {
    let rig = Rig::new();
    rig.set(Kind::Every, 4, "tick").await;
    rig.set(Kind::Idle, 10, "idle").await;
    assert_eq!(
        rig.pass(13).await,
        ["4 tick", "8 tick", "10 idle", "12 tick"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_that_panics_when_it_is_copied_ends_the_actor() {
    let rig = Rig::new();
    rig.set(Kind::Every, 10, "bad").await;
    let exit = within(rig.clock.wait()).await;
    let failure = exit.failure().unwrap();
    let phase = Phase::Handler;
    assert_eq!(failure.cause, FailureCause::Panic { phase });
    assert!(failure.message.contains("cannot be copied"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn many_timers_of_one_time_let_others_run_and_end_by_a_stop() {
    let rig = Rig::new();
    for _ in 0..500 {
        rig.clock.tell(Set(Kind::After, 10, "x")).unwrap();
    }
    assert_eq!(within(rig.clock.ask(Pending)).await, Ok(500));
    advance(MS * 11).await;
    rig.clock.stop();
    assert_eq!(within(rig.clock.wait()).await, Exit::Stopped);
    assert_eq!(rig.trace.take(), [""; 0], "the stop came first");
}

/// Puts its end off, with a timer running.
struct Holdout(Trace);

#[actor]
impl Holdout {
    #[hook]
    fn init(&mut self, cx: &Cx<'_, Self>) -> Result<()> {
        cx.every(MS * 10, Ring("tick".to_owned()));
        Ok(())
    }

    #[hook]
    fn on_stop(&mut self, _cx: &Cx<'_, Self>, _mode: Mode) -> Result<Departure> {
        Ok(Departure::Later)
    }

    #[handler]
    fn ring(&mut self, _cx: &Cx<'_, Self>, Ring(name): Ring) {
        self.0.push(name);
    }
}

#[tokio::test(start_paused = true)]
async fn no_timer_fires_while_an_end_is_put_off() {
    let (proc, trace) = (proc(), Trace::default());
    let holdout = proc.spawn(Holdout(trace.clone()));
    pass(MS * 25).await;
    assert_eq!(trace.take(), ["tick", "tick"]);
    holdout.stop();
    assert_eq!(within(holdout.wait()).await, Exit::Stopped);
    assert_eq!(trace.take(), [""; 0]);
}
