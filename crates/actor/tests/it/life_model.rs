//! Random trees of actors that are spawned, failed and ended, against a small model of what must come of it.
//!
//! The clock is paused and everything settles after each step, so that the model knows the one outcome.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hypermesh_actor::mailbox::ActorId;
use hypermesh_actor::{
    ActorHandle, ChildEvent, Cx, Directive, Error, Exit, FailureCause, Mode, Proc, Result, Status,
    actor,
};
use proptest::prelude::*;

use crate::fixture::{coordinate, pass, proc};

/// One thing that happens to the actor with this number, counted over all that were ever spawned.
#[derive(Clone, Debug)]
enum Step {
    /// It gets a child, which passes the failures of its own children on or not. Actor 0 stands for none.
    Spawn(usize, bool),
    /// Its handler fails.
    Fail(usize),
    /// Its handler panics.
    Panic(usize),
    /// It is asked to end, in several ways at once.
    End(usize, Vec<Mode>),
    /// It is asked to end in this way by its own handler, which then fails.
    EndAndFail(usize, Mode),
    /// Its handler never returns.
    Hang(usize),
    /// It is asked to stop within less time than its children would have.
    StopWithin(usize),
}

/// How the model says that an actor ended.
#[derive(Clone, Debug, PartialEq)]
enum Ended {
    By(Mode),
    Failed,
    /// It was killed as well, too late to hide the failure, in time to keep `cleanup` from running.
    FailedKilled,
    Panicked,
    /// For the failure of the actor with this number.
    Child(usize),
}

struct Modelled {
    parent: Option<usize>,
    passes_on: bool,
    hangs: bool,
    /// It was asked to end, and hangs.
    stopping: bool,
    ended: Option<Ended>,
    /// The children it was told of, in order.
    told: Vec<usize>,
}

/// What must come of the steps.
#[derive(Default)]
struct Model {
    actors: Vec<Modelled>,
    /// The failures that reached nobody.
    unhandled: Vec<usize>,
}

impl Model {
    fn is_alive(&self, actor: usize) -> bool {
        self.actors
            .get(actor)
            .is_some_and(|actor| actor.ended.is_none())
    }

    /// Tells whether the actor lives and does what it is told.
    fn obeys(&self, actor: usize) -> bool {
        self.is_alive(actor) && !self.actors[actor].hangs
    }

    /// Tells whether a living actor below `actor` hangs.
    fn is_held_up(&self, actor: usize) -> bool {
        let mut children = self.living_children(actor).into_iter();
        children.any(|child| self.actors[child].hangs || self.is_held_up(child))
    }

    fn living_children(&self, actor: usize) -> Vec<usize> {
        let is_child =
            |&child: &usize| self.actors[child].parent == Some(actor) && self.is_alive(child);
        (0..self.actors.len()).filter(is_child).collect()
    }

    fn spawn(&mut self, parent: Option<usize>, passes_on: bool) {
        self.actors.push(Modelled {
            parent,
            passes_on,
            hangs: false,
            stopping: false,
            ended: None,
            told: Vec::new(),
        });
    }

    /// Ends `actor` and all below it, and then tells its parent.
    fn end(&mut self, actor: usize, ended: Ended) {
        let of_children = match &ended {
            Ended::By(mode) => *mode,
            _ => Mode::Stop,
        };
        let is_failure = !matches!(ended, Ended::By(_));
        let root = match ended {
            Ended::Child(root) => root,
            _ => actor,
        };
        self.end_below(actor, of_children);
        self.actors[actor].ended = Some(ended);
        match self.actors[actor].parent {
            // It does not come to hear of it.
            Some(parent) if self.actors[parent].hangs => {}
            Some(parent) => {
                self.actors[parent].told.push(actor);
                if is_failure && self.actors[parent].passes_on {
                    self.end(parent, Ended::Child(root));
                }
            }
            None if is_failure => self.unhandled.push(actor),
            None => {}
        }
    }

    /// Stops `actor`, which is killed with all that are left if one of them hangs.
    fn stop_within(&mut self, actor: usize) {
        let hangs = self.actors[actor].hangs;
        let held_up = self.is_held_up(actor);
        if !hangs {
            // What ends in time does so as it is asked to.
            self.end_below(actor, Mode::Stop);
        }
        let mode = if hangs || held_up {
            Mode::Kill
        } else {
            Mode::Stop
        };
        self.end(actor, Ended::By(mode));
    }

    /// Ends all below `actor`. Those that hang, and those that wait for them, are killed in the end.
    fn end_below(&mut self, actor: usize, mode: Mode) {
        for child in self.living_children(actor) {
            let mode_of_child = match self.actors[child].hangs || self.is_held_up(child) {
                true => Mode::Kill,
                false => mode,
            };
            // One that hangs asks its own children only when it is killed.
            let mode_below = match self.actors[child].hangs {
                true => Mode::Kill,
                false => mode,
            };
            self.end_below(child, mode_below);
            self.actors[child].ended = Some(Ended::By(mode_of_child));
        }
    }
}

/// What an actor writes down.
#[derive(Default)]
struct Log {
    told: Vec<ActorId>,
    cleanups: Vec<Exit>,
    drops: usize,
}

struct Node {
    passes_on: bool,
    log: Arc<Mutex<Log>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.log.lock().unwrap().drops += 1;
    }
}

struct NewChild(Node);
struct Fail;
struct Panic;
struct Hang;
struct EndAndFail(Mode);

#[actor]
impl Node {
    #[handler(local)]
    fn new_child(
        &mut self,
        cx: &Cx<'_, Self>,
        NewChild(child): NewChild,
    ) -> Result<ActorHandle<Self>> {
        Ok(cx.spawn(child))
    }

    #[handler(local)]
    async fn fail(&mut self, _cx: &Cx<'_, Self>, _: Fail) -> Result<()> {
        Err(Error::msg("told to fail"))
    }

    #[handler(local)]
    async fn panic(&mut self, _cx: &Cx<'_, Self>, _: Panic) {
        // No hook of the process runs, which would fill the output of the test.
        std::panic::resume_unwind(Box::new("told to panic"));
    }

    #[handler(local)]
    async fn hang(&mut self, _cx: &Cx<'_, Self>, _: Hang) {
        std::future::pending::<()>().await;
    }

    #[handler(local)]
    async fn end_and_fail(
        &mut self,
        cx: &Cx<'_, Self>,
        EndAndFail(mode): EndAndFail,
    ) -> Result<()> {
        match mode {
            Mode::Drain => cx.self_handle().drain(),
            Mode::Stop => cx.stop(),
            Mode::Kill => cx.self_handle().kill(),
        }
        Err(Error::msg("told to fail"))
    }

    #[hook]
    async fn on_child(&mut self, _cx: &Cx<'_, Self>, event: &ChildEvent) -> Result<Directive> {
        self.log.lock().unwrap().told.push(event.actor);
        Ok(if self.passes_on {
            Directive::Escalate
        } else {
            Directive::Handled
        })
    }

    #[hook]
    async fn cleanup(&mut self, cx: &Cx<'_, Self>, exit: &Exit) -> Result<()> {
        assert!(cx.children().is_empty());
        self.log.lock().unwrap().cleanups.push(exit.clone());
        Ok(())
    }
}

/// The real actors, in the order of the model's.
struct Real {
    proc: Proc,
    actors: Vec<(ActorHandle<Node>, Arc<Mutex<Log>>)>,
}

impl Real {
    async fn spawn(&mut self, parent: Option<usize>, passes_on: bool) {
        let log = Arc::new(Mutex::new(Log::default()));
        let node = Node {
            passes_on,
            log: log.clone(),
        };
        let handle = match parent {
            None => self.proc.spawn(node),
            Some(parent) => self.actors[parent].0.ask(NewChild(node)).await.unwrap(),
        };
        self.actors.push((handle, log));
    }

    /// Compares everything that can be seen with what the model says.
    fn check(&self, model: &Model) {
        let mut alive = 1;
        for (number, (modelled, (handle, log))) in model.actors.iter().zip(&self.actors).enumerate()
        {
            let log = log.lock().unwrap();
            let told: Vec<ActorId> = modelled
                .told
                .iter()
                .map(|&child| self.actors[child].0.id())
                .collect();
            assert_eq!(log.told, told, "what actor {number} was told");
            let Some(ended) = &modelled.ended else {
                alive += 1;
                let status = if modelled.stopping {
                    Status::Stopping
                } else {
                    Status::Running
                };
                assert_eq!(handle.status(), status, "actor {number}");
                assert_eq!((log.drops, log.cleanups.len()), (0, 0), "actor {number}");
                continue;
            };
            assert_eq!(handle.status(), Status::Exited, "actor {number}");
            let exit = handle.exit().unwrap();
            match ended {
                Ended::By(Mode::Drain) => assert_eq!(exit, Exit::Drained, "actor {number}"),
                Ended::By(Mode::Stop) => assert_eq!(exit, Exit::Stopped, "actor {number}"),
                Ended::By(Mode::Kill) => assert_eq!(exit, Exit::Killed, "actor {number}"),
                Ended::Failed | Ended::FailedKilled => {
                    self.check_failure(&exit, number, number, FailureCause::Handler);
                }
                Ended::Panicked => {
                    let phase = hypermesh_actor::Phase::Handler;
                    self.check_failure(&exit, number, number, FailureCause::Panic { phase });
                }
                Ended::Child(root) => self.check_failure(&exit, number, *root, FailureCause::Child),
            }
            let cleans_up = !matches!(
                ended,
                Ended::By(Mode::Kill) | Ended::Panicked | Ended::FailedKilled
            );
            assert_eq!(
                log.cleanups.len(),
                usize::from(cleans_up),
                "cleanups of actor {number}"
            );
            assert!(
                log.cleanups.iter().all(|seen| *seen == exit),
                "actor {number}"
            );
            assert_eq!(log.drops, 1, "actor {number}");
        }
        assert_eq!(
            self.proc.actor_count(),
            alive,
            "the agent and those that live"
        );
    }

    fn check_failure(&self, exit: &Exit, number: usize, root: usize, cause: FailureCause) {
        let failure = exit
            .failure()
            .unwrap_or_else(|| panic!("actor {number} ended {exit}"));
        assert_eq!(failure.cause, cause, "actor {number}");
        assert_eq!(
            failure.root_cause().actor,
            self.actors[root].0.id(),
            "actor {number}"
        );
    }
}

async fn run(steps: Vec<Step>) {
    let proc = proc();
    let mut coordinator = coordinate(&proc);
    let (mut model, mut real) = (
        Model::default(),
        Real {
            proc,
            actors: Vec::new(),
        },
    );
    for step in steps {
        apply(step, &mut model, &mut real).await;
        // Longer than any deadline in here.
        pass(Duration::from_secs(60)).await;
        real.check(&model);
    }
    for root in &model.unhandled {
        let event = coordinator.try_recv().unwrap();
        assert_eq!(event.actor, real.actors[*root].0.id());
    }
    assert!(
        coordinator.try_recv().is_err(),
        "nothing else reached the coordinator"
    );
}

async fn apply(step: Step, model: &mut Model, real: &mut Real) {
    match step {
        Step::Spawn(number, passes_on) => {
            let parent = number.checked_sub(1).filter(|&parent| model.obeys(parent));
            real.spawn(parent, passes_on).await;
            model.spawn(parent, passes_on);
        }
        Step::Fail(actor) if model.obeys(actor) => {
            real.actors[actor].0.tell(Fail).unwrap();
            model.end(actor, Ended::Failed);
        }
        Step::Panic(actor) if model.obeys(actor) => {
            real.actors[actor].0.tell(Panic).unwrap();
            model.end(actor, Ended::Panicked);
        }
        Step::EndAndFail(actor, mode) if model.obeys(actor) => {
            real.actors[actor].0.tell(EndAndFail(mode)).unwrap();
            let ended = match mode {
                // It acts at the next await, and there is none before the failure.
                Mode::Kill => Ended::FailedKilled,
                Mode::Drain | Mode::Stop => Ended::Failed,
            };
            model.end(actor, ended);
        }
        Step::Hang(actor) if model.obeys(actor) => {
            real.actors[actor].0.tell(Hang).unwrap();
            model.actors[actor].hangs = true;
        }
        Step::Fail(actor) | Step::Panic(actor) | Step::Hang(actor) | Step::EndAndFail(actor, _) => {
            let Some((handle, _)) = real.actors.get(actor) else {
                return;
            };
            // One that hangs takes it and never comes to it.
            let takes = model.is_alive(actor) && !model.actors[actor].stopping;
            assert_eq!(handle.tell(Fail).is_ok(), takes, "actor {actor}");
        }
        Step::End(actor, modes) => {
            let Some((handle, _)) = real.actors.get(actor) else {
                return;
            };
            for mode in &modes {
                match mode {
                    Mode::Drain => handle.drain(),
                    Mode::Stop => handle.stop(),
                    Mode::Kill => handle.kill(),
                }
            }
            match modes.iter().max() {
                Some(mode) if model.obeys(actor) => model.end(actor, Ended::By(*mode)),
                Some(Mode::Kill) if model.is_alive(actor) => {
                    model.end(actor, Ended::By(Mode::Kill));
                }
                Some(_) if model.is_alive(actor) => model.actors[actor].stopping = true,
                _ => {}
            }
        }
        Step::StopWithin(actor) => {
            if let Some((handle, _)) = real.actors.get(actor) {
                handle.stop_within(Duration::from_secs(3));
            }
            if model.is_alive(actor) {
                model.stop_within(actor);
            }
        }
    }
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Drain), Just(Mode::Stop), Just(Mode::Kill)]
}

fn step() -> impl Strategy<Value = Step> {
    let actor = 0..24_usize;
    prop_oneof![
        6 => (actor.clone(), any::<bool>()).prop_map(|(actor, passes_on)| Step::Spawn(actor, passes_on)),
        1 => actor.clone().prop_map(Step::Fail),
        1 => actor.clone().prop_map(Step::Panic),
        2 => (actor.clone(), prop::collection::vec(mode(), 1..4))
            .prop_map(|(actor, modes)| Step::End(actor, modes)),
        1 => actor.clone().prop_map(Step::Hang),
        1 => actor.clone().prop_map(Step::StopWithin),
        1 => (actor, mode()).prop_map(|(actor, mode)| Step::EndAndFail(actor, mode)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_tree_of_actors_lives_as_the_model_says(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(steps));
    }
}
