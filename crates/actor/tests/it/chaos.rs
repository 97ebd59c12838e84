//! Ten thousand actors that many tasks send to and end at once: nothing is lost, nothing is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hypermesh_actor::{ActorHandle, ChildEvent, Cx, Directive, Error, Exit, Result, Status, actor};
use hypermesh_testkit::Seed;

use crate::fixture::{proc, within};

const ACTORS: usize = 10_000;
const ROOTS: usize = 100;
const TASKS: u64 = 8;
const STEPS: u64 = 4_000;

/// What became of all that was sent and spawned.
#[derive(Default)]
struct Tally {
    sent: AtomicU64,
    handled: AtomicU64,
    given_up: AtomicU64,
    values_made: AtomicU64,
    values_dropped: AtomicU64,
    events: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A message that is counted, whatever becomes of it.
struct Parcel {
    tally: Arc<Tally>,
    is_handled: bool,
}

impl Parcel {
    fn new(tally: &Arc<Tally>) -> Self {
        count(&tally.sent);
        Self {
            tally: tally.clone(),
            is_handled: false,
        }
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        count(match self.is_handled {
            true => &self.tally.handled,
            false => &self.tally.given_up,
        });
    }
}

struct Member(Arc<Tally>);

impl Member {
    fn new(tally: &Arc<Tally>) -> Self {
        count(&tally.values_made);
        Self(tally.clone())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        count(&self.0.values_dropped);
    }
}

struct Adopt(usize);
struct Fail;
struct Wait;

#[actor]
impl Member {
    #[handler(local)]
    async fn parcel(&mut self, _cx: &Cx<'_, Self>, mut parcel: Parcel) -> Result<u64> {
        if self.0.handled.load(Ordering::Relaxed).is_multiple_of(7) {
            tokio::task::yield_now().await;
        }
        parcel.is_handled = true;
        Ok(1)
    }

    #[handler(local)]
    fn adopt(
        &mut self,
        cx: &Cx<'_, Self>,
        Adopt(children): Adopt,
    ) -> Result<Vec<ActorHandle<Self>>> {
        Ok((0..children)
            .map(|_| cx.spawn(Member::new(&self.0)))
            .collect())
    }

    #[handler(local)]
    fn fail(&mut self, _cx: &Cx<'_, Self>, _: Fail) -> Result<()> {
        Err(Error::msg("told to fail"))
    }

    #[handler(local)]
    async fn wait(&mut self, _cx: &Cx<'_, Self>, _: Wait) {
        std::future::pending::<()>().await;
    }

    #[hook]
    fn on_child(&mut self, _cx: &Cx<'_, Self>, event: &ChildEvent) -> Result<Directive> {
        count(&self.0.events);
        // One failure in two goes on.
        Ok(match event.actor.actor % 2 {
            0 => Directive::Escalate,
            _ => Directive::Handled,
        })
    }
}

/// Sends to and ends actors at random. Returns how many asks were answered by a value.
async fn rage(actors: Arc<Vec<ActorHandle<Member>>>, tally: Arc<Tally>, seed: u64) -> u64 {
    let mut rng = Seed::new(seed).rng();
    let mut answered = 0;
    for _ in 0..STEPS {
        let actor = &actors[rng.below(actors.len() as u64) as usize];
        match rng.below(100) {
            0 => actor.stop(),
            1 => actor.drain(),
            2 => actor.kill(),
            3 => _ = actor.tell(Fail),
            4 => _ = actor.tell(Wait),
            5 => actor.stop_within(Duration::from_millis(rng.below(20))),
            6..30 => {
                let answer = actor.ask(Parcel::new(&tally));
                let answer = answer.timeout(Duration::from_millis(20)).await;
                answered += u64::from(answer.is_ok());
            }
            _ => _ = actor.tell(Parcel::new(&tally)),
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_actors_in_chaos_lose_nothing_and_leave_nothing() {
    let proc = proc();
    let tally = Arc::new(Tally::default());
    let mut actors = Vec::new();
    for _ in 0..ROOTS {
        let root = proc.spawn(Member::new(&tally));
        let children = within(root.ask(Adopt(9))).await.unwrap();
        for child in &children {
            actors.extend(within(child.ask(Adopt(10))).await.unwrap());
        }
        actors.extend(children);
        actors.push(root);
    }
    assert_eq!(actors.len(), ACTORS);
    let (actors, seed) = (Arc::new(actors), Seed::from_env());
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        tasks.spawn(rage(actors.clone(), tally.clone(), seed.value() + task));
    }
    let answered: u64 = tasks.join_all().await.into_iter().sum();
    let report = proc.shutdown(Duration::from_secs(1)).await;
    assert_eq!(report.zombies, [], "nobody holds a thread, {seed:?}");

    let [mut clean, mut failed] = [0_u64; 2];
    for actor in actors.iter() {
        assert_eq!(actor.status(), Status::Exited, "{seed:?}");
        match actor.exit() {
            Some(Exit::Failed(_)) => failed += 1,
            _ => clean += 1,
        }
    }
    assert_eq!(clean + failed, ACTORS as u64);
    assert!(0 < failed && 0 < answered, "{seed:?}");
    assert_eq!(proc.actor_count(), 0, "{seed:?}");
    drop(actors);
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!(
        get(&tally.values_dropped),
        get(&tally.values_made),
        "{seed:?}"
    );
    assert_eq!(
        get(&tally.handled) + get(&tally.given_up),
        get(&tally.sent),
        "{seed:?}"
    );
    assert!(answered <= get(&tally.handled), "{seed:?}");
    assert!(
        get(&tally.events) < ACTORS as u64,
        "at most one event for each child, {seed:?}"
    );
}
