//! A parent whose children are made by the test, and children that fail when told to.

use hypermesh_actor::{
    ActorHandle, ChildEvent, Cx, Directive, Error, Exit, Message, Result, Status, actor,
};

use crate::fixture::{Trace, within};

type Run = Box<dyn FnOnce(&Cx<'_, Boss>) + Send>;

/// Runs in the task of the parent.
struct Do(Run);

/// Keeps the parent busy until the sender is dropped.
struct Wait(tokio::sync::oneshot::Receiver<()>);

/// A parent that records what it hears of its children.
pub(crate) struct Boss {
    trace: Trace,
    /// What it answers to a failure, or what an actor without the hook would.
    directive: Option<Directive>,
}

impl Boss {
    pub(crate) fn new(trace: &Trace, directive: impl Into<Option<Directive>>) -> Self {
        Self {
            trace: trace.clone(),
            directive: directive.into(),
        }
    }
}

#[actor]
impl Boss {
    #[handler(local)]
    fn run(&mut self, cx: &Cx<'_, Self>, Do(run): Do) {
        run(cx);
    }

    #[handler(local)]
    async fn wait(&mut self, _cx: &Cx<'_, Self>, Wait(released): Wait) {
        _ = released.await;
    }

    #[hook]
    fn on_child(&mut self, _cx: &Cx<'_, Self>, event: &ChildEvent) -> Result<Directive> {
        self.trace.push(format!("{} {}", event.label, event.exit));
        Ok(match (self.directive, event.is_failure()) {
            (_, false) => Directive::Handled,
            (Some(directive), true) => directive,
            (None, true) if event.restartable => Directive::Restart,
            (None, true) => Directive::Escalate,
        })
    }
}

/// Has `boss` run `function` in a handler, and returns the result.
pub(crate) async fn with<R: Send + 'static>(
    boss: &ActorHandle<Boss>,
    function: impl FnOnce(&Cx<'_, Boss>) -> R + Send + 'static,
) -> R {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let run = move |cx: &Cx<'_, Boss>| _ = sender.send(function(cx));
    boss.tell(Do(Box::new(run))).unwrap();
    within(receiver).await.unwrap()
}

/// Has `boss` run `function` in a handler some time.
pub(crate) fn tell(
    boss: &ActorHandle<Boss>,
    function: impl FnOnce(&Cx<'_, Boss>) + Send + 'static,
) {
    boss.tell(Do(Box::new(function))).unwrap();
}

/// Keeps `boss` in a handler until what this returns is dropped.
pub(crate) async fn busy(boss: &ActorHandle<Boss>) -> tokio::sync::oneshot::Sender<()> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    boss.tell(Wait(receiver)).unwrap();
    while boss.queued() != 0 {
        crate::fixture::next_turn().await;
    }
    sender
}

#[derive(Message)]
pub(crate) struct Fail(pub(crate) String);
/// Asks a child how many messages it has had.
#[derive(Message)]
pub(crate) struct Count;
#[derive(Message)]
pub(crate) struct Hang;

/// A child that records when it begins and ends.
pub(crate) struct Hand {
    trace: Trace,
    name: &'static str,
    n_messages: u32,
}

impl Hand {
    pub(crate) fn new(trace: &Trace, name: &'static str) -> Self {
        Self {
            trace: trace.clone(),
            name,
            n_messages: 0,
        }
    }
}

#[actor]
impl Hand {
    #[hook]
    async fn init(&mut self, _cx: &Cx<'_, Self>) -> Result<()> {
        self.trace.push(format!("+{}", self.name));
        Ok(())
    }

    #[handler]
    fn fail(&mut self, _cx: &Cx<'_, Self>, Fail(text): Fail) -> Result<()> {
        Err(Error::msg(text))
    }

    #[handler]
    fn count(&mut self, _cx: &Cx<'_, Self>, _: Count) -> Result<u32> {
        self.n_messages += 1;
        Ok(self.n_messages)
    }

    #[handler]
    async fn hang(&mut self, _cx: &Cx<'_, Self>, _: Hang) -> Result<()> {
        std::future::pending().await
    }

    #[hook]
    async fn cleanup(&mut self, _cx: &Cx<'_, Self>, exit: &Exit) -> Result<()> {
        self.trace.push(format!("-{} {exit}", self.name));
        Ok(())
    }
}

/// Fails the incarnation of `hand` that lives now, and waits for its end.
pub(crate) async fn fail(hand: &ActorHandle<Hand>, text: &str) -> Exit {
    let now = hand.current().unwrap();
    now.tell(Fail(text.to_owned())).unwrap();
    within(now.wait()).await
}

/// Waits until there is a later incarnation than `old`, and it runs.
pub(crate) async fn reborn(old: &ActorHandle<Hand>, trace: &Trace) -> ActorHandle<Hand> {
    let is_next =
        |next: &ActorHandle<Hand>| next.id() != old.id() && Status::Initializing <= next.status();
    // A child adds a line when it begins.
    let next = trace.until(|| old.current().filter(is_next)).await;
    within(next.reached(Status::Running)).await;
    next
}
