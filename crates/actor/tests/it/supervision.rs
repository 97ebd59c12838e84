//! What parents, clients and coordinators hear of the ends of actors.

use hypermesh_actor::{
    ActorHandle, ChildEvent, Cx, Directive, Error, Exit, FailureCause, Message, Phase, Result,
    actor,
};

use crate::boss::{Boss, Fail as FailHand, Hand, busy, tell, with};
use crate::fixture::{Trace, coordinate, proc, within};

#[derive(Message)]
struct Fail(String);
#[derive(Message)]
struct Ping;
struct SpawnLeaf;
struct SpawnNode(Node);

struct Leaf;

#[actor]
impl Leaf {
    #[handler]
    fn fail(&mut self, _cx: &Cx<'_, Self>, Fail(text): Fail) -> Result<()> {
        Err(Error::msg(text))
    }
}

/// What a node does about a child that failed.
#[derive(Clone, Copy)]
enum Policy {
    Default,
    Handle,
    Fail,
    Panic,
}

struct Node {
    policy: Policy,
    trace: Trace,
}

impl Node {
    fn new(policy: Policy, trace: &Trace) -> Self {
        Self {
            policy,
            trace: trace.clone(),
        }
    }
}

#[actor]
impl Node {
    #[hook]
    async fn on_child(&mut self, _cx: &Cx<'_, Self>, event: &ChildEvent) -> Result<Directive> {
        self.trace.push(format!("{} {}", event.label, event.exit));
        match self.policy {
            Policy::Default if event.is_failure() => Ok(Directive::Escalate),
            Policy::Default | Policy::Handle => Ok(Directive::Handled),
            Policy::Fail => Err(Error::msg("cannot cope")),
            Policy::Panic => panic!("panic in on_child"),
        }
    }

    #[handler]
    fn ping(&mut self, _cx: &Cx<'_, Self>, _: Ping) {
        self.trace.push("ping");
    }

    #[handler(local)]
    fn leaf(&mut self, cx: &Cx<'_, Self>, _: SpawnLeaf) -> Result<ActorHandle<Leaf>> {
        Ok(cx.spawn(Leaf))
    }

    #[handler(local)]
    fn node(&mut self, cx: &Cx<'_, Self>, SpawnNode(node): SpawnNode) -> Result<ActorHandle<Node>> {
        Ok(cx.spawn(node))
    }
}

/// An actor that leaves `on_child` as it is.
struct Plain;

#[actor]
impl Plain {
    #[handler(local)]
    fn leaf(&mut self, cx: &Cx<'_, Self>, _: SpawnLeaf) -> Result<ActorHandle<Leaf>> {
        Ok(cx.spawn(Leaf))
    }

    #[handler]
    fn ping(&mut self, _cx: &Cx<'_, Self>, _: Ping) -> Result<u8> {
        Ok(7)
    }
}

#[tokio::test]
async fn by_default_a_failure_is_passed_on_and_a_clean_exit_is_not() {
    let proc = proc();
    let mut coordinator = coordinate(&proc);
    let plain = proc.spawn(Plain);
    let stopped = within(plain.ask(SpawnLeaf)).await.unwrap();
    stopped.stop();
    within(stopped.wait()).await;
    assert_eq!(within(plain.ask(Ping)).await, Ok(7));
    let sibling = within(plain.ask(SpawnLeaf)).await.unwrap();
    let failing = within(plain.ask(SpawnLeaf)).await.unwrap();
    failing.tell(Fail("no disk".to_owned())).unwrap();
    let exit = within(plain.wait()).await;
    let failure = exit.failure().unwrap();
    assert_eq!(failure.cause, FailureCause::Child);
    assert_eq!(failure.actor, plain.id());
    assert_eq!(failure.root_cause().actor, failing.id());
    assert_eq!(failure.root_cause().message, "no disk");
    assert_eq!(
        sibling.exit(),
        Some(Exit::Stopped),
        "a sibling is stopped, not failed"
    );
    let event = within(coordinator.recv()).await.unwrap();
    assert_eq!((event.actor, &event.exit), (plain.id(), &exit));
    assert!(coordinator.try_recv().is_err(), "one event per failure");
}

#[tokio::test]
async fn after_handled_the_parent_and_the_siblings_go_on() {
    let (proc, trace) = (proc(), Trace::default());
    let node = proc.spawn(Node::new(Policy::Handle, &trace));
    let sibling = within(node.ask(SpawnLeaf)).await.unwrap();
    for text in ["first", "second"] {
        let leaf = within(node.ask(SpawnLeaf)).await.unwrap();
        leaf.tell(Fail(text.to_owned())).unwrap();
        within(leaf.wait()).await;
    }
    within(node.ask(Ping)).await.unwrap();
    assert_eq!(
        trace.take(),
        [
            "Leaf Leaf failed: first",
            "Leaf Leaf failed: second",
            "ping"
        ]
    );
    assert_eq!(sibling.exit(), None);
}

#[tokio::test]
async fn the_root_cause_is_the_leaf_however_deep_the_tree() {
    let (proc, trace) = (proc(), Trace::default());
    let root = proc.spawn(Node::new(Policy::Default, &trace));
    let mut node = root.clone();
    for _ in 0..20 {
        node = within(node.ask(SpawnNode(Node::new(Policy::Default, &trace))))
            .await
            .unwrap();
    }
    let leaf = within(node.ask(SpawnLeaf)).await.unwrap();
    leaf.tell(Fail("no disk".to_owned())).unwrap();
    let exit = within(root.wait()).await;
    let failure = exit.failure().unwrap();
    assert_eq!(failure.actor, root.id());
    assert_eq!(failure.root_cause().actor, leaf.id());
    assert_eq!(failure.links().count(), 22);
    assert!(
        exit.to_string()
            .starts_with("Leaf failed: no disk; passed on by Node"),
        "{exit}"
    );
}

#[tokio::test]
async fn an_on_child_that_fails_keeps_the_event_it_was_handling() {
    for (policy, cause, text) in [
        (Policy::Fail, FailureCause::Child, "cannot cope"),
        (
            Policy::Panic,
            FailureCause::Panic {
                phase: Phase::OnChild,
            },
            "panic in on_child",
        ),
    ] {
        let (proc, trace) = (proc(), Trace::default());
        let node = proc.spawn(Node::new(policy, &trace));
        let leaf = within(node.ask(SpawnLeaf)).await.unwrap();
        leaf.tell(Fail("no disk".to_owned())).unwrap();
        let exit = within(node.wait()).await;
        let failure = exit.failure().unwrap();
        assert_eq!((failure.cause, failure.message.as_str()), (cause, text));
        assert_eq!(failure.root_cause().message, "no disk");
    }
}

#[tokio::test]
async fn a_child_event_is_handled_before_the_next_message() {
    let (proc, trace) = (proc(), Trace::default());
    let node = proc.spawn(Node::new(Policy::Handle, &trace));
    let leaf = within(node.ask(SpawnLeaf)).await.unwrap();
    leaf.tell(Fail("no disk".to_owned())).unwrap();
    (0..1000).for_each(|_| node.tell(Ping).unwrap());
    // On this single thread the node runs only when the test waits, long after the leaf failed.
    within(leaf.wait()).await;
    within(node.ask(Ping)).await.unwrap();
    let trace = trace.take();
    let heard = trace
        .iter()
        .position(|line| line.starts_with("Leaf"))
        .unwrap();
    assert!(heard <= 128, "heard after {heard} messages");
    assert_eq!(trace.len(), 1002);
}

#[tokio::test]
async fn a_failure_by_the_failure_of_another_actor_names_it_as_the_cause() {
    struct Asker(ActorHandle<Leaf>);
    #[actor]
    impl Asker {
        #[handler]
        async fn ask(&mut self, _cx: &Cx<'_, Self>, _: Ping) -> Result<()> {
            Ok(self.0.ask(Fail("no disk".to_owned())).await?)
        }
    }
    let proc = proc();
    let leaf = proc.spawn(Leaf);
    let asker = proc.spawn(Asker(leaf.clone()));
    asker.tell(Ping).unwrap();
    let exit = within(asker.wait()).await;
    let failure = exit.failure().unwrap();
    assert_eq!(failure.cause, FailureCause::Handler);
    assert_eq!(failure.root_cause().actor, leaf.id());
}

#[tokio::test]
async fn whoever_sees_the_exit_finds_the_event_already_there() {
    let proc = proc();
    let client = proc.client("client");
    let mut events = client.child_events();
    for round in 0..100 {
        let leaf = client.spawn(Leaf);
        match round % 3 {
            0 => leaf.stop(),
            1 => leaf.kill(),
            _ => leaf.tell(Fail("no disk".to_owned())).unwrap(),
        }
        let exit = within(leaf.wait()).await;
        let event = events
            .try_recv()
            .unwrap()
            .expect("it was there before the exit was");
        assert_eq!((event.actor, event.exit), (leaf.id(), exit));
        assert!(events.try_recv().unwrap().is_none(), "exactly one event");
    }
}

#[tokio::test]
async fn without_a_listening_client_failures_go_to_the_coordinator() {
    let proc = proc();
    let mut coordinator = coordinate(&proc);
    let client = proc.client("client");
    let leaf = client.spawn(Leaf);
    leaf.tell(Fail("no disk".to_owned())).unwrap();
    let event = within(coordinator.recv()).await.unwrap();
    assert_eq!(event.actor, leaf.id());
    assert_eq!(event.label, "Leaf");
}

#[tokio::test]
async fn dropping_a_client_stops_its_children_and_closes_its_ports() {
    let proc = proc();
    let client = proc.client("client");
    let leaf = client.spawn(Leaf);
    let (port, _receiver) = client.mailbox().open_port::<u32>();
    let port = port.bind();
    drop(client);
    assert_eq!(within(leaf.wait()).await, Exit::Stopped);
    let other = proc.client("other");
    let mut returned = other.undelivered();
    port.send(&other, 1);
    let cause = within(returned.recv()).await.unwrap().cause;
    assert_eq!(
        cause,
        hypermesh_actor::mailbox::Cause::OwnerExited("stopped".into())
    );
}

#[tokio::test]
async fn a_parent_that_stops_hears_of_no_child_twice() {
    let (proc, trace) = (proc(), Trace::default());
    let node = proc.spawn(Node::new(Policy::Default, &trace));
    for _ in 0..10 {
        within(node.ask(SpawnLeaf)).await.unwrap();
    }
    node.stop();
    assert_eq!(within(node.wait()).await, Exit::Stopped);
    assert_eq!(
        trace.take(),
        Vec::<String>::new(),
        "it asked for these exits itself"
    );
}

#[tokio::test]
async fn a_child_event_is_heard_before_a_full_queue_and_right_after_a_long_handler() {
    const N: usize = 10_000;
    let (proc, trace) = (proc(), Trace::default());
    let boss = proc.spawn(Boss::new(&trace, Directive::Handled));
    let child = Hand::new(&Trace::default(), "child");
    let child = with(&boss, move |cx| cx.spawn(child)).await;
    let release = busy(&boss).await;
    for _ in 0..N {
        let trace = trace.clone();
        tell(&boss, move |_| trace.push("message"));
    }
    child.tell(FailHand("no disk".to_owned())).unwrap();
    within(child.wait()).await;
    drop(release);
    with(&boss, |_| ()).await;
    let trace = trace.take();
    assert_eq!(trace[0], "Hand Hand failed: no disk");
    assert_eq!(trace.len(), N + 1);
}

#[tokio::test]
async fn a_handler_that_fails_while_the_failure_of_a_child_waits_names_it_as_the_cause() {
    struct Parent {
        child: Option<ActorHandle<Hand>>,
    }
    struct Go(tokio::sync::oneshot::Receiver<()>);
    #[actor]
    impl Parent {
        #[hook]
        async fn init(&mut self, cx: &Cx<'_, Self>) -> Result<()> {
            self.child = Some(cx.spawn(Hand::new(&Trace::default(), "child")));
            Ok(())
        }
        #[handler(local)]
        async fn go(&mut self, _cx: &Cx<'_, Self>, Go(released): Go) -> Result<()> {
            _ = released.await;
            Err(Error::msg("cannot go on"))
        }
        #[handler(local)]
        fn child(&mut self, _cx: &Cx<'_, Self>, _: SpawnLeaf) -> Result<ActorHandle<Hand>> {
            self.child.clone().ok_or_else(|| Error::msg("no child"))
        }
    }
    let proc = proc();
    let parent = proc.spawn(Parent { child: None });
    let child = within(parent.ask(SpawnLeaf)).await.unwrap();
    let (release, released) = tokio::sync::oneshot::channel();
    parent.tell(Go(released)).unwrap();
    child.tell(FailHand("no disk".to_owned())).unwrap();
    within(child.wait()).await;
    drop(release);
    let exit = within(parent.wait()).await;
    let failure = exit.failure().unwrap();
    assert_eq!(
        (failure.cause, failure.message.as_str()),
        (FailureCause::Handler, "cannot go on")
    );
    let earlier = failure.caused_by.as_ref().unwrap();
    assert_eq!(
        (earlier.actor, earlier.message.as_str()),
        (child.id(), "no disk")
    );
}

#[tokio::test]
async fn an_event_tells_all_there_is_to_know() {
    let proc = proc();
    let client = proc.client("client");
    let mut events = client.child_events();
    let leaf = client.spawn(Leaf);
    leaf.stop();
    let event = within(events.recv()).await.unwrap();
    assert!(event.is_normal() && !event.is_failure() && !event.restartable);
    assert_eq!(event.chain().count(), 0);
    let plain = client.spawn(Plain);
    let leaf = within(plain.ask(SpawnLeaf)).await.unwrap();
    leaf.tell(Fail("no disk".to_owned())).unwrap();
    let event = within(events.recv()).await.unwrap();
    assert!(event.is_failure() && !event.is_normal());
    let chain: Vec<_> = event.chain().map(|failure| failure.actor).collect();
    assert_eq!(chain, [plain.id(), leaf.id()]);
    assert_eq!((event.actor, event.label.as_str()), (plain.id(), "Plain"));
}

#[tokio::test]
async fn the_event_of_a_child_whose_client_is_gone_goes_to_the_coordinator() {
    struct Bad;
    #[actor]
    impl Bad {
        #[hook]
        async fn cleanup(&mut self, _cx: &Cx<'_, Self>, _exit: &Exit) -> Result<()> {
            Err(Error::msg("cannot clean up"))
        }
    }
    let proc = proc();
    let mut coordinator = coordinate(&proc);
    let client = proc.client("client");
    let events = client.child_events();
    let bad = client.spawn(Bad);
    within(bad.reached(hypermesh_actor::Status::Running)).await;
    drop(client);
    within(bad.wait()).await;
    let event = within(coordinator.recv()).await.unwrap();
    assert_eq!(event.actor, bad.id());
    let failure = event.exit.failure().unwrap();
    assert_eq!(failure.message, "cannot clean up");
    assert!(coordinator.try_recv().is_err(), "once");
    drop(events);
}
