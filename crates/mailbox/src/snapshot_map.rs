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
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;

const N_SHARDS: usize = 32;

/// The map. Its hash `S` may be another one where no peer can choose the keys.
pub(crate) struct SnapshotMap<K, V, S = RandomState> {
    shards: Vec<Shard<K, V, S>>,
    hasher: S,
    /// The number of entries, changed within the change of a shard, after its map.
    len: AtomicUsize,
}

struct Shard<K, V, S> {
    map: ArcSwap<Map<K, V, S>>,
    writer: Mutex<()>,
}

/// One shard at one moment. Its hasher differs from that of the shards, so that the keys of one shard
/// do not share buckets.
pub(crate) type Map<K, V, S> = HashMap<K, V, S>;

impl<K, V, S> SnapshotMap<K, V, S>
where
    K: Hash + Eq + Clone,
    V: Clone,
    S: BuildHasher + Clone + Default,
{
    pub(crate) fn new() -> Self {
        let shard = || Shard {
            map: ArcSwap::from_pointee(Map::default()),
            writer: Mutex::new(()),
        };
        Self {
            shards: (0..N_SHARDS).map(|_| shard()).collect(),
            hasher: S::default(),
            len: AtomicUsize::new(0),
        }
    }

    /// Returns the value of `key` as of now.
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        // Whoever knows of an entry also sees that it was counted.
        if self.len.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.shard(key).map.load().get(key).cloned()
    }

    /// Changes the shard of `key`: `change` sees a copy of all its entries, which readers see once it
    /// returns. It runs under the lock of the shard's writers and must not call out.
    pub(crate) fn change<Q: Hash + Eq + ?Sized, T>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut Map<K, V, S>) -> T,
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
        let len = map.len();
        shard.map.store(map.into());
        // Under the lock, so that an entry is counted before it can be removed.
        match len.checked_sub(old.len()) {
            Some(more) => self.len.fetch_add(more, Ordering::Release),
            None => self.len.fetch_sub(old.len() - len, Ordering::Release),
        };
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

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> &Shard<K, V, S> {
        &self.shards[self.hasher.hash_one(key) as usize % N_SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_behaves_as_a_map() {
        let map: SnapshotMap<u32, u32> = SnapshotMap::new();
        assert_eq!(map.get(&0), None);
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
        for key in 0..1000_u32 {
            map.remove(&key);
        }
        assert_eq!((map.get(&1), map.insert(1, 1)), (None, None));
        assert_eq!(map.get(&1), Some(1));
    }

    #[test]
    fn a_bounded_map_stays_within_its_limit() {
        let map: SnapshotMap<u32, ()> = SnapshotMap::new();
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
        let map: SnapshotMap<(u32, u32), ()> = SnapshotMap::new();
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
