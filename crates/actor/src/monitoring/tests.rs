//! Notices that no proc of ours would send.

use hypermesh_mailbox::channel::ChannelTransport;
use hypermesh_mailbox::{Gateway, GatewayOptions};
use hypermesh_testkit::Seed;
use hypermesh_wire::{Any, Named, Payload};
use tokio::runtime::Handle;

use super::*;
use crate::agent::AGENT_NAME;
use crate::exit::Mode;
use crate::proc::ProcOptions;

fn proc() -> Proc {
    let runtime = Handle::current();
    let options = GatewayOptions::new(runtime.clone(), ChannelTransport::Local);
    Proc::new(ProcOptions {
        id: ProcId::new(1, 0, 0),
        name: "test".to_owned(),
        gateway: Gateway::new(options),
        runtime,
    })
    .unwrap()
}

/// Delivers `body` to `proc` as a notice of the proc `from`.
fn deliver(proc: &Proc, from: ProcId, body: Any) {
    let agent = proc.id().named_actor(AGENT_NAME);
    let dst = agent.port(Port::Control(CONTROL_MONITOR));
    let from = from.named_actor(AGENT_NAME);
    let envelope = Envelope::of_any(dst, Location::NONE, from, body);
    proc.gateway().post(envelope);
}

#[tokio::test]
async fn bytes_of_any_kind_do_no_harm() {
    let proc = proc();
    let stranger = ProcId::new(9, 9, 9);
    let mut rng = Seed::from_env().rng();
    for _ in 0..5000 {
        let len = rng.below(60) as usize;
        let bytes: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
        let payload = Payload {
            body: bytes.into(),
            parts: Default::default(),
        };
        let key = if rng.below(8) == 0 {
            u32::KEY
        } else {
            Notice::KEY
        };
        deliver(&proc, stranger, Any::wire(key, payload));
    }
    assert_eq!(proc.actor_count(), 1, "the agent lives, and nothing else");
}

#[tokio::test]
async fn only_the_proc_of_its_parent_ends_a_child_and_only_an_actors_own_proc_says_that_it_ended() {
    let proc = proc();
    let client = proc.client("client");
    let (stranger, home) = (ProcId::new(9, 9, 9), Location::NONE);
    let notice = |what| Any::local(Notice::new(home.clone(), LEASE.get(), what));
    let mode = Mode::Kill;
    let actor = client.id();
    deliver(&proc, stranger, notice(What::Request { actor, mode }));
    let agent = proc.agent_id();
    deliver(
        &proc,
        stranger,
        notice(What::Request { actor: agent, mode }),
    );
    let elsewhere = ProcId::new(8, 8, 8).actor(1, 0);
    let (sender, mut events) = oneshot::channel();
    proc.expect_end(elsewhere, &home, Waiter::Monitor(sender));
    let end = End::Exited(Exit::Stopped);
    let actor = elsewhere;
    deliver(&proc, stranger, notice(What::Ended { actor, end }));
    // There is no route to its proc, which is all that is known.
    let event = events.try_recv().unwrap();
    assert!(matches!(event, MonitorEvent::Unreachable(_)), "{event:?}");
    // A parent is of the proc that says so.
    let (child, parent) = (client.id(), elsewhere);
    let orphan = Orphan::Stop;
    let adopt = What::Adopt {
        child,
        parent,
        orphan,
    };
    deliver(&proc, stranger, notice(adopt));
    assert_eq!(proc.monitoring().parent_of(child), None);
    assert_eq!(proc.actor_count(), 2);
    assert!(proc.exit_of(agent).is_none());
}
