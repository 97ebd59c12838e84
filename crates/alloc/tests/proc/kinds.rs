//! The kinds of child that these tests start.
#![allow(
    unsafe_code,
    reason = "some children use their descriptor by its number"
)]

use std::{
    env, fs::File, future::pending, io::Write, mem::ManuallyDrop, os::fd::FromRawFd,
    process::Command, thread::park, time::Duration,
};

use hypermesh_alloc::{
    bootstrap::{BootContext, BootKind, KindError, KindFuture, run_if_child},
    macro_support::inventory::submit,
    settings::PROC_START_TIMEOUT,
};
use nix::sys::signal::{SigHandler, Signal, signal};
use tokio::{runtime::Runtime, task::JoinSet, time::timeout};

submit! { BootKind { name: "echo", run: |boot| -> KindFuture { Box::pin(echo(boot)) } } }
submit! { BootKind { name: "exit", run: |boot| -> KindFuture { Box::pin(exit(boot)) } } }
submit! { BootKind { name: "deaf", run: |boot| -> KindFuture { Box::pin(deaf(boot)) } } }
submit! { BootKind { name: "raw", run: |boot| -> KindFuture { Box::pin(raw(boot)) } } }
submit! { BootKind { name: "wedged", run: |boot| -> KindFuture { Box::pin(wedged(boot)) } } }
submit! { BootKind { name: "fail", run: |boot| -> KindFuture { Box::pin(fail(boot)) } } }
submit! { BootKind { name: "parent", run: |boot| -> KindFuture { Box::pin(parent(boot)) } } }
submit! { BootKind { name: "again", run: |boot| -> KindFuture { Box::pin(again(boot)) } } }
submit! { BootKind { name: "setting", run: |boot| -> KindFuture { Box::pin(setting(boot)) } } }

/// Reports its payload, and ends when it is asked to.
async fn echo(boot: BootContext) -> Result<(), KindError> {
    let text: String = boot.payload()?;
    boot.launcher().report(text.as_bytes())?;
    boot.launcher().drain_asked().await;
    Ok(())
}

/// Writes lines to stderr and exits with a code.
#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "the exit code is what is tested"
)]
async fn exit(boot: BootContext) -> Result<(), KindError> {
    let (code, lines): (i32, Vec<String>) = boot.payload()?;
    let mut stderr = std::io::stderr();
    for line in lines {
        writeln!(stderr, "{line}")?;
    }
    std::process::exit(code)
}

/// Reports, and then obeys neither the request to drain nor SIGTERM.
async fn deaf(boot: BootContext) -> Result<(), KindError> {
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }?;
    boot.launcher().report(b"ready")?;
    pending().await
}

/// The argument that makes this program close its bootstrap descriptor and wait.
pub(crate) const WITHOUT_DESCRIPTOR: &str = "--without-descriptor";

/// Does what [`WITHOUT_DESCRIPTOR`] asks for, if it is there.
pub(crate) fn wait_without_descriptor() {
    if env::args().nth(1).as_deref() == Some(WITHOUT_DESCRIPTOR) {
        let fd = marked_descriptor().expect("this program was started as a child");
        // SAFETY: nothing in this program has taken the descriptor over yet.
        drop(unsafe { File::from_raw_fd(fd) });
        block();
    }
}

fn marked_descriptor() -> Option<i32> {
    let marker = env::var("HYPERMESH_BOOTSTRAP").ok()?;
    marker.split_once(':')?.0.parse().ok()
}

/// Writes its payload to the bootstrap descriptor as it is.
async fn raw(boot: BootContext) -> Result<(), KindError> {
    let bytes: Vec<u8> = boot.payload()?;
    let fd = marked_descriptor().ok_or("no descriptor")?;
    // SAFETY: the descriptor is open for as long as this process lives, and is not closed here.
    let mut control = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    control.write_all(&bytes)?;
    pending().await
}

/// Reports, and then blocks every thread of its runtime.
async fn wedged(boot: BootContext) -> Result<(), KindError> {
    let metrics = tokio::runtime::Handle::current().metrics();
    let mut blockers = JoinSet::new();
    for _ in 0..metrics.num_workers() * 2 {
        blockers.spawn(async { block() });
    }
    boot.launcher().report(b"ready")?;
    block()
}

/// Holds the calling thread for ever.
fn block() -> ! {
    loop {
        park();
    }
}

/// Fails in one of several ways.
async fn fail(boot: BootContext) -> Result<(), KindError> {
    let how: String = boot.payload()?;
    match &*how {
        "panic" => panic!("the kind panicked"),
        "payload" => boot.payload::<u64>().map(drop)?,
        _ => return Err(how.into()),
    }
    Ok(())
}

/// Starts the shell command in its payload and reports that process's id.
async fn parent(boot: BootContext) -> Result<(), KindError> {
    let (program, args): (String, Vec<String>) = boot.payload()?;
    let child = Command::new(program).args(args).spawn()?;
    boot.launcher().report(&child.id().to_le_bytes())?;
    boot.launcher().drain_asked().await;
    Ok(())
}

/// Comes to the entry point a second time, and reports what came of it.
async fn again(boot: BootContext) -> Result<(), KindError> {
    let entered = timeout(Duration::from_millis(100), run_if_child()).await;
    let outcome = entered.map_or("waits", |()| "returned");
    boot.launcher().report(outcome.as_bytes())?;
    Ok(())
}

/// Reports a setting as it is in its first line.
async fn setting(boot: BootContext) -> Result<(), KindError> {
    let timeout = PROC_START_TIMEOUT.get().as_millis().to_string();
    boot.launcher().report(timeout.as_bytes())?;
    Ok(())
}

/// The argument that makes this program go on beside its entry point.
pub(crate) const IMPATIENT: &str = "--impatient";

/// Does what [`IMPATIENT`] asks for, if it is there: never returns, if the entry point holds.
pub(crate) fn leave_the_entry_point(runtime: &Runtime) {
    if env::args().nth(1).as_deref() == Some(IMPATIENT) {
        let left = async { timeout(Duration::from_millis(100), run_if_child()).await };
        let left = runtime.block_on(left);
        panic!("the code behind the entry point was reached: {left:?}");
    }
}
