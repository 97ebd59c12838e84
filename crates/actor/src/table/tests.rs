//! Keys and generations of actors that no task drives.

use hypermesh_mailbox::channel::ChannelTransport;
use hypermesh_mailbox::{Gateway, GatewayOptions};
use tokio::runtime::Handle;

use super::*;
use crate::agent::ProcAgent;
use crate::cell::{Cell, Core, Label};
use crate::proc::{Proc, ProcOptions};
use crate::spawn::SpawnError;

fn proc() -> Proc {
    let runtime = Handle::current();
    let options = GatewayOptions::new(runtime.clone(), ChannelTransport::Local);
    let gateway = Gateway::new(options);
    let (id, name) = (ProcId::new(1, 0, 0), "test".to_owned());
    Proc::new(ProcOptions {
        id,
        name,
        gateway,
        runtime,
    })
    .unwrap()
}

/// A table with cells that no task drives.
struct Rig {
    proc: Proc,
    table: Table,
}

impl Rig {
    fn new() -> Self {
        Self {
            proc: proc(),
            table: Table::new(ProcId::new(1, 0, 0)),
        }
    }

    fn add(&self, key: NewKey<'_>, label: &str) -> Result<Arc<Cell<ProcAgent>>, Refused> {
        let label = Label::Name(label.into());
        let make = |id| Arc::new(Cell::new(Core::new(id, label, self.proc.clone(), None), 1));
        self.table.add(key, make)
    }

    fn add_name(&self, name: &str, generation: Option<u32>) -> Result<ActorId, Refused> {
        let cell = self.add(NewKey::Named { name, generation }, name)?;
        Ok(cell.core().id())
    }
}

#[tokio::test]
async fn inv1_a_name_is_taken_while_its_actor_lives() {
    let rig = Rig::new();
    let first = rig.add_name("a", None).unwrap();
    assert_eq!(
        rig.add_name("a", None),
        Err(Refused::InUse(first, "a".to_owned()))
    );
    rig.table.release(first, &Exit::Stopped);
    assert!(rig.add_name("a", None).is_ok());
}

#[tokio::test]
async fn inv1_the_place_of_an_exited_actor_is_free_before_it_leaves() {
    let rig = Rig::new();
    let key = NewKey::Named {
        name: "a",
        generation: None,
    };
    let first = rig.add(key, "a").unwrap();
    first.stillborn(Exit::Stopped);
    let second = rig.add(key, "a").unwrap();
    assert_ne!(first.core().id(), second.core().id());
    rig.table.release(first.core().id(), &Exit::Stopped);
    assert!(
        rig.table.find(second.core().id()).is_ok(),
        "the late leaver took no other's place"
    );
}

#[tokio::test]
async fn inv1_two_names_with_one_key_never_share_an_id() {
    let proc = proc();
    let rig = Rig {
        table: Table::new(*proc.id()),
        proc,
    };
    // A name whose key is that of "a" cannot be found, so a cell of another name is planted there.
    let key = NewKey::Named {
        name: "a",
        generation: None,
    };
    let make = |id| {
        let label = Label::Name("b".into());
        Arc::new(Cell::<ProcAgent>::new(
            Core::new(id, label, rig.proc.unowned(), None),
            1,
        ))
    };
    let planted = rig.proc.shared().table.add(key, make).unwrap();
    match rig.proc.spawn_named("a", ProcAgent::new()) {
        Err(SpawnError::KeyInUse {
            name, other, actor, ..
        }) => {
            assert_eq!((name.as_str(), other.as_str()), ("a", "b"));
            assert_eq!(actor, planted.core().id());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn inv2_no_id_is_given_twice() {
    let rig = Rig::new();
    let mut seen = std::collections::HashSet::new();
    for round in 0..300 {
        for name in ["a", "b"] {
            let id = rig.add_name(name, None).unwrap();
            assert!(seen.insert(id), "{id} in round {round}");
            rig.table.release(id, &Exit::Stopped);
        }
        let id = rig.add(NewKey::Unnamed, "x").unwrap().core().id();
        assert!(seen.insert(id), "{id} in round {round}");
    }
}

#[tokio::test]
async fn inv2_a_computed_id_of_a_dead_actor_is_refused() {
    let rig = Rig::new();
    let first = rig.add_name("a", Some(0)).unwrap();
    assert_eq!(first, ProcId::new(1, 0, 0).named_actor("a"));
    rig.table.release(first, &Exit::Stopped);
    assert_eq!(
        rig.add_name("a", Some(0)),
        Err(Refused::InUse(first, "a".to_owned()))
    );
    assert!(rig.add_name("a", Some(1)).is_ok());
}

#[tokio::test]
async fn inv2_a_later_incarnation_has_a_later_generation_and_answers_to_the_refs_of_those_before() {
    let rig = Rig::new();
    let unnamed = rig.add(NewKey::Unnamed, "x").unwrap().core().id();
    for first in [rig.add_name("a", None).unwrap(), unnamed] {
        let mut old = rig.table.find(first).unwrap();
        let mut line = vec![first];
        // More than there are exits that are remembered.
        for _ in 0..150 {
            let of = old.core().id();
            let failure = crate::failure::FailureCause::Handler;
            let failure = crate::failure::Failure::new(failure, of, "a", "no disk");
            rig.table.release(of, &Exit::Failed(failure));
            let label = old.core().own_label();
            let make = |id| {
                let core = Core::new(id, label, rig.proc.clone(), None).heir_of(old.core());
                Arc::new(Cell::<ProcAgent>::new(core, 1))
            };
            let heir = rig.table.add(NewKey::Heir { of }, make).unwrap();
            let id = heir.core().id();
            assert!(of.generation < id.generation && of.actor == id.actor);
            old = heir;
            line.push(id);
        }
        for id in &line {
            let found = rig.table.find_heir(*id).unwrap();
            assert_eq!(Some(&found.core().id()), line.last());
            assert_eq!(rig.table.find(*id).is_ok(), Some(id) == line.last());
        }
    }
}

#[tokio::test]
async fn inv2_who_had_a_name_in_between_has_no_earlier_incarnation() {
    let rig = Rig::new();
    let of = rig.add_name("a", None).unwrap();
    let heir = || {
        rig.add(NewKey::Heir { of }, "a")
            .map(|heir| heir.core().id())
    };
    rig.table.release(of, &Exit::Stopped);
    let other = rig.add_name("a", None).unwrap();
    assert_eq!(heir(), Err(Refused::InUse(other, "a".to_owned())));
    rig.table.release(other, &Exit::Stopped);
    let refused = Refused::InUse(other, "another actor".to_owned());
    assert_eq!(heir(), Err(refused));
}

#[tokio::test]
async fn inv3_a_closed_table_takes_nobody() {
    let rig = Rig::new();
    rig.table.close();
    assert_eq!(rig.add_name("a", None), Err(Refused::Closed));
}
