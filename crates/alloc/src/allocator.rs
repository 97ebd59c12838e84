//! The contract between those who start procs and those who use them.

use std::{error::Error, time::Duration};

use async_trait::async_trait;
use hypermesh_ndslice::{Extent, Shape};
use tokio::time::timeout;

use crate::{
    actor::mailbox::{
        Gateway, ProcId, ServeError, WorldId,
        channel::{ChannelAddr, ChannelTransport},
    },
    proc_state::{ProcState, ProcStopReason},
    settings::PROCESS_EXIT_TIMEOUT,
    spec::AllocSpec,
};

/// How long a stop may take beyond the time in which every proc has been killed.
const STOP_MARGIN: Duration = Duration::from_secs(5);

/// Someone who starts procs.
#[async_trait]
pub trait Allocator {
    /// What it returns.
    type Alloc: Alloc;

    /// Begins to start one proc per rank of the extent in `spec`.
    ///
    /// Success means that the start has begun; how it goes is told by [`Alloc::next`].
    ///
    /// # Errors
    ///
    /// [`AllocatorError`] if it cannot begin; nothing has been started then.
    async fn allocate(&mut self, spec: AllocSpec) -> Result<Self::Alloc, AllocatorError>;
}

/// Procs that were started together, one per rank of an extent.
///
/// Dropping it ends its procs.
#[async_trait]
pub trait Alloc: Send + Sync {
    /// Returns what happened next to a proc, or `None`, and then for ever, once all are gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    async fn next(&mut self) -> Option<ProcState>;

    /// Returns what was asked for.
    fn spec(&self) -> &AllocSpec;

    /// Returns the shape of the ranks.
    fn extent(&self) -> &Extent {
        &self.spec().extent
    }

    /// Returns all ranks of the extent as a shape.
    fn shape(&self) -> Shape {
        Shape::from(self.extent().clone())
    }

    /// Returns the world of the procs; no two allocations share one.
    fn world_id(&self) -> &WorldId;

    /// Returns how the procs are reached.
    fn transport(&self) -> ChannelTransport {
        self.spec().transport
    }

    /// Begins to stop every proc; [`next`](Self::next) tells when they are gone. A further call
    /// does no harm.
    ///
    /// # Errors
    ///
    /// [`AllocatorError`] if the procs cannot be asked.
    async fn stop(&mut self) -> Result<(), AllocatorError>;

    /// Stops every proc and waits until all are gone; what [`next`](Self::next) would have told
    /// meanwhile is dropped.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop), and [`AllocatorError::StopTimeout`] if some proc is left.
    async fn stop_and_wait(&mut self) -> Result<(), AllocatorError> {
        self.stop().await?;
        let within = PROCESS_EXIT_TIMEOUT.get() + STOP_MARGIN;
        let drained = timeout(within, async { while self.next().await.is_some() {} }).await;
        drained.map_err(|_| AllocatorError::StopTimeout { within })
    }

    /// Returns whether the procs live in this process.
    fn is_local(&self) -> bool {
        false
    }

    /// Returns where the procs reach the one who allocated them.
    fn client_router_addr(&self) -> ChannelAddr;

    /// Returns the gateway of this process by which the procs are reached, if the allocation has
    /// one. A client on the same gateway reaches procs in this process without encoding anything.
    fn gateway(&self) -> Option<Gateway> {
        None
    }

    /// Returns the proc that relays casts for all procs behind `addr`; `None` leaves it to the first
    /// of those that are addressed.
    fn relay(&self, addr: &ChannelAddr) -> Option<ProcId> {
        _ = addr;
        None
    }
}

#[async_trait]
impl<A: Alloc + ?Sized> Alloc for Box<A> {
    async fn next(&mut self) -> Option<ProcState> {
        (**self).next().await
    }

    fn spec(&self) -> &AllocSpec {
        (**self).spec()
    }

    fn extent(&self) -> &Extent {
        (**self).extent()
    }

    fn shape(&self) -> Shape {
        (**self).shape()
    }

    fn world_id(&self) -> &WorldId {
        (**self).world_id()
    }

    fn transport(&self) -> ChannelTransport {
        (**self).transport()
    }

    async fn stop(&mut self) -> Result<(), AllocatorError> {
        (**self).stop().await
    }

    async fn stop_and_wait(&mut self) -> Result<(), AllocatorError> {
        (**self).stop_and_wait().await
    }

    fn is_local(&self) -> bool {
        (**self).is_local()
    }

    fn client_router_addr(&self) -> ChannelAddr {
        (**self).client_router_addr()
    }

    fn gateway(&self) -> Option<Gateway> {
        (**self).gateway()
    }

    fn relay(&self, addr: &ChannelAddr) -> Option<ProcId> {
        (**self).relay(addr)
    }
}

/// Error of starting or stopping procs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AllocatorError {
    /// The allocation ended before every rank of this extent was running.
    #[error("the allocation ended before every rank of {0} was running")]
    Incomplete(Extent),
    /// There is no room for so many procs.
    #[error("{requested} procs were requested and there is room for {available}")]
    NotEnoughResources {
        /// How many were asked for.
        requested: usize,
        /// How many there is room for.
        available: usize,
    },
    /// Some ranks were not ready in time.
    #[error(
        "ranks {ranks:?} were not ready within {within:?}; does the `main` of their program reach \
         the bootstrap entry point?"
    )]
    Timeout {
        /// How long they had.
        within: Duration,
        /// The ranks that were not ready.
        ranks: Vec<usize>,
    },
    /// A proc ended before it was ready.
    #[error(
        "rank {rank} ended before it was ready: {reason}\n(if that is no failure of the program \
         itself: does its `main` reach the bootstrap entry point?)"
    )]
    EarlyExit {
        /// Its rank.
        rank: usize,
        /// How it ended.
        reason: ProcStopReason,
    },
    /// A proc could not be created.
    #[error("a proc could not be created: {description}")]
    ProcFailed {
        /// Which rank, and what happened.
        description: String,
    },
    /// Some procs were not gone in time after they had been told to stop.
    #[error("some procs were still there {within:?} after they had been told to stop")]
    StopTimeout {
        /// How long they had.
        within: Duration,
    },
    /// The allocator cannot start procs that are reached in this way.
    #[error("{allocator} cannot start procs that are reached over {transport}")]
    Transport {
        /// The allocator.
        allocator: &'static str,
        /// The transport asked for.
        transport: ChannelTransport,
    },
    /// This process cannot be reached by the procs.
    #[error("the procs would not reach this process")]
    Serve(#[from] ServeError),
    /// Something that only this kind of allocator knows.
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}
