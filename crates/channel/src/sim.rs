//! A network in memory, with faults, under which everything else is the real code.
//!
//! It is for tests under the paused clock of tokio on a runtime of one thread, where waiting takes no time
//! and what happens follows from the seed. It runs no task: whoever waits for bytes has the timer.

use std::sync::Arc;

mod conditions;
mod connection;
mod fabric;
mod faults;
mod node;
mod stream;
mod trace;

pub use self::{
    conditions::SimConditions,
    node::{SimListener, SimNode},
    stream::{SimReader, SimStream, SimWriter},
};
use self::{connection::Connection, fabric::Fabric};

/// A simulated network. A clone is the same network; two networks share nothing.
///
/// An endpoint whose [options](crate::EndpointOptions::sim) name a node of it serves and dials `sim:` addresses
/// there, over everything else that other addresses are served and dialled with. A
/// [restart](Self::restart) of the node is the end of the process that such an endpoint is in: the endpoint is to be
/// dropped or shut down then, and another one made on the new node.
///
/// Nodes are named; a name that was not used before is a new node. Streams behave like TCP connections:
/// bytes arrive in order or not at all, and a partition delays them.
///
/// With the same seed, the same calls on a paused clock and a runtime of one thread, everything happens
/// again in the same way. A `select!` that is not `biased` and the order of a hash map are not the same
/// calls.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use hypermesh_channel::{SimConditions, SimNetwork};
/// use tokio::{
///     io::{AsyncReadExt, AsyncWriteExt},
///     time::Instant,
/// };
///
/// # let mut builder = tokio::runtime::Builder::new_current_thread();
/// # builder.enable_time().start_paused(true).build()?.block_on(async {
/// let network = SimNetwork::new(1);
/// let hour = Duration::from_secs(3600);
/// network.set_default_conditions(SimConditions::new(hour..=hour));
/// let mut listener = network.node("far").listen("service")?;
///
/// let start = Instant::now();
/// let (_, mut writer) = network.node("near").connect("service").await?.split();
/// writer.write_all(b"hello").await?;
/// drop(writer);
/// let (mut reader, _) = listener.accept().await?.split();
/// let mut text = String::new();
/// reader.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// assert_eq!(start.elapsed(), 2 * hour);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Two endpoints that lose their connection, and nothing else:
///
/// ```
/// use hypermesh_channel::{ChannelAddr, Endpoint, EndpointOptions, SimNetwork};
/// use tokio::{runtime::Handle, time::Duration};
///
/// # let mut builder = tokio::runtime::Builder::new_current_thread();
/// # builder.enable_time().start_paused(true).build()?.block_on(async {
/// let network = SimNetwork::new(1);
/// let endpoint = |node: &str| {
///     let mut options = EndpointOptions::new(Handle::current());
///     options.sim = Some(network.node(node));
///     Endpoint::new(options)
/// };
/// let (near, far) = (endpoint("near"), endpoint("far"));
/// let addr: ChannelAddr = "sim:service".parse()?;
/// let (addr, mut rx) = far.serve::<String>(addr)?;
/// let tx = near.dial::<String>(&addr)?;
/// tx.send("one".to_owned()).await?;
/// network.cut("near", "far");
/// tx.send("two".to_owned()).await?;
/// assert_eq!(rx.recv().await?, "one");
/// assert_eq!(rx.recv().await?, "two");
/// near.shutdown(Duration::from_secs(1)).await;
/// far.shutdown(Duration::from_secs(1)).await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SimNetwork {
    fabric: Arc<Fabric>,
}

impl SimNetwork {
    /// Returns a network without nodes, whose time starts now. All that is random in it is drawn from
    /// `seed`. To be called where tokio's clock is the one of the test.
    pub fn new(seed: u64) -> Self {
        let fabric = Arc::new(Fabric::new(seed));
        Self { fabric }
    }

    /// Returns the node of that name, as it is since its last restart.
    pub fn node(&self, name: &str) -> SimNode {
        let me = self.fabric.act(|state, _| state.node(name));
        SimNode::new(self.fabric.clone(), name, me)
    }

    /// Sets the conditions between all nodes that were given none of their own.
    ///
    /// A latency holds for connections that are opened later, a bandwidth for what is written later.
    pub fn set_default_conditions(&self, conditions: SimConditions) {
        self.fabric
            .act(|state, _| state.set_default_conditions(conditions));
    }

    /// Sets the conditions between two nodes, in both directions, like
    /// [`set_default_conditions`](Self::set_default_conditions).
    pub fn set_conditions(&self, a: &str, b: &str, conditions: SimConditions) {
        self.fabric.act(|state, now| {
            let (a, b) = (state.node(a).node, state.node(b).node);
            state.set_conditions(a, b, conditions.clone(), now);
            state.set_conditions(b, a, conditions, now);
        });
    }

    /// Resets all connections between two nodes, now and at both ends: a reader gets
    /// [`ConnectionReset`](std::io::ErrorKind::ConnectionReset) after what had arrived, a writer at once.
    pub fn cut(&self, a: &str, b: &str) {
        self.strike("cut", a, b, Connection::cut);
    }

    /// Makes all connections between two nodes half-open for ever: nothing more arrives, neither bytes nor
    /// an end, and nobody is told. A writer waits when it has filled the connection. Connections that are
    /// opened later are not concerned.
    pub fn half_open(&self, a: &str, b: &str) {
        self.strike("half-open", a, b, |connection, now, _| {
            connection.silence(now);
        });
    }

    /// Lets nothing through between two nodes until they are [healed](Self::heal); what is under way arrives
    /// after that. A connection is not opened meanwhile.
    pub fn partition(&self, a: &str, b: &str) {
        self.partition_one_way(a, b);
        self.partition_one_way(b, a);
    }

    /// Lets nothing through in one direction, like [`partition`](Self::partition). No connection is opened
    /// in either direction; what is written in the other direction arrives.
    pub fn partition_one_way(&self, from: &str, to: &str) {
        self.fabric.act(|state, now| {
            state.note(now, format_args!("fault: partition {from}>{to}"));
            let (from, to) = (state.node(from).node, state.node(to).node);
            state.block(from, to, now);
        });
    }

    /// Ends a partition between two nodes, in both directions.
    pub fn heal(&self, a: &str, b: &str) {
        self.fabric.act(|state, now| {
            state.note(now, format_args!("heal {a} {b}"));
            let (a, b) = (state.node(a).node, state.node(b).node);
            state.unblock(a, b, now);
            state.unblock(b, a, now);
        });
        self.fabric.changed.notify_waiters();
    }

    /// Ends all partitions.
    pub fn heal_all(&self) {
        self.fabric.act(|state, now| {
            state.note(now, format_args!("heal all"));
            for (from, to) in state.blocked() {
                state.unblock(from, to, now);
            }
        });
        self.fabric.changed.notify_waiters();
    }

    /// Stops a node like a process that is stopped: what it waits for in this network does not come, until
    /// it is [thawed](Self::thaw). Its connections stay, and what is sent to it arrives up to their
    /// capacity. Its other timers go on.
    pub fn freeze(&self, node: &str) {
        self.set_frozen(node, true);
    }

    /// Lets a frozen node go on.
    pub fn thaw(&self, node: &str) {
        self.set_frozen(node, false);
    }

    /// Ends the process of a node, and returns the next one, which is not frozen.
    ///
    /// Connections and listeners of the old one are reset at once, and it can open none any more. Of what it
    /// had sent and what had not arrived, a random part arrives; then the other ends get
    /// [`ConnectionReset`](std::io::ErrorKind::ConnectionReset).
    pub fn restart(&self, node: &str) -> SimNode {
        let me = self.fabric.act(|state, now| {
            state.note(now, format_args!("fault: restart {node}"));
            let node = state.node(node).node;
            state.restart(node, now)
        });
        self.fabric.changed.notify_waiters();
        SimNode::new(self.fabric.clone(), node, me)
    }

    /// Returns what happened, one event a line: the seconds since the start, the connection, the node, what it
    /// did and how many bytes that were, of written ones with a sum. Of a long trace it is the last
    /// 2 to 4 MiB, after a line with a sum of the earlier ones.
    ///
    /// Two runs of one seed give the same bytes, if the program too draws all that is random from the seed.
    pub fn trace(&self) -> String {
        self.fabric.act(|state, _| state.trace.text())
    }

    fn strike(
        &self,
        what: &str,
        a: &str,
        b: &str,
        fault: fn(&mut Connection, tokio::time::Instant, &mut connection::Wakers),
    ) {
        self.fabric.act(|state, now| {
            state.note(now, format_args!("fault: {what} {a} {b}"));
            let nodes = (state.node(a).node, state.node(b).node);
            state.strike(nodes, |connection, wakers| fault(connection, now, wakers));
        });
    }

    fn set_frozen(&self, node: &str, is_frozen: bool) {
        let what = if is_frozen { "fault: freeze" } else { "thaw" };
        self.fabric.act(|state, now| {
            state.note(now, format_args!("{what} {node}"));
            let node = state.node(node).node;
            state.set_frozen(node, is_frozen);
        });
        self.fabric.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
