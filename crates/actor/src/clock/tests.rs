//! Scripts of times, and what fires.

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A clock whose time is told by the test, and what it fired.
struct Rig {
    clock: Clock<&'static str>,
    begin: Instant,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        let begin = Instant::now();
        Self {
            clock: Clock::new(),
            begin,
            now: begin,
        }
    }

    fn once(&mut self, after: u32, name: &'static str) -> u64 {
        self.clock.add_once(self.now, MS * after, name).unwrap()
    }

    fn every(&mut self, period: u32, name: &'static str) -> u64 {
        self.clock
            .add_every(self.now, MS * period, Box::new(move || name))
            .unwrap()
    }

    fn idle(&mut self, after: u32, name: &'static str) -> u64 {
        let (number, _) = self.clock.set_idle(MS * after, Box::new(move || name));
        number.unwrap()
    }

    /// Goes to `at` milliseconds and returns what fires then.
    fn at(&mut self, at: u32) -> Vec<&'static str> {
        self.now = self.begin + MS * at;
        let mut fired = Vec::new();
        if !self.clock.due(self.now).timers {
            return fired;
        }
        let end = self.clock.next_timer();
        while let Some(next) = self.clock.fire(self.now, end) {
            fired.push(match next {
                Fired::Once(name) => name,
                Fired::Again(number, make) => {
                    let name = make();
                    assert!(self.clock.put_back(number, make).is_none());
                    name
                }
            });
        }
        fired
    }

    fn next(&self) -> Option<u128> {
        let next = self.clock.next()?;
        Some((next - self.begin).as_millis())
    }
}

#[test]
fn inv1_timers_fire_by_time_and_then_by_age() {
    let mut rig = Rig::new();
    for (after, name) in [(20, "c"), (10, "a"), (20, "d"), (10, "b"), (0, "now")] {
        rig.once(after, name);
    }
    assert_eq!(rig.next(), Some(0));
    assert_eq!(rig.at(0), ["now"]);
    assert_eq!(rig.next(), Some(10));
    assert_eq!(rig.at(25), ["a", "b", "c", "d"]);
    assert_eq!(rig.next(), None);
}

#[test]
fn inv1_a_timer_that_is_made_while_others_fire_waits_for_the_next_look() {
    let mut rig = Rig::new();
    rig.once(5, "a");
    rig.now += MS * 5;
    assert!(rig.clock.due(rig.now).timers);
    let end = rig.clock.next_timer();
    assert!(matches!(
        rig.clock.fire(rig.now, end),
        Some(Fired::Once("a"))
    ));
    rig.once(0, "b");
    assert!(rig.clock.fire(rig.now, end).is_none());
    assert_eq!(rig.at(5), ["b"]);
}

#[test]
fn inv2_a_cancelled_timer_does_not_fire() {
    let mut rig = Rig::new();
    let (a, b, c) = (rig.once(10, "a"), rig.every(10, "b"), rig.idle(10, "c"));
    rig.clock.waits(rig.now);
    for number in [a, b, c] {
        assert!(rig.clock.has(number));
        assert!(rig.clock.cancel(number).is_some());
        assert!(!rig.clock.has(number));
        assert!(rig.clock.cancel(number).is_none());
    }
    assert_eq!(rig.next(), None);
    assert_eq!(rig.at(100), [""; 0]);
    let late = rig.once(0, "late");
    assert_eq!(rig.at(100), ["late"]);
    assert!(rig.clock.cancel(late).is_none(), "it has fired");
}

#[test]
fn inv2_an_interval_that_is_cancelled_while_its_message_is_made_is_gone() {
    let mut rig = Rig::new();
    let number = rig.every(10, "a");
    rig.now += MS * 10;
    rig.clock.due(rig.now);
    let Some(Fired::Again(_, make)) = rig.clock.fire(rig.now, 1) else {
        panic!("it is due");
    };
    assert!(rig.clock.cancel(number).is_some());
    assert!(rig.clock.put_back(number, make).is_some());
    assert_eq!(rig.next(), None);
}

#[test]
fn inv3_an_interval_fires_once_for_all_that_was_missed_and_keeps_its_beat() {
    let mut rig = Rig::new();
    rig.every(10, "tick");
    assert_eq!(rig.at(9), [""; 0]);
    assert_eq!(rig.at(10), ["tick"]);
    assert_eq!(rig.next(), Some(20));
    assert_eq!(rig.at(57), ["tick"]);
    assert_eq!(rig.next(), Some(60));
    assert_eq!(rig.at(60), ["tick"]);
}

#[test]
fn inv3_a_period_of_nothing_is_the_shortest_one() {
    let mut rig = Rig::new();
    rig.every(0, "tick");
    assert_eq!(rig.next(), Some(1));
    assert_eq!(rig.at(1), ["tick"]);
    assert_eq!(rig.next(), Some(2));
}

#[test]
fn inv4_nothing_fires_after_the_close() {
    let mut rig = Rig::new();
    rig.once(1, "a");
    rig.every(1, "b");
    rig.idle(1, "c");
    rig.clock.waits(rig.now);
    let end = rig.begin + MS * 50;
    rig.clock.kill_at(end);
    drop(rig.clock.close());
    assert_eq!(rig.at(10), [""; 0]);
    assert_eq!(rig.clock.add_once(rig.now, MS, "late"), Err("late"));
    assert_eq!(rig.clock.add_every(rig.now, MS, Box::new(|| "late")), None);
    assert_eq!(rig.clock.set_idle(MS, Box::new(|| "late")).0, None);
    assert_eq!(rig.next(), Some(50), "the end of its time stays");
    assert!(rig.clock.due(end).kill);
    assert!(!rig.clock.due(end).kill, "once");
}

#[test]
fn inv5_the_idle_timeout_fires_once_for_each_pause() {
    let mut rig = Rig::new();
    rig.idle(10, "idle");
    assert_eq!(rig.next(), None, "a busy actor is not idle");
    rig.clock.waits(rig.now);
    assert_eq!(rig.next(), Some(10));
    assert_eq!(rig.at(9), [""; 0]);
    rig.clock.works();
    assert_eq!(rig.at(11), [""; 0]);
    rig.clock.waits(rig.now);
    rig.clock.waits(rig.now + MS * 5);
    assert_eq!(rig.next(), Some(21), "it has waited since then");
    assert_eq!(rig.at(21), ["idle"]);
    rig.clock.waits(rig.now);
    assert_eq!(rig.next(), None, "not again in the same pause");
    rig.clock.works();
    rig.clock.waits(rig.now);
    assert_eq!(rig.at(31), ["idle"]);
}

#[test]
fn the_earliest_end_counts() {
    let mut rig = Rig::new();
    for at in [30, 20, 40] {
        rig.clock.kill_at(rig.begin + MS * at);
    }
    assert_eq!(rig.next(), Some(20));
    rig.clock.leave_at(rig.begin + MS * 10);
    assert_eq!(rig.next(), Some(10));
    let due = rig.clock.due(rig.begin + MS * 10);
    assert_eq!((due.leave, due.kill, due.timers), (true, false, false));
    assert_eq!(rig.clock.kill_time(), Some(rig.begin + MS * 20));
}

#[test]
fn no_time_is_too_far_away() {
    let mut rig = Rig::new();
    rig.clock.add_once(rig.now, Duration::MAX, "never").unwrap();
    rig.clock
        .add_every(rig.now, Duration::MAX, Box::new(|| "never"))
        .unwrap();
    assert_eq!(rig.at(1_000_000), [""; 0]);
}

/// One thing that happens to a clock.
#[derive(Clone, Debug)]
enum Step {
    Once(u32),
    Every(u32),
    Cancel(usize),
    Pass(u32),
}

/// A timer as a list without any order knows it: when it fires next, and its period.
type Listed = Vec<Option<(u32, Option<u32>)>>;

/// Returns the numbers of the timers of `list` that fire at `now`, in their order.
fn expected(list: &mut Listed, now: u32) -> Vec<u64> {
    let mut due: Vec<(u32, u64)> = Vec::new();
    for (number, timer) in list.iter_mut().enumerate() {
        let Some((at, period)) = *timer else { continue };
        if now < at {
            continue;
        }
        due.push((at, number as u64));
        *timer = period.map(|period| (at + period * ((now - at) / period + 1), Some(period)));
    }
    due.sort_unstable();
    due.into_iter().map(|(_, number)| number).collect()
}

fn check_steps(steps: Vec<Step>) {
    let begin = Instant::now();
    let (mut clock, mut list) = (Clock::<u64>::new(), Listed::new());
    let mut now = 0;
    for step in steps {
        let (at, number) = (begin + MS * now, list.len() as u64);
        match step {
            Step::Once(after) => {
                assert_eq!(clock.add_once(at, MS * after, number), Ok(number));
                list.push(Some((now + after, None)));
            }
            Step::Every(period) => {
                let made = clock.add_every(at, MS * period, Box::new(move || number));
                assert_eq!(made, Some(number));
                list.push(Some((now + period, Some(period))));
            }
            Step::Cancel(idx) => {
                let listed = list.get_mut(idx).and_then(Option::take);
                assert_eq!(clock.cancel(idx as u64).is_some(), listed.is_some());
            }
            Step::Pass(ms) => {
                now += ms;
                let at = begin + MS * now;
                let mut fired = Vec::new();
                clock.due(at);
                while let Some(next) = clock.fire(at, clock.next_timer()) {
                    fired.push(match next {
                        Fired::Once(number) => number,
                        Fired::Again(number, make) => {
                            assert_eq!(make(), number);
                            assert!(clock.put_back(number, make).is_none());
                            number
                        }
                    });
                }
                assert_eq!(fired, expected(&mut list, now));
                let next = list.iter().flatten().map(|(at, _)| begin + MS * *at).min();
                assert_eq!(clock.next(), next);
            }
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..30_u32).prop_map(Step::Once),
        (1..30_u32).prop_map(Step::Every),
        (0..20_usize).prop_map(Step::Cancel),
        (0..40_u32).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn a_clock_does_what_a_list_of_times_does(steps in prop::collection::vec(step(), 1..60)) {
        check_steps(steps);
    }
}
