//! The process at the other end: the program starts itself in a role; started with the figure, ended with it.

use std::env;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::task;
use tokio::time::timeout;

use crate::{Allocations, Outcome};

/// How the argument of a role begins.
const PREFIX: &str = "role:";

/// How long anything may take that a figure waits for: longer than the slowest, and a bound for a bug.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// What a reader says when it has read as many messages as it was told to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Batch {
    /// What it asked the allocator for meanwhile, if it counts.
    pub allocations: Allocations,
}

/// A child process that this one reads lines from. It is killed and waited for when this goes; when this
/// process dies before that, the end of its standard input ends it.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    lines: BufReader<Receiver>,
}

impl Peer {
    /// Starts this program in `role`.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn start(role: &impl Serialize, stdin: Stdio) -> Outcome<Self> {
        let argument = format!("{PREFIX}{}", serde_json::to_string(role)?);
        let mut child = Command::new(env::current_exe()?)
            .arg(argument)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("a child has no output")?;
        let lines = BufReader::new(Receiver::from_owned_fd(stdout.into())?);
        Ok(Self { child, lines })
    }

    /// Waits for what the child says next.
    ///
    /// # Errors
    ///
    /// When the child has ended, says something else, or says nothing for [`DEADLINE`].
    pub async fn hear<T: DeserializeOwned>(&mut self) -> Outcome<T> {
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

/// Returns the role of this process; `None` in the benchmark itself.
///
/// # Errors
///
/// When its first argument begins like a role and is none.
pub fn role_of_this_process<R: DeserializeOwned>() -> Outcome<Option<R>> {
    let argument = env::args().nth(1);
    let role = argument
        .as_deref()
        .and_then(|text| text.strip_prefix(PREFIX));
    Ok(role.map(serde_json::from_str).transpose()?)
}

/// Says `value` to the parent.
///
/// # Errors
///
/// When it has no encoding.
pub fn say(value: &impl Serialize) -> Outcome<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// Waits until the parent has closed the standard input of this process, or has died.
///
/// # Errors
///
/// When the input cannot be read.
pub async fn parent_gone() -> Outcome<()> {
    task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
