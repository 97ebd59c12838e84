//! The process at the other end: started with the figure, ended with it.

use std::env;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hypermesh_benches::{Allocations, Outcome};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::task;
use tokio::time::timeout;

use crate::role::Role;

/// How long anything may take that a figure waits for: longer than the slowest, and a bound for a bug.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What a reader says when it has read as many messages as it was told to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// What it asked the allocator for meanwhile, if it counts.
    pub(crate) allocations: Allocations,
}

/// A child process that this one reads lines from. It is killed and waited for when this goes; when this
/// process dies before that, the end of its standard input ends it.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    lines: BufReader<Receiver>,
}

impl Peer {
    /// Starts this program in `role`.
    pub(crate) fn start(role: &Role, stdin: Stdio) -> Outcome<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg(role.argument()?)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("a child has no output")?;
        let lines = BufReader::new(Receiver::from_owned_fd(stdout.into())?);
        Ok(Self { child, lines })
    }

    /// Waits for what the child says next.
    pub(crate) async fn hear<T: DeserializeOwned>(&mut self) -> Outcome<T> {
        let mut line = String::new();
        let n = timeout(DEADLINE, self.lines.read_line(&mut line))
            .await
            .map_err(|_| format!("a child said nothing for {DEADLINE:?}"))??;
        if n == 0 {
            return Err("a child ended too early".into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; it has to be waited for all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says `value` to the parent.
pub(crate) fn say(value: &impl Serialize) -> Outcome<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// Waits until the parent has closed the standard input of this process, or has died.
pub(crate) async fn parent_gone() -> Outcome<()> {
    task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
