//! The actor types that can be spawned by name, of all crates that are linked into this program.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::OnceLock;

use hypermesh_wire::{Payload, TypeKey, decode};

use crate::actor::{RemoteSpawn, short_type_name};
use crate::birth::{Birth, CreateFault, Obstacle};
use crate::catch::{self, Panic};
use crate::env::Env;
use crate::failure::{Failure, FailureCause, Phase};
use crate::proc::Proc;
use crate::run::Source;
use crate::settings::SPAWN_TIMEOUT;
use crate::spawn::NewName;

/// One actor type that can be spawned by name.
///
/// `#[actor(spawn = "name")]` registers it.
#[derive(Debug)]
pub struct SpawnEntry {
    name: &'static str,
    module: &'static str,
    line: u32,
    key: TypeKey,
    start: Start,
}

/// Starts an actor with encoded parameters.
type Start = fn(&Proc, NewName, Payload, Birth);

inventory::collect!(SpawnEntry);

impl SpawnEntry {
    /// Returns the entry of the actor type `A`.
    #[doc(hidden)]
    pub const fn of<A: RemoteSpawn>(name: &'static str, module: &'static str, line: u32) -> Self {
        Self {
            name,
            module,
            line,
            key: A::KEY,
            start: start::<A>,
        }
    }

    /// Returns the name that the type is spawned by.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn start(&self, proc: &Proc, name: NewName, params: Payload, birth: Birth) {
        (self.start)(proc, name, params, birth);
    }
}

impl fmt::Display for SpawnEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.module, self.line)
    }
}

/// Error of [`check`]: two actor types are spawned by one name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two actor types are spawned as {name:?}: {first} and {second}")]
pub struct DuplicateSpawnName {
    /// The name.
    pub name: &'static str,
    /// Where the first is declared.
    pub first: String,
    /// Where the second is declared.
    pub second: String,
}

/// Checks that no two actor types are spawned by one name.
///
/// Every proc does it when it is made.
///
/// # Errors
///
/// [`DuplicateSpawnName`] names the first two types that collide.
pub fn check() -> Result<(), DuplicateSpawnName> {
    check_all(inventory::iter::<SpawnEntry>.into_iter())
}

/// Returns the names that actors of this program are spawned by.
pub fn spawn_names() -> impl Iterator<Item = &'static str> {
    inventory::iter::<SpawnEntry>
        .into_iter()
        .map(SpawnEntry::name)
}

/// Returns the name that actors of type `A` are spawned by, if `#[actor(spawn = "name")]` gives one.
pub fn spawn_name<A: RemoteSpawn>() -> Option<&'static str> {
    let mut entries = inventory::iter::<SpawnEntry>.into_iter();
    entries
        .find(|entry| entry.key == A::KEY)
        .map(SpawnEntry::name)
}

/// Returns the entry called `name`.
pub(crate) fn find(name: &str) -> Option<&'static SpawnEntry> {
    static BY_NAME: OnceLock<HashMap<&'static str, &'static SpawnEntry>> = OnceLock::new();
    let entries = || {
        inventory::iter::<SpawnEntry>
            .into_iter()
            .map(|e| (e.name, e))
            .collect()
    };
    BY_NAME.get_or_init(entries).get(name).copied()
}

fn check_all<'a>(entries: impl Iterator<Item = &'a SpawnEntry>) -> Result<(), DuplicateSpawnName> {
    let mut sorted: Vec<&SpawnEntry> = entries.collect();
    sorted.sort_by_key(|entry| (entry.name, entry.module, entry.line));
    match sorted.windows(2).find(|pair| pair[0].name == pair[1].name) {
        None => Ok(()),
        Some(pair) => Err(DuplicateSpawnName {
            name: pair[0].name,
            first: pair[0].to_string(),
            second: pair[1].to_string(),
        }),
    }
}

fn start<A: RemoteSpawn>(proc: &Proc, name: NewName, params: Payload, birth: Birth) {
    let obstacle = birth.obstacle();
    let create = |env| Source::Create(create::<A>(env, params, obstacle));
    proc.spawn_source(name, create, birth);
}

/// Returns the future that makes the actor, in the actor's own task.
fn create<A: RemoteSpawn>(
    env: Env,
    params: Payload,
    obstacle: Obstacle,
) -> Pin<Box<dyn Future<Output = Result<A, Failure>> + Send>> {
    Box::pin(async move {
        let fail =
            |text: String| Failure::new(FailureCause::Create, env.actor_id(), env.label(), text);
        let params: A::Params = match catch::call(|| decode(&params)) {
            Ok(Ok(params)) => params,
            Ok(Err(error)) => {
                let name = short_type_name::<A>();
                obstacle.set(CreateFault::Params(error.to_string()));
                return Err(fail(format!(
                    "the parameters of {name} do not decode: {error}"
                )));
            }
            Err(Panic { text, .. }) => {
                obstacle.set(CreateFault::Params(format!("decoding panicked: {text}")));
                return Err(fail(format!("decoding the parameters panicked: {text}")));
            }
        };
        let limit = SPAWN_TIMEOUT.get();
        let create = A::create(params, &env);
        let created = match limit.is_zero() {
            true => Ok(create.await),
            false => tokio::time::timeout(limit, create).await,
        };
        match created {
            Ok(Ok(actor)) => Ok(actor),
            Ok(Err(error)) => Err(Failure::of_error(
                Phase::Create,
                env.actor_id(),
                env.label(),
                &error,
            )),
            Err(_) => {
                obstacle.set(CreateFault::Deadline(limit));
                Err(fail(format!("create took longer than {limit:?}")))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &'static str, line: u32) -> SpawnEntry {
        SpawnEntry {
            name,
            module: "app",
            line,
            key: TypeKey::of(name),
            start: |_, _, _, _| (),
        }
    }

    #[test]
    fn two_types_under_one_name_are_both_named() {
        let entries = [entry("a", 1), entry("b", 2), entry("a", 3)];
        let error = check_all(entries.iter()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "two actor types are spawned as \"a\": app line 1 and app line 3"
        );
        assert_eq!(check_all(entries[..2].iter()), Ok(()));
    }
}
