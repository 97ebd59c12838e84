//! One link for each address, dialled on first use and replaced when it has ended.
//!
//! # Invariants
//!
//! - **INV-1**: an address has one link at a time, however many threads send to it first.
//! - **INV-2**: no lock of the cache is held while an address is dialled or a parcel posted.
//! - **INV-3**: a link that ended is replaced by the next use, but an address is not dialled more than
//!   once in [`REDIAL_PAUSE`].

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use hypermesh_channel::{ChannelAddr, Endpoint, FailReason, Link, TryPostError};
use tokio::time::Instant;

use crate::Cause;
use crate::outbound::Outbound;
use crate::snapshot_map::SnapshotMap;

/// How long a link that failed is left alone before its address is dialled again.
const REDIAL_PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Links {
    by_addr: SnapshotMap<Arc<ChannelAddr>, Arc<Slot>>,
}

/// The link of an address. Whoever comes first dials; the others wait for that, which is short, as
/// dialling goes on in the background.
pub(crate) struct Slot {
    link: OnceLock<Result<Link<Outbound>, Cause>>,
    since: Instant,
    /// Whether a link before this one had reached a peer.
    was_reached: bool,
}

impl Links {
    pub(crate) fn new() -> Self {
        Self {
            by_addr: SnapshotMap::new(),
        }
    }

    /// Returns the link to `addr`, alive or not.
    pub(crate) fn find(&self, addr: &ChannelAddr) -> Option<Arc<Slot>> {
        self.by_addr.get(addr)
    }

    /// Returns the link to `addr`, a new one if there is none.
    pub(crate) fn open(&self, addr: &Arc<ChannelAddr>) -> Arc<Slot> {
        self.replace(addr, None)
    }

    /// Posts `parcel` on the link `slot` to `addr`, or gives it back and tells why not.
    #[expect(
        clippy::result_large_err,
        reason = "the parcel moves back as it moved in"
    )]
    pub(crate) fn post(
        &self,
        endpoint: &Endpoint,
        addr: &Arc<ChannelAddr>,
        slot: &Arc<Slot>,
        parcel: Outbound,
    ) -> Result<(), (Outbound, Cause)> {
        let (parcel, cause) = match slot.post(endpoint, addr, parcel) {
            Ok(()) => return Ok(()),
            Err(failed) => failed,
        };
        // The link has ended, or the cause is the parcel's own; only the first is worth another try.
        if !matches!(cause, Cause::LinkFailed(_)) || slot.since.elapsed() < REDIAL_PAUSE {
            return Err((parcel, cause));
        }
        self.replace(addr, Some(slot)).post(endpoint, addr, parcel)
    }

    /// Returns the link to `addr`: a new one if there is none, or only the one that `ended` (INV-1).
    fn replace(&self, addr: &Arc<ChannelAddr>, ended: Option<&Arc<Slot>>) -> Arc<Slot> {
        let usable = |slot: &&Arc<Slot>| ended.is_none_or(|ended| !Arc::ptr_eq(slot, ended));
        self.by_addr.change(&**addr, |slots| {
            if let Some(slot) = slots.get(&**addr).filter(usable) {
                return slot.clone();
            }
            let slot = Arc::new(Slot {
                link: OnceLock::new(),
                since: Instant::now(),
                was_reached: ended.is_some_and(|ended| ended.has_reached()),
            });
            slots.insert(addr.clone(), slot.clone());
            slot
        })
    }

    /// Ends the link to `addr`, if there is one: whoever was there is gone.
    pub(crate) fn end(&self, addr: &ChannelAddr) {
        let slot = self.by_addr.get(addr);
        if let Some(Ok(link)) = slot.as_ref().and_then(|slot| slot.link.get()) {
            link.end();
        }
    }

    /// Waits until all that was posted so far has an outcome, and returns how many have none by then.
    pub(crate) async fn flush(&self, timeout: Duration) -> usize {
        let slots = self.by_addr.values();
        let links = slots
            .iter()
            .filter_map(|slot| slot.link.get()?.as_ref().ok());
        join_all(links.map(|link| link.flush(timeout)))
            .await
            .into_iter()
            .sum()
    }
}

impl Slot {
    /// Returns whether this link, or one before it, has reached a peer.
    fn has_reached(&self) -> bool {
        let link = self.link.get().and_then(|link| link.as_ref().ok());
        self.was_reached || link.is_some_and(|link| link.peer().is_some())
    }

    #[expect(
        clippy::result_large_err,
        reason = "the parcel moves back as it moved in"
    )]
    fn post(
        &self,
        endpoint: &Endpoint,
        addr: &ChannelAddr,
        parcel: Outbound,
    ) -> Result<(), (Outbound, Cause)> {
        let link = self.link.get_or_init(|| {
            let link = if self.was_reached {
                endpoint.redial_link(addr)
            } else {
                endpoint.dial_link(addr)
            };
            link.map_err(|error| Cause::LinkFailed(error.to_string().into()))
        });
        match link {
            Err(cause) => Err((parcel, cause.clone())),
            Ok(link) => link
                .try_post(parcel)
                .map_err(|TryPostError { parcel, reason }| {
                    let cause = cause_of_failure(&reason);
                    (parcel, cause)
                }),
        }
    }
}

/// Returns why a message was not delivered, in terms of delivery.
pub(crate) fn cause_of_failure(reason: &FailReason) -> Cause {
    match reason {
        FailReason::TooLarge { len, max } => Cause::TooLarge {
            len: *len,
            max: *max,
        },
        FailReason::QueueFull { .. } => Cause::QueueFull,
        FailReason::TooManyParts { .. } => Cause::Encode(reason.to_string().into()),
        _ => Cause::LinkFailed(with_sources(reason).into()),
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
