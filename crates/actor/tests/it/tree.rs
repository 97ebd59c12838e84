//! Random trees of actors with random ends, against a small model of what follows from each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hypermesh_actor::mailbox::{ActorId, PortReceiver};
use hypermesh_actor::{
    ActorHandle, Backoff, ChildEvent, Cx, Directive, Error, Exit, FailureCause, Phase, Proc,
    RestartPolicy, Result, actor,
};
use hypermesh_testkit::{Rng, Seed};

use crate::fixture::proc;

/// What a node does about a child that failed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Policy {
    Handle,
    Escalate,
    Restart,
    Fail,
    Panic,
}

/// How a node is to end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Fail,
    Stop,
    Kill,
    Drain,
}

/// A node and its subtree. A factory makes it if `restarts` says how often it may be made anew.
#[derive(Clone, Debug)]
struct Spec {
    idx: usize,
    policy: Policy,
    restarts: Option<u32>,
    children: Vec<Spec>,
}

impl Spec {
    fn random(rng: &mut Rng, depth: u32, next: &mut usize) -> Self {
        use Policy::{Escalate, Fail, Handle, Panic, Restart};
        let idx = *next;
        *next += 1;
        let policies = [
            Handle, Handle, Escalate, Escalate, Restart, Restart, Fail, Panic,
        ];
        let policy = policies[rng.below(policies.len() as u64) as usize];
        let restarts = (rng.below(2) == 0).then(|| rng.below(3) as u32);
        let n_children = if depth == 0 { 0 } else { rng.below(4) };
        let child = |_| Self::random(rng, depth - 1, next);
        let children = (0..n_children).map(child).collect();
        Self {
            idx,
            policy,
            restarts,
            children,
        }
    }
}

/// What the actors of a tree have written down.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<Pages>>);

#[derive(Default)]
struct Pages {
    /// The last incarnation of each node.
    nodes: BTreeMap<usize, ActorHandle<Node>>,
    /// Every incarnation there was, with its parent.
    all: Vec<(ActorHandle<Node>, Option<ActorId>)>,
    /// Who heard of whose end.
    heard: Vec<(usize, String, ActorId, Exit)>,
}

struct Node {
    spec: Spec,
    parent: Option<ActorId>,
    book: Book,
}

struct Do(Action);

#[actor]
impl Node {
    #[hook]
    fn init(&mut self, cx: &Cx<'_, Self>) -> Result<()> {
        let me = Some(cx.id());
        let mut pages = self.book.0.lock().unwrap();
        pages.nodes.insert(self.spec.idx, cx.self_handle());
        pages.all.push((cx.self_handle(), self.parent));
        drop(pages);
        for spec in self.spec.children.clone() {
            let book = self.book.clone();
            let name = format!("n{}", spec.idx);
            let restarts = spec.restarts;
            let make = move || Node {
                spec: spec.clone(),
                parent: me,
                book: book.clone(),
            };
            match restarts {
                None => _ = cx.spawn_named(&name, make())?,
                Some(max) => {
                    let policy = RestartPolicy {
                        max,
                        within: Duration::from_secs(1_000_000),
                        backoff: Backoff::NONE,
                    };
                    let group = cx.restart_group(hypermesh_actor::Strategy::OneForOne, policy);
                    _ = group.spawn_named(&name, make)?;
                }
            }
        }
        Ok(())
    }

    #[handler(local)]
    fn act(&mut self, cx: &Cx<'_, Self>, Do(action): Do) -> Result<()> {
        match action {
            Action::Fail => return Err(Error::msg("told to")),
            Action::Stop => cx.self_handle().stop(),
            Action::Kill => cx.self_handle().kill(),
            Action::Drain => cx.self_handle().drain(),
        }
        Ok(())
    }

    #[hook]
    fn on_child(&mut self, _cx: &Cx<'_, Self>, event: &ChildEvent) -> Result<Directive> {
        let heard = (
            self.spec.idx,
            event.label.clone(),
            event.actor,
            event.exit.clone(),
        );
        self.book.0.lock().unwrap().heard.push(heard);
        if !event.is_failure() {
            return Ok(Directive::Handled);
        }
        match self.spec.policy {
            Policy::Handle => Ok(Directive::Handled),
            Policy::Escalate => Ok(Directive::Escalate),
            Policy::Restart => Ok(Directive::Restart),
            Policy::Fail => Err(Error::msg("cannot cope")),
            Policy::Panic => panic!("cannot cope at all"),
        }
    }
}

/// A short form of an exit: what kind, and which node is the root cause.
fn short(exit: &Exit) -> String {
    match exit {
        Exit::Failed(failure) => {
            let cause = match failure.cause {
                FailureCause::Handler => "handler",
                FailureCause::Child => "child",
                FailureCause::Panic {
                    phase: Phase::OnChild,
                } => "panic",
                other => panic!("{other:?}"),
            };
            format!("{cause} by {}", failure.root_cause().label)
        }
        other => other.to_string(),
    }
}

/// What ought to follow.
struct Model {
    specs: BTreeMap<usize, (Spec, Option<usize>)>,
    /// The nodes that live, with the number of restarts that they have had.
    alive: BTreeMap<usize, u32>,
    exits: BTreeMap<usize, String>,
    heard: Vec<(Option<usize>, String, String)>,
}

impl Model {
    fn new(root: &Spec) -> Self {
        let mut model = Self {
            specs: BTreeMap::new(),
            alive: BTreeMap::new(),
            exits: BTreeMap::new(),
            heard: Vec::new(),
        };
        model.note(root, None);
        model.begin(root);
        model
    }

    fn note(&mut self, spec: &Spec, parent: Option<usize>) {
        self.specs.insert(spec.idx, (spec.clone(), parent));
        for child in &spec.children {
            self.note(child, Some(spec.idx));
        }
    }

    /// A subtree begins, with no restarts used up.
    fn begin(&mut self, spec: &Spec) {
        self.alive.insert(spec.idx, 0);
        self.exits.remove(&spec.idx);
        spec.children.iter().for_each(|child| self.begin(child));
    }

    /// A subtree ends, below a node that ended.
    fn end_below(&mut self, idx: usize, exit: &str) {
        for child in self.specs[&idx].0.children.clone() {
            if self.alive.remove(&child.idx).is_some() {
                self.exits.insert(child.idx, exit.to_owned());
            }
            self.end_below(child.idx, exit);
        }
    }

    fn act(&mut self, idx: usize, action: Action) {
        match action {
            Action::Fail => self.end(idx, &format!("handler by {}", name(idx)), "stopped"),
            Action::Stop => self.end(idx, "stopped", "stopped"),
            Action::Kill => self.end(idx, "killed", "killed"),
            Action::Drain => self.end(idx, "drained", "drained"),
        }
    }

    fn end(&mut self, idx: usize, exit: &str, below: &str) {
        let n_restarts = self.alive.remove(&idx).unwrap();
        self.exits.insert(idx, exit.to_owned());
        self.end_below(idx, below);
        let (spec, parent) = self.specs[&idx].clone();
        self.heard.push((parent, name(idx), exit.to_owned()));
        let (Some(parent), Some((_, root))) = (parent, exit.split_once(" by ")) else {
            return;
        };
        let child = format!("child by {root}");
        match self.specs[&parent].0.policy {
            Policy::Handle => {}
            Policy::Restart if spec.restarts.is_some_and(|max| n_restarts < max) => {
                self.begin(&spec);
                self.alive.insert(idx, n_restarts + 1);
            }
            Policy::Escalate | Policy::Restart | Policy::Fail => {
                self.end(parent, &child, "stopped");
            }
            Policy::Panic => self.end(parent, &format!("panic by {root}"), "stopped"),
        }
    }
}

fn name(idx: usize) -> String {
    format!("n{idx}")
}

/// Waits until nothing happens any more: the clock, which is paused, goes on only then.
async fn settle() {
    let nothing = std::future::pending::<()>();
    _ = tokio::time::timeout(Duration::from_millis(10), nothing).await;
}

struct Rig {
    proc: Proc,
    book: Book,
    events: PortReceiver<ChildEvent>,
    _client: hypermesh_actor::Instance,
}

impl Rig {
    async fn new(spec: &Spec) -> Self {
        let (proc, book) = (proc(), Book::default());
        let client = proc.client("client");
        let events = client.child_events();
        let root = Node {
            spec: spec.clone(),
            parent: None,
            book: book.clone(),
        };
        client.spawn_named(&name(spec.idx), root).unwrap();
        settle().await;
        Self {
            proc,
            book,
            events,
            _client: client,
        }
    }

    fn node(&self, idx: usize) -> ActorHandle<Node> {
        self.book.0.lock().unwrap().nodes[&idx].clone()
    }

    /// Returns who heard what since the last call, in order of names.
    fn heard(&mut self) -> Vec<(Option<usize>, String, String)> {
        let heard = std::mem::take(&mut self.book.0.lock().unwrap().heard);
        let heard = heard.into_iter();
        let mut heard: Vec<_> = heard
            .map(|(idx, label, _, exit)| (Some(idx), label, short(&exit)))
            .collect();
        while let Some(event) = self.events.try_recv().unwrap() {
            heard.push((None, event.label.clone(), short(&event.exit)));
        }
        heard.sort();
        heard
    }

    /// Compares all nodes with the model.
    fn check(&mut self, model: &mut Model, why: &str) {
        let mut expected = std::mem::take(&mut model.heard);
        expected.sort();
        assert_eq!(self.heard(), expected, "{why}");
        for &idx in model.specs.keys() {
            let found = self.node(idx).exit().map(|exit| short(&exit));
            assert_eq!(found.as_ref(), model.exits.get(&idx), "node {idx}, {why}");
            assert_eq!(found.is_none(), model.alive.contains_key(&idx));
        }
    }
}

fn action(rng: &mut Rng) -> Action {
    use Action::{Drain, Fail, Kill, Stop};
    [Fail, Fail, Fail, Fail, Stop, Kill, Drain][rng.below(7) as usize]
}

#[tokio::test(start_paused = true)]
async fn every_end_has_the_consequences_of_the_model() {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let mut n_restarted = 0;
    for round in 0..100 {
        let spec = Spec::random(&mut rng, 3, &mut 0);
        let mut model = Model::new(&spec);
        let mut rig = Rig::new(&spec).await;
        let mut script = Vec::new();
        while !model.alive.is_empty() && script.len() < 12 {
            let nth = rng.below(model.alive.len() as u64) as usize;
            let idx = *model.alive.keys().nth(nth).unwrap();
            let action = action(&mut rng);
            script.push((idx, action));
            model.act(idx, action);
            rig.node(idx).tell(Do(action)).unwrap();
            settle().await;
            let why = format!("round {round}, {script:?} of {spec:?}");
            rig.check(&mut model, &why);
        }
        let all = rig.book.0.lock().unwrap().all.len();
        n_restarted += all - model.specs.len();
        drop(rig);
    }
    assert!(0 < n_restarted, "some were made anew");
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_at_once_each_end_is_told_once_and_no_tree_loses_a_branch() {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    for round in 0..100 {
        let spec = Spec::random(&mut rng, 3, &mut 0);
        let rig = Rig::new(&spec).await;
        let n_nodes = rig.book.0.lock().unwrap().nodes.len() as u64;
        for _ in 0..6 {
            for _ in 0..1 + rng.below(4) {
                let node = rig.node(rng.below(n_nodes) as usize);
                // It may have ended; then it does not take the message.
                _ = node.tell(Do(action(&mut rng)));
                if rng.below(3) == 0 {
                    node.kill();
                }
            }
            settle().await;
        }
        let pages = rig.book.0.lock().unwrap();
        let all: BTreeMap<ActorId, _> = pages.all.iter().map(|pair| (pair.0.id(), pair)).collect();
        for (node, parent) in all.values() {
            let heard = pages.heard.iter().filter(|heard| heard.2 == node.id());
            let n_heard = heard.count();
            let lives = |id: &ActorId| all[id].0.exit().is_none();
            let why = format!("round {round}: {node:?} of {spec:?}");
            match (node.exit(), parent.as_ref().map(lives)) {
                (Some(_), Some(true)) => assert_eq!(n_heard, 1, "{why}"),
                (Some(_), _) => assert!(n_heard <= 1, "{why}"),
                (None, Some(false)) => panic!("its parent ended: {why}"),
                (None, _) => assert_eq!(n_heard, 0, "{why}"),
            }
        }
        // The client and the agent live.
        let n_living = all.values().filter(|pair| pair.0.exit().is_none()).count();
        assert_eq!(rig.proc.actor_count(), n_living + 2);
    }
}
