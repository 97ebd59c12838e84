//! Types that share a name. In a program of their own, because no proc can be made where they are.

use hypermesh_actor::mailbox::channel::ChannelTransport;
use hypermesh_actor::mailbox::{Gateway, GatewayOptions, ProcId};
use hypermesh_actor::{Env, Message, Proc, ProcOptions, RemoteSpawn, Result, actor};
use tokio::runtime::Handle;

mod first {
    use super::*;

    #[derive(Message)]
    #[message(name = "one.name")]
    pub(super) struct Order;

    pub(super) struct Worker;

    #[actor(spawn = "worker")]
    impl Worker {}

    impl RemoteSpawn for Worker {
        type Params = Order;

        async fn create(_: Order, _: &Env) -> Result<Self> {
            Ok(Self)
        }
    }
}

mod second {
    use super::*;

    #[derive(Message)]
    #[message(name = "one.name")]
    pub(super) struct Order;

    pub(super) struct Worker;

    #[actor(spawn = "worker")]
    impl Worker {}

    impl RemoteSpawn for Worker {
        type Params = Order;

        async fn create(_: Order, _: &Env) -> Result<Self> {
            Ok(Self)
        }
    }
}

#[tokio::test]
async fn no_proc_starts_where_two_actors_have_one_spawn_name() {
    let gateway = Gateway::new(GatewayOptions::new(
        Handle::current(),
        ChannelTransport::Local,
    ));
    let proc = Proc::new(ProcOptions {
        id: ProcId::new(7, 0, 0),
        name: "test".to_owned(),
        gateway,
        runtime: Handle::current(),
    });
    let error = proc.map(drop).unwrap_err().to_string();
    let start = "two actor types are spawned as \"worker\": duplicates::first line ";
    assert!(error.starts_with(start), "{error}");
    assert!(error.contains(" and duplicates::second line "), "{error}");
}

#[test]
fn two_messages_with_one_name_are_found_before_any_is_sent() {
    let error = hypermesh_wire::registry::check().unwrap_err().to_string();
    for part in ["one.name", "duplicates::first", "duplicates::second"] {
        assert!(error.contains(part), "{error} lacks {part}");
    }
}
