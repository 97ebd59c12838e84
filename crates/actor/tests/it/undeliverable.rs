//! What becomes of a sender whose messages come back.

use hypermesh_actor::mailbox::{
    ActorId, Cause, Gateway, Location, MESSAGE_TTL, PortRef, ProcId, Undelivered,
};
use hypermesh_actor::{ActorHandle, Cx, FailureCause, Message, Proc, Result, actor};
use serde::{Deserialize, Serialize};

use crate::boss::{Boss, Count, Hand, with};
use crate::fixture::{Trace, local_procs, next_turn, proc, two_procs, within};

#[derive(Message)]
struct Unhandled;

/// A message without an encoding.
#[derive(Message)]
#[message(serde)]
struct Unencodable;

impl Serialize for Unencodable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no encoding"))
    }
}

impl<'de> Deserialize<'de> for Unencodable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("no encoding"))
    }
}

/// Returns the port of the handler for `M` of an actor that need not have it.
fn port<M: Message>(actor: ActorId, location: &Location) -> PortRef<M> {
    let port = hypermesh_actor::mailbox::Port::Handler(M::KEY);
    PortRef::new(actor.port(port), location.clone(), None)
}

fn boss(proc: &Proc) -> ActorHandle<Boss> {
    proc.spawn(Boss::new(&Trace::default(), None))
}

async fn send<M: Message>(boss: &ActorHandle<Boss>, to: PortRef<M>, message: M) {
    with(boss, move |cx| to.send(cx, message)).await;
}

#[tokio::test]
async fn what_comes_back_because_nobody_is_there_is_no_fault_of_the_sender() {
    let proc = proc();
    let boss = boss(&proc);
    let gone = proc.spawn(Hand::new(&Trace::default(), "gone"));
    gone.stop();
    within(gone.wait()).await;
    let bounced = proc.gateway().stats().bounced;
    send(&boss, gone.bind().port::<Count>(), Count).await;
    let nobody = proc.id().named_actor("nobody");
    send(&boss, port::<Count>(nobody, &Location::NONE), Count).await;
    let nowhere = ProcId::new(99, 0, 0).named_actor("nobody");
    send(&boss, port::<Count>(nowhere, &Location::NONE), Count).await;
    let (handle, receiver) = proc.client("client").mailbox().open_port::<u32>();
    let closed = handle.bind();
    drop((handle, receiver));
    send(&boss, closed, 1).await;
    // It has heard of all of them before this.
    with(&boss, |_| ()).await;
    assert_eq!(boss.exit(), None);
    assert_eq!(
        proc.gateway().stats().bounced,
        bounced + 4,
        "they are counted"
    );
}

#[tokio::test]
async fn what_can_be_delivered_nowhere_fails_the_sender_if_it_is_found_at_home() {
    let (here, there) = two_procs();
    let hand = here.spawn(Hand::new(&Trace::default(), "hand"));
    let far = there.spawn(Hand::new(&Trace::default(), "far")).bind();
    let client = here.client("client");
    let (text_port, _texts) = client.mailbox().open_port::<String>();
    let text_port = text_port.bind();
    let wrong = PortRef::<u32>::new(text_port.id(), Location::NONE, None);

    let failing = [boss(&here), boss(&here), boss(&here)];
    send(&failing[0], port(hand.id(), &Location::NONE), Unhandled).await;
    send(&failing[1], wrong, 1).await;
    send(&failing[2], port(far.id(), far.location()), Unencodable).await;
    for (boss, said) in failing
        .iter()
        .zip(["no handler", "the port takes", "no encoding"])
    {
        let exit = within(boss.wait()).await;
        let failure = exit.failure().unwrap();
        assert_eq!(failure.cause, FailureCause::Undeliverable);
        assert!(failure.message.contains(said), "{failure:?}");
    }
    assert_eq!(hand.exit(), None, "the receiver goes on");
}

#[tokio::test]
async fn what_another_process_refuses_does_not_fail_the_sender() {
    let (here, there) = two_procs();
    let far = there.spawn(Hand::new(&Trace::default(), "far")).bind();
    let boss = boss(&here);
    send(&boss, port(far.id(), far.location()), Unhandled).await;
    // The answer to what is sent later comes after the bounce.
    let asked = with(&boss, move |cx| far.ask(cx, Count)).await;
    assert_eq!(within(asked).await, Ok(1));
    with(&boss, |_| ()).await;
    assert_eq!(boss.exit(), None);
}

#[tokio::test]
async fn a_message_that_has_gone_too_far_is_no_fault_of_the_sender() {
    let [here, relay, there] = local_procs();
    let far = there.spawn(Hand::new(&Trace::default(), "far")).bind();
    let via = |gateway: &Gateway| gateway.addr().unwrap();
    here.gateway().route_proc(*there.id(), via(relay.gateway()));
    relay
        .gateway()
        .route_proc(*there.id(), via(there.gateway()));
    let boss = boss(&here);
    let to = port::<Count>(far.id(), &Location::NONE);
    {
        let _one_hop = MESSAGE_TTL.override_for_thread(1);
        send(&boss, to, Count).await;
    }
    let stats = || relay.gateway().stats().bounced;
    while stats() == 0 {
        next_turn().await;
    }
    // With more hops to take it arrives, and so does the answer: the bounce came before it.
    let asked = with(&boss, move |cx| far.ask(cx, Count)).await;
    assert_eq!(within(asked).await, Ok(1));
    with(&boss, |_| ()).await;
    assert_eq!((boss.exit(), stats()), (None, 1));
}

/// Decides by itself about what comes back.
struct Lenient {
    trace: Trace,
}

struct SendTo(ActorId);

#[actor]
impl Lenient {
    #[handler(local)]
    fn send(&mut self, cx: &Cx<'_, Self>, SendTo(actor): SendTo) {
        port::<Unhandled>(actor, &Location::NONE).send(cx, Unhandled);
    }

    #[handler(local)]
    fn ping(&mut self, _cx: &Cx<'_, Self>, _: Count) {}

    #[hook]
    fn on_undeliverable(&mut self, _cx: &Cx<'_, Self>, undelivered: Undelivered) -> Result<()> {
        assert_eq!(undelivered.cause, Cause::NoHandler);
        let message = undelivered.payload.unwrap().take::<Unhandled>();
        let returned = message.is_ok();
        self.trace
            .push(format!("{} {returned}", undelivered.header.dst.actor));
        Ok(())
    }
}

#[tokio::test]
async fn an_actor_that_decides_itself_gets_the_header_the_cause_and_the_message() {
    let (proc, trace) = (proc(), Trace::default());
    let hand = proc.spawn(Hand::new(&Trace::default(), "hand"));
    let lenient = proc.spawn(Lenient {
        trace: trace.clone(),
    });
    lenient.tell(SendTo(hand.id())).unwrap();
    trace.until(|| (0 < trace.len()).then_some(())).await;
    within(lenient.ask(Count)).await.unwrap();
    assert_eq!(trace.take(), [format!("{} true", hand.id())]);
}

#[tokio::test]
async fn a_bounce_for_a_sender_that_is_gone_is_dropped() {
    let proc = proc();
    let hand = proc.spawn(Hand::new(&Trace::default(), "hand"));
    let release = {
        let boss = boss(&proc);
        let release = crate::boss::busy(&boss).await;
        let to = port::<Unhandled>(hand.id(), &Location::NONE);
        let client = proc.client("client");
        to.send(&client, Unhandled);
        drop(client);
        release
    };
    drop(release);
    let before = proc.gateway().stats();
    assert_eq!(within(hand.ask(Count)).await, Ok(1));
    let after = proc.gateway().stats();
    assert_eq!(
        after.bounced - before.bounced,
        1,
        "a bounce does not bounce"
    );
}
