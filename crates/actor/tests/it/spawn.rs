//! How actors come into a proc and leave it.

use hypermesh_actor::{
    ActorRef, Cx, Error, Exit, Message, ProcReport, Result, SpawnError, Status, actor,
};
use std::time::Duration;

use crate::fixture::{gateway, proc, proc_on, within};
use hypermesh_actor::mailbox::channel::ChannelTransport;

#[derive(Message)]
struct Get;
#[derive(Message)]
struct Block;

#[derive(Default)]
struct Cell {
    initialized: bool,
    fails: bool,
}

#[actor]
impl Cell {
    #[hook]
    async fn init(&mut self, _cx: &Cx<'_, Self>) -> Result<()> {
        tokio::task::yield_now().await;
        self.initialized = true;
        if self.fails {
            Err(Error::msg("no luck"))
        } else {
            Ok(())
        }
    }

    #[handler]
    fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<bool> {
        Ok(self.initialized)
    }

    #[handler]
    async fn block(&mut self, _cx: &Cx<'_, Self>, _: Block) {
        std::future::pending::<()>().await;
    }
}

struct Other;

#[actor]
impl Other {
    #[handler]
    fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<u8> {
        Ok(1)
    }
}

#[tokio::test]
async fn a_message_told_right_after_spawn_is_handled_after_init() {
    let proc = proc();
    let cell = proc.spawn(Cell::default());
    assert_eq!(within(cell.ask(Get)).await, Ok(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn spawn_works_from_a_plain_thread() {
    let proc = proc();
    let cell = std::thread::scope(|scope| {
        let proc = &proc;
        scope
            .spawn(move || proc.spawn(Cell::default()))
            .join()
            .unwrap()
    });
    assert_eq!(within(cell.ask(Get)).await, Ok(true));
}

#[tokio::test]
async fn a_name_in_use_is_refused_and_free_again_after_the_exit() {
    let proc = proc();
    let first = proc.spawn_named("cell", Cell::default()).unwrap();
    match proc.spawn_named(
        "cell",
        Cell {
            initialized: true,
            fails: false,
        },
    ) {
        Err(SpawnError::NameInUse { name, actor, value }) => {
            assert_eq!((name.as_str(), actor), ("cell", first.id()));
            assert!(value.initialized, "the value comes back");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        within(first.ask(Get)).await,
        Ok(true),
        "the first is undisturbed"
    );
    first.stop();
    within(first.wait()).await;
    let failing = proc
        .spawn_named(
            "cell",
            Cell {
                fails: true,
                ..Cell::default()
            },
        )
        .unwrap();
    assert!(within(failing.wait()).await.is_failure());
    let third = proc.spawn_named("cell", Cell::default()).unwrap();
    assert_ne!(third.id(), first.id());
    assert_ne!(third.id(), failing.id());
    assert_eq!(third.id().actor, first.id().actor);
}

#[tokio::test]
async fn refs_are_equal_by_id_alone() {
    let proc = proc();
    let cell = proc.spawn(Cell::default());
    let by_ref = cell.bind();
    let renamed = ActorRef::<Cell>::attest(cell.id(), Default::default(), "another label");
    assert_eq!(by_ref, renamed);
    let encoded = hypermesh_wire::encode(&by_ref).unwrap();
    let decoded: ActorRef<Cell> = hypermesh_wire::decode(&encoded).unwrap();
    assert_eq!(
        (&decoded, decoded.label(), decoded.location()),
        (&by_ref, "Cell", by_ref.location())
    );
}

#[tokio::test]
async fn resolve_finds_only_living_actors_of_this_proc_and_type() {
    let gateway = gateway(ChannelTransport::Local);
    let (here, there) = (proc_on(&gateway, 0), proc_on(&gateway, 1));
    let cell = here.spawn(Cell::default());
    let by_ref = cell.bind();
    assert_eq!(
        here.resolve(&by_ref).map(|handle| handle.id()),
        Some(cell.id())
    );
    assert!(there.resolve(&by_ref).is_none(), "another proc");
    let wrong = ActorRef::<Other>::attest(cell.id(), by_ref.location().clone(), "other");
    assert!(here.resolve(&wrong).is_none(), "another type");
    cell.stop();
    within(cell.wait()).await;
    assert!(here.resolve(&by_ref).is_none(), "exited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_actors_come_and_go_without_a_trace() {
    let proc = proc();
    let base = proc.actor_count();
    let actors: Vec<_> = (0..100_000).map(|_| proc.spawn(Other)).collect();
    assert_eq!(proc.actor_count(), base + 100_000);
    actors.iter().for_each(|actor| actor.stop());
    for actor in actors {
        assert_eq!(within(actor.wait()).await, Exit::Stopped);
    }
    assert_eq!(proc.actor_count(), base);
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains_kills_and_reports_the_same_to_everybody() {
    let proc = proc();
    let idle = proc.spawn(Cell::default());
    let busy = proc.spawn(Cell::default());
    busy.tell(Block).unwrap();
    let failed = proc.spawn(Cell {
        fails: true,
        ..Cell::default()
    });
    within(failed.wait()).await;
    let begin = tokio::time::Instant::now();
    let (first, second) = tokio::join!(
        proc.shutdown(Duration::from_secs(5)),
        proc.shutdown(Duration::ZERO)
    );
    assert_eq!(first, second);
    assert_eq!((first.drained, first.killed, first.failed), (1, 1, 0));
    assert_eq!(begin.elapsed(), Duration::from_secs(5));
    assert_eq!(first, proc.shutdown(Duration::ZERO).await);
    assert_eq!(idle.exit(), Some(Exit::Drained));
    assert_eq!(busy.exit(), Some(Exit::Killed));
    let late = proc.spawn(Cell::default());
    assert_eq!(
        late.status(),
        Status::Exited,
        "a proc that ended takes no actors"
    );
    assert!(matches!(
        proc.spawn_named("x", Other),
        Err(SpawnError::Closed { .. })
    ));
}

#[tokio::test]
async fn an_idle_proc_shuts_down_at_once_and_empty() {
    let proc = proc();
    let report = within(proc.shutdown(Duration::from_secs(60))).await;
    assert_eq!(report, ProcReport::default());
    assert_eq!(proc.actor_count(), 0);
}

#[tokio::test]
async fn an_actor_may_shut_its_own_proc_down() {
    struct Suicidal;
    #[actor]
    impl Suicidal {
        #[handler]
        async fn end(&mut self, cx: &Cx<'_, Self>, _: Get) -> Result<()> {
            cx.proc().shutdown(Duration::from_millis(50)).await;
            Ok(())
        }
    }
    let proc = proc();
    let actor = proc.spawn(Suicidal);
    actor.tell(Get).unwrap();
    assert_eq!(within(actor.wait()).await, Exit::Killed);
    let report = within(proc.shutdown(Duration::ZERO)).await;
    assert_eq!(report.killed, 1);
}

#[tokio::test]
async fn procs_of_one_name_do_not_see_each_other() {
    let gateway = gateway(ChannelTransport::Local);
    let (first, second) = (proc_on(&gateway, 0), proc_on(&gateway, 1));
    let one = first.spawn_named("cell", Cell::default()).unwrap();
    let two = second.spawn_named("cell", Cell::default()).unwrap();
    within(first.shutdown(Duration::from_secs(1))).await;
    assert_eq!(one.exit(), Some(Exit::Drained));
    assert_eq!(within(two.ask(Get)).await, Ok(true));
}

#[tokio::test]
async fn dropping_the_last_proc_ends_its_actors() {
    let proc = proc();
    let cell = proc.spawn(Cell::default());
    assert_eq!(within(cell.ask(Get)).await, Ok(true));
    drop(proc);
    assert_eq!(within(cell.wait()).await, Exit::Killed);
}

#[test]
fn dropping_the_runtime_ends_its_actors() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (proc, cell) = runtime.block_on(async {
        let proc = proc();
        let cell = proc.spawn(Cell::default());
        cell.tell(Block).unwrap();
        cell.reached(Status::Running).await;
        (proc, cell)
    });
    drop(runtime);
    assert_eq!(cell.exit(), Some(Exit::Killed));
    assert_eq!(cell.status(), Status::Exited);
    drop(proc);
}
