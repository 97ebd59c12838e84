//! Names and groups of the actors of one proc.

use hypermesh_actor::{ActorHandle, Cx, Exit, LookupError, Message, RegisterError, Result, actor};

use crate::fixture::{proc, within};

#[derive(Clone, Message)]
struct Add(u64);
#[derive(Message)]
struct Get;
#[derive(Message)]
struct Hang;

struct Worker {
    total: u64,
    group: Option<&'static str>,
}

#[actor]
impl Worker {
    #[hook]
    fn init(&mut self, cx: &Cx<'_, Self>) -> Result<()> {
        if let Some(group) = self.group {
            assert!(cx.proc().group::<Self>(group).join(&cx.self_handle()));
        }
        Ok(())
    }

    #[handler]
    fn add(&mut self, _cx: &Cx<'_, Self>, Add(n): Add) {
        self.total += n;
    }

    #[handler]
    fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<u64> {
        Ok(self.total)
    }

    #[handler]
    async fn hang(&mut self, _cx: &Cx<'_, Self>, _: Hang) -> Result<()> {
        std::future::pending().await
    }
}

struct Other;

#[actor]
impl Other {}

fn worker(group: Option<&'static str>) -> Worker {
    Worker { total: 0, group }
}

fn ids(workers: &[ActorHandle<Worker>]) -> Vec<hypermesh_actor::mailbox::ActorId> {
    workers.iter().map(ActorHandle::id).collect()
}

#[tokio::test]
async fn a_registered_name_finds_its_actor_until_it_exits() {
    let proc = proc();
    let first = proc.spawn(worker(None));
    let second = proc.spawn_named("second", worker(None)).unwrap();
    proc.register("leader", &first).unwrap();
    proc.register("leader", &first).unwrap();
    proc.register("deputy", &first).unwrap();
    assert_eq!(proc.lookup::<Worker>("leader").unwrap().id(), first.id());
    assert_eq!(proc.lookup::<Worker>("deputy").unwrap().id(), first.id());
    assert_eq!(proc.lookup::<Worker>("second").unwrap().id(), second.id());

    let taken = |name: &str, actor| {
        let name = name.to_owned();
        Err(RegisterError::Taken { name, actor })
    };
    assert_eq!(
        proc.register("leader", &second),
        taken("leader", first.id())
    );
    assert_eq!(
        proc.register("second", &first),
        taken("second", second.id())
    );

    let name = "leader".to_owned();
    let actor = first.id();
    let wrong = proc.lookup::<Other>("leader").unwrap_err();
    assert_eq!(
        wrong,
        LookupError::WrongType {
            name: name.clone(),
            actor
        }
    );

    first.stop();
    assert_eq!(within(first.wait()).await, Exit::Stopped);
    let missing = proc.lookup::<Worker>("leader").unwrap_err();
    assert_eq!(missing, LookupError::NotFound { name });
    let gone = proc.register("leader", &first);
    assert_eq!(gone, Err(RegisterError::NotHere { actor }));
    // The name is free for another one, and can be taken back.
    proc.register("leader", &second).unwrap();
    assert!(proc.unregister("leader"));
    assert!(!proc.unregister("leader"));
    assert!(proc.lookup::<Worker>("leader").is_err());
}

#[tokio::test]
async fn an_actor_of_another_proc_gets_no_name_and_joins_no_group() {
    let (home, other) = crate::fixture::two_procs();
    let stranger = other.spawn(worker(None));
    let actor = stranger.id();
    let refused = home.register("leader", &stranger);
    assert_eq!(refused, Err(RegisterError::NotHere { actor }));
    assert!(!home.group::<Worker>("workers").join(&stranger));
}

#[tokio::test]
async fn actors_join_a_group_get_its_casts_and_leave() {
    let proc = proc();
    let group = proc.group::<Worker>("workers");
    let mut watch = group.watch();
    let workers: Vec<_> = (0..3)
        .map(|_| proc.spawn(worker(Some("workers"))))
        .collect();
    while within(watch.changed()).await.len() < 3 {}
    assert_eq!(ids(&group.members()), ids(&workers));
    assert!(!group.join(&workers[0]), "once is enough");

    assert_eq!(group.cast(&Add(2)), 3);
    assert!(group.leave(workers[0].id()));
    assert!(!group.leave(workers[0].id()));
    assert_eq!(group.cast(&Add(3)), 2);
    let mut totals = Vec::new();
    for worker in &workers {
        totals.push(within(worker.ask(Get)).await.unwrap());
    }
    assert_eq!(totals, [2, 5, 5]);

    // A group of one name and another type is another group.
    assert!(proc.group::<Other>("workers").members().is_empty());
}

#[tokio::test]
async fn a_member_that_exits_is_gone_from_its_groups() {
    let proc = proc();
    let group = proc.group::<Worker>("workers");
    let workers: Vec<_> = (0..3).map(|_| proc.spawn(worker(None))).collect();
    for worker in &workers {
        assert!(group.join(worker));
        assert!(proc.group::<Worker>("all").join(worker));
    }
    let mut watch = group.watch();
    workers[1].kill();
    within(workers[1].wait()).await;
    let left = within(watch.changed()).await;
    assert_eq!(ids(&left), [workers[0].id(), workers[2].id()]);
    assert_eq!(proc.group::<Worker>("all").members().len(), 2);
    assert!(!group.join(&workers[1]), "it has exited");
    assert_eq!(group.members().len(), 2);
}

#[tokio::test]
async fn members_are_picked_in_turn_and_those_that_end_are_not() {
    let proc = proc();
    let group = proc.group::<Worker>("workers");
    assert!(group.pick().is_none());
    let workers: Vec<_> = (0..3).map(|_| proc.spawn(worker(None))).collect();
    workers
        .iter()
        .for_each(|worker| assert!(group.join(worker)));
    let picked: Vec<_> = (0..6).map(|_| group.pick().unwrap().id()).collect();
    for worker in &workers {
        assert_eq!(picked.iter().filter(|id| **id == worker.id()).count(), 2);
    }
    // One that hangs in its handler and was told to stop is still a member.
    workers[0].tell(Hang).unwrap();
    workers[0].stop();
    for _ in 0..6 {
        assert_ne!(group.pick().unwrap().id(), workers[0].id());
    }
    workers[0].kill();
}

#[tokio::test]
async fn ten_thousand_members_come_and_go_without_a_trace() {
    let proc = proc();
    let group = proc.group::<Worker>("workers");
    for _ in 0..100 {
        let workers: Vec<_> = (0..100).map(|_| proc.spawn(worker(None))).collect();
        for worker in &workers {
            assert!(group.join(worker));
            worker.kill();
        }
        for worker in workers {
            within(worker.wait()).await;
        }
        assert!(group.members().is_empty());
    }
}
