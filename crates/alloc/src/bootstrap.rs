//! How a program becomes a child of the mesh: the entry points that a `main` calls first.
//!
//! A launcher starts children with [`Children`](crate::children::Children). Each inherits one socket,
//! named by the environment variable `HYPERMESH_BOOTSTRAP=descriptor:pid`; everything else a child
//! needs comes over it. A child whose `main` reaches [`run_if_child`] (or something that calls it,
//! like the constructors of a host mesh) becomes what its launcher asked for and never returns; the
//! same call in any other process returns at once.
//!
//! # Invariants
//!
//! - **INV-1**: in a child, no code after the entry point runs: whatever goes wrong, and even if the
//!   future is dropped, the process ends.
//! - **INV-2**: the marker and the descriptor make nobody else a child (`marker.rs` has the rule).
//! - **INV-3**: neither environment nor command line of a child holds an address, a token or a
//!   setting.

mod boot;
mod command;
mod frame;
mod launcher;
mod marker;

use std::{
    env,
    future::pending,
    io::{self, Write},
    panic::AssertUnwindSafe,
};

pub(crate) use boot::decode_all;
pub use boot::{Boot, BootContext, BootKind, KindError, KindFuture, PayloadError};
pub use command::BootstrapCommand;
pub use frame::FrameError;
pub(crate) use frame::{Decoder, FrameKind, encode as encode_frame};
use futures_util::FutureExt;
use hypermesh_config::ConfigError;
use launcher::ConnectError;
pub use launcher::Launcher;
pub(crate) use marker::Marker;
use marker::{MarkerError, Role, role};
use nix::unistd::getppid;

use crate::{chain::Chain, kernel};

/// The environment variable that marks a child: `descriptor:pid of the launcher`.
pub(crate) const MARKER_VARIABLE: &str = "HYPERMESH_BOOTSTRAP";

/// Becomes a child, and never returns, if this process was started as one; returns at once if not.
///
/// Call it early and unconditionally: a child that does something else first does that once per
/// child, and one that never comes here makes its launcher's start fail. In a child, the process
/// ends when its work is done: with status 0, or with one line on stderr and status 1.
///
/// The child runs on the runtime that calls this.
///
/// # Cancel safety
///
/// If the future is dropped in a child, the process ends with status 1.
pub async fn run_if_child() {
    let parent = getppid().as_raw().unsigned_abs();
    let role = role(
        env::var_os(MARKER_VARIABLE).as_deref(),
        kernel::describe,
        parent,
    );
    let fd = match role {
        Ok(Role::Launcher) => return,
        // The earlier call ends the process.
        Ok(Role::Claimed) => return pending().await,
        Ok(Role::Child(fd)) => fd,
        Err(error) => end(&Err(error.into())),
    };
    let _no_way_back = NoWayBack;
    let run = AssertUnwindSafe(run_child(fd)).catch_unwind().await;
    end(&run.unwrap_or_else(|panic| Err(ChildError::Panic(text_of(&*panic)))))
}

/// Becomes a child on a runtime of its own, and never returns: the whole `main` of a program that
/// serves as the child program of others.
///
/// If the process was not started as a child, it says so on stderr and ends with status 1.
pub fn bootstrap_or_die() -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let error = match runtime {
        Ok(runtime) => {
            runtime.block_on(run_if_child());
            ChildError::NotAChild
        }
        Err(error) => ChildError::Runtime(error),
    };
    end(&Err(error))
}

/// Runs the child behind the descriptor `fd` until its work is done.
async fn run_child(fd: i32) -> Result<(), ChildError> {
    let socket = kernel::adopt(fd).map_err(ChildError::Adopt)?;
    let (mut boot, launcher) = Launcher::connect(socket).await?;
    hypermesh_config::apply_parent(std::mem::take(&mut boot.settings));
    hypermesh_config::check_all().map_err(ChildError::Settings)?;
    let kind =
        BootKind::find(&boot.kind).ok_or_else(|| ChildError::UnknownKind(boot.kind.clone()))?;
    (kind.run)(BootContext::new(boot, launcher))
        .await
        .map_err(ChildError::Kind)
}

/// Ends the process if it is dropped: the one way out of a child's entry point is [`end`] (INV-1).
struct NoWayBack;

impl Drop for NoWayBack {
    fn drop(&mut self) {
        end(&Err(ChildError::Dropped));
    }
}

/// Ends this process, and says why if that is not in order.
#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "a child ends here, and nothing behind its entry point may run (INV-1)"
)]
fn end(result: &Result<(), ChildError>) -> ! {
    if let Err(error) = result {
        let line = Chain(error).to_string().replace('\n', "; ");
        // Without a stderr there is nobody to tell.
        _ = writeln!(io::stderr(), "hypermesh: {line}");
    }
    std::process::exit(i32::from(result.is_err()))
}

/// Returns the text that a panic was raised with.
fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value".into())
}

/// Why a child ends with status 1.
#[derive(Debug, thiserror::Error)]
enum ChildError {
    #[error("this process was started as a child but cannot reach its launcher")]
    Marker(#[from] MarkerError),
    #[error("the bootstrap descriptor cannot be taken over")]
    Adopt(#[source] io::Error),
    #[error("this child does not learn what it is to be")]
    Connect(#[from] ConnectError),
    #[error("settings of this child cannot be used: {}", texts(.0))]
    Settings(Vec<ConfigError>),
    #[error("this program has no child of kind {0:?}")]
    UnknownKind(String),
    #[error("this child failed")]
    Kind(#[source] KindError),
    #[error("this child panicked: {0}")]
    Panic(String),
    #[error("`main` went on while this child was at work: nothing may run beside the entry point")]
    Dropped,
    #[error("this program serves other programs as their child, and nobody started it as one")]
    NotAChild,
    #[error("this child has no runtime")]
    Runtime(#[source] io::Error),
}

fn texts(errors: &[ConfigError]) -> String {
    let texts: Vec<String> = errors.iter().map(ConfigError::to_string).collect();
    texts.join("; ")
}
