//! A node of a simulated network: a process on a machine, which listens and connects.

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::sleep;

use super::{
    connection::{Side, Turn},
    fabric::{Attempt, Fabric, NodeLife},
    stream::SimStream,
};

/// A process on a machine of a simulated network, until it is restarted. A clone is the same one.
#[derive(Clone)]
pub struct SimNode {
    fabric: Arc<Fabric>,
    name: Arc<str>,
    me: NodeLife,
}

impl SimNode {
    pub(super) fn new(fabric: Arc<Fabric>, name: &str, me: NodeLife) -> Self {
        let name = name.into();
        Self { fabric, name, me }
    }

    /// Returns the name of the node, which outlives restarts.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns a random number that follows from the seed of the network, for ids and generators of
    /// whatever runs on this node.
    pub fn random(&self) -> u64 {
        self.fabric.act(|state, _| state.rng.u64(..))
    }

    /// Listens under a name, which nobody else in the network may listen under at the same time.
    ///
    /// # Errors
    ///
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) if somebody does,
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the node was restarted.
    pub fn listen(&self, name: &str) -> io::Result<SimListener> {
        let number = self
            .fabric
            .act(|state, now| state.listen(self.me, name, now))?;
        Ok(SimListener {
            fabric: self.fabric.clone(),
            name: name.to_owned(),
            number,
        })
    }

    /// Connects to whoever listens under `name`, which takes one latency. It waits without a limit while a
    /// partition is in the way in either direction, or while 128 connections wait to be accepted there.
    ///
    /// A stream that is returned was not accepted yet, and the listener may go before it is.
    ///
    /// # Errors
    ///
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) if nobody listens there when the request
    /// arrives, [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if this node was restarted.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was connected.
    pub async fn connect(&self, name: &str) -> io::Result<SimStream> {
        let mut underway = None;
        loop {
            let mut changed = pin!(self.fabric.changed.notified());
            changed.as_mut().enable();
            let attempt = self
                .fabric
                .act(|state, now| state.attempt(self.me, name, underway, now))?;
            match attempt {
                Attempt::Connected(number) => {
                    return Ok(SimStream::new(&self.fabric, number, Side::Dialer));
                }
                Attempt::Underway(latency) => {
                    sleep(latency).await;
                    underway = Some(latency);
                }
                // What was lost is sent again, and takes its time again.
                Attempt::Blocked => {
                    underway = None;
                    changed.await;
                }
            }
        }
    }
}

impl fmt::Debug for SimNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SimNode { name, me, .. } = self;
        f.debug_struct("SimNode")
            .field("name", name)
            .field("life", &me.life)
            .finish_non_exhaustive()
    }
}

/// Who listens under a name. When it goes, connections that were not accepted end.
#[derive(Debug)]
pub struct SimListener {
    fabric: Arc<Fabric>,
    name: String,
    number: u64,
}

impl SimListener {
    /// Waits for the next connection.
    ///
    /// # Errors
    ///
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the node was restarted; it will not
    /// accept anything any more.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was accepted.
    pub async fn accept(&mut self) -> io::Result<SimStream> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    pub(super) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<SimStream>> {
        let turn = self
            .fabric
            .act(|state, _| state.poll_accept(&self.name, self.number, cx));
        match turn {
            Turn::Done(accepted) => {
                // There is room for another one.
                self.fabric.changed.notify_waiters();
                let stream = |number| SimStream::new(&self.fabric, number, Side::Listener);
                Poll::Ready(accepted.map(stream))
            }
            Turn::Wait(_) => Poll::Pending,
        }
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.fabric
            .act(|state, now| state.unlisten(&self.name, self.number, now));
        self.fabric.changed.notify_waiters();
    }
}
