//! The streams of a mesh's events.

use hypermesh_alloc::Alloc;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::oneshot;

use crate::event::{ActorEvent, ProcEvent};
use crate::pump::Command;

/// A stream of what happens to the procs of a mesh.
///
/// Events are collected in the background, whether or not anybody asks for them here.
#[derive(Debug)]
pub struct ProcEvents {
    events: UnboundedReceiver<ProcEvent>,
    commands: mpsc::Sender<Command>,
}

impl ProcEvents {
    pub(crate) fn new(
        events: UnboundedReceiver<ProcEvent>,
        commands: mpsc::Sender<Command>,
    ) -> ProcEvents {
        ProcEvents { events, commands }
    }

    /// Returns the next event, or `None` when the alloc has ended and every event was taken.
    ///
    /// # Cancel safety
    ///
    /// No event is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<ProcEvent> {
        self.events.recv().await
    }

    /// Ends this stream and gives back the alloc of the mesh, to whoever asks first.
    ///
    /// The procs live on and the mesh keeps working; from then on it ends its procs through their
    /// agents, and learns of their ends from these. `None` if the mesh was dropped, which ended the
    /// alloc, or if it never had one.
    pub async fn into_alloc(self) -> Option<Box<dyn Alloc + Send + Sync>> {
        let (answer, alloc) = oneshot::channel();
        self.commands.send(Command::Release(answer)).await.ok()?;
        alloc.await.ok().flatten()
    }
}

/// A stream of what happens to the members of an actor mesh.
///
/// Events are collected in the background, whether or not anybody asks for them here.
#[derive(Debug)]
pub struct ActorEvents {
    events: UnboundedReceiver<ActorEvent>,
}

impl ActorEvents {
    pub(crate) fn new(events: UnboundedReceiver<ActorEvent>) -> ActorEvents {
        ActorEvents { events }
    }

    /// Returns the next event, or `None` when every member has ended and every event was taken.
    ///
    /// # Cancel safety
    ///
    /// No event is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<ActorEvent> {
        self.events.recv().await
    }
}
