//! A map that is read without locks and written rarely.
//!
//! The map is cut into shards; a shard is an immutable map behind an atomic pointer. A reader loads the
//! pointer; a writer copies the shard, under a lock that only writers take. So a look-up costs a hash and
//! two loads at any size, never waits, and holds nothing when it is done; and a thousand procs that are
//! attached one by one copy a thirty-second part of the map each, not all of it.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;

const N_SHARDS: usize = 32;

pub(crate) struct SnapshotMap<K, V> {
    shards: Vec<Shard<K, V>>,
    hasher: RandomState,
}

struct Shard<K, V> {
    map: ArcSwap<Map<K, V>>,
    writer: Mutex<()>,
}

/// One shard at one moment. Its hasher differs from that of the shards, so that the keys of one shard
/// do not share buckets.
pub(crate) type Map<K, V> = HashMap<K, V, RandomState>;

impl<K: Hash + Eq + Clone, V: Clone> SnapshotMap<K, V> {
    pub(crate) fn new() -> Self {
        let shard = || Shard {
            map: ArcSwap::from_pointee(Map::default()),
            writer: Mutex::new(()),
        };
        Self {
            shards: (0..N_SHARDS).map(|_| shard()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Returns the value of `key` as of now.
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.shard(key).map.load().get(key).cloned()
    }

    /// Changes the shard of `key`: `change` sees a copy of all its entries, which readers see once it
    /// returns. It runs under the lock of the shard's writers and must not call out.
    pub(crate) fn change<Q: Hash + Eq + ?Sized, T>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut Map<K, V>) -> T,
    ) -> T
    where
        K: Borrow<Q>,
    {
        let shard = self.shard(key);
        // A panic in `change` leaves the old map in place.
        let writer = shard.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let old = shard.map.load_full();
        let mut map = Map::clone(&old);
        let result = change(&mut map);
        shard.map.store(map.into());
        drop(writer);
        // What was replaced is dropped here, after the lock.
        drop(old);
        result
    }

    pub(crate) fn insert(&self, key: K, value: V) -> Option<V> {
        self.change(&key.clone(), |map| map.insert(key, value))
    }

    /// Inserts, and makes room by dropping any other entry if the map would hold more than about
    /// `limit`.
    pub(crate) fn insert_bounded(&self, key: K, value: V, limit: usize) {
        self.change(&key.clone(), |map| {
            if limit / N_SHARDS <= map.len()
                && let Some(other) = map.keys().find(|other| **other != key).cloned()
            {
                map.remove(&other);
            }
            map.insert(key, value);
        });
    }

    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        // Removing what is not there is common and needs no copy.
        self.get(key)?;
        self.change(key, |map| map.remove(key))
    }

    /// Returns all values as of now.
    pub(crate) fn values(&self) -> Vec<V> {
        let shards = self.shards.iter();
        shards
            .flat_map(|shard| shard.map.load().values().cloned().collect::<Vec<_>>())
            .collect()
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> &Shard<K, V> {
        &self.shards[self.hasher.hash_one(key) as usize % N_SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_behaves_as_a_map() {
        let map = SnapshotMap::new();
        for key in 0..1000_u32 {
            assert_eq!(map.insert(key, key * 2), None);
        }
        assert_eq!(map.insert(7, 1), Some(14));
        assert_eq!(
            (map.get(&7), map.get(&999), map.get(&1000)),
            (Some(1), Some(1998), None)
        );
        assert_eq!(
            (map.remove(&7), map.remove(&7), map.get(&7)),
            (Some(1), None, None)
        );
        assert_eq!(map.values().len(), 999);
    }

    #[test]
    fn a_bounded_map_stays_within_its_limit() {
        let map = SnapshotMap::new();
        for key in 0..10_000_u32 {
            map.insert_bounded(key, (), 320);
            assert!(map.get(&key).is_some());
        }
        assert!(
            map.values().len() <= 320 + N_SHARDS,
            "{}",
            map.values().len()
        );
    }

    #[test]
    fn threads_that_insert_lose_nothing() {
        let map = SnapshotMap::new();
        std::thread::scope(|scope| {
            for thread in 0..4_u32 {
                let map = &map;
                scope.spawn(move || {
                    for key in 0..500 {
                        map.insert((thread, key), ());
                        assert!(map.get(&(thread, key)).is_some());
                    }
                });
            }
        });
        assert_eq!(map.values().len(), 2000);
    }
}
