//! What becomes of actors whose messages are lost, and of the bytes that wait in their queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hypermesh_actor::mailbox::{ActorId, LossPolicy, Port, PortRef, Undelivered};
use hypermesh_actor::{Cx, FailureCause, Message, Proc, Result, Status, actor};
use tokio::sync::Notify;

use crate::fixture::{two_procs, within};

#[derive(Message)]
struct Unhandled;
#[derive(Message)]
struct Bulk(Vec<u8>);

/// Asks to send a message that its receiver does not handle.
struct SendTo(PortRef<Unhandled>, LossPolicy);

/// Hears of its losses and goes on.
struct Careful(Arc<AtomicUsize>);

#[actor]
impl Careful {
    #[handler(local)]
    fn send(&mut self, cx: &Cx<'_, Self>, SendTo(port, policy): SendTo) {
        port.send_with(cx, Unhandled, policy);
    }

    #[hook]
    fn on_undeliverable(&mut self, _cx: &Cx<'_, Self>, _lost: Undelivered) -> Result<()> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Leaves its losses to the framework.
struct Careless;

#[actor]
impl Careless {
    #[handler(local)]
    fn send(&mut self, cx: &Cx<'_, Self>, SendTo(port, policy): SendTo) {
        port.send_with(cx, Unhandled, policy);
    }
}

/// Takes messages when its gate is opened.
struct Gated(Arc<Notify>);

#[actor]
impl Gated {
    #[handler]
    async fn bulk(&mut self, _cx: &Cx<'_, Self>, Bulk(_): Bulk) {
        self.0.notified().await;
    }
}

/// A port of `actor` on `proc` that is not there.
fn unhandled(proc: &Proc, actor: ActorId) -> PortRef<Unhandled> {
    let dst = actor.port(Port::Handler(<Unhandled as hypermesh_actor::Named>::KEY));
    PortRef::new(dst, proc.gateway().location(), None)
}

async fn until(reached: impl Fn() -> bool) {
    within(async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_actor_that_hears_of_its_losses_fails_only_if_the_send_asked_for_that() {
    let (home, away) = two_procs();
    let heard = Arc::new(AtomicUsize::new(0));
    let receiver = home.spawn(Careless);
    let port = unhandled(&home, receiver.id());
    let careful = away.spawn(Careful(heard.clone()));
    careful
        .tell(SendTo(port.clone(), LossPolicy::Notify))
        .unwrap();
    until(|| heard.load(Ordering::SeqCst) == 1).await;
    assert_eq!(careful.status(), Status::Running);
    careful.tell(SendTo(port, LossPolicy::FailSender)).unwrap();
    let exit = within(careful.wait()).await;
    assert_eq!(exit.failure().unwrap().cause, FailureCause::Undeliverable);
    assert_eq!(heard.load(Ordering::SeqCst), 2);
    assert_eq!(receiver.status(), Status::Running);
}

#[tokio::test]
async fn by_default_an_actor_fails_for_a_fault_of_its_own_that_is_found_at_home() {
    let (home, away) = two_procs();
    let [afar, here] = [home.spawn(Careless), away.spawn(Careless)];
    let careless = away.spawn(Careless);
    let notify = LossPolicy::Notify;
    careless
        .tell(SendTo(unhandled(&home, afar.id()), notify))
        .unwrap();
    until(|| home.gateway().stats().bounced == 1).await;
    for proc in [&home, &away] {
        assert_eq!(
            within(proc.gateway().flush(Duration::from_secs(20))).await,
            0
        );
    }
    assert_eq!(careless.status(), Status::Running);
    careless
        .tell(SendTo(unhandled(&away, here.id()), notify))
        .unwrap();
    let exit = within(careless.wait()).await;
    assert_eq!(exit.failure().unwrap().cause, FailureCause::Undeliverable);
}

#[tokio::test]
async fn what_waits_encoded_in_the_queue_of_an_actor_is_counted() {
    let (home, away) = two_procs();
    let gate = Arc::new(Notify::new());
    let gated = home.spawn(Gated(gate.clone()));
    let client = away.client("client");
    let by_ref = gated.bind();
    for _ in 0..10 {
        by_ref.tell(&client, Bulk(vec![1; 1000])).unwrap();
    }
    let queued = || home.gateway().stats().queued_bytes;
    // One is being handled, or about to be: it is not in the queue.
    until(|| (9000..10_000).contains(&queued())).await;
    within(async {
        while queued() != 0 {
            gate.notify_one();
            tokio::task::yield_now().await;
        }
    })
    .await;
}
