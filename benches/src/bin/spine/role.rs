//! What a process of this program is when the program started it itself, by its first argument.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::process::{Child, Command, Stdio};

/// What the child is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Ends at once: what a process costs that does nothing.
    Exit,
    /// Sends back what it reads from its standard input, a socket.
    Echo,
    /// Measures the memory of idle actors and prints it.
    Idle,
    /// Measures what actors leave behind and prints it.
    Churn,
}

impl Role {
    /// Returns the role of this process; `None` in the benchmark itself and in workers of a mesh.
    pub(crate) fn of_this_process() -> Option<Self> {
        let argument = env::args_os().nth(1)?;
        [Self::Exit, Self::Echo, Self::Idle, Self::Churn]
            .into_iter()
            .find(|role| argument == OsStr::new(role.argument()))
    }

    /// Starts this program in this role.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub(crate) fn start(self, stdin: Stdio, stdout: Stdio) -> io::Result<Child> {
        let mut command = Command::new(env::current_exe()?);
        command
            .arg(self.argument())
            .stdin(stdin)
            .stdout(stdout)
            .spawn()
    }

    fn argument(self) -> &'static str {
        match self {
            Self::Exit => "role:exit",
            Self::Echo => "role:echo",
            Self::Idle => "role:idle",
            Self::Churn => "role:churn",
        }
    }
}
