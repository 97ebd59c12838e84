//! Guards for tests: seeds, processes and descriptors that must not be left behind, memory, inputs of fuzzers.
//!
//! A test that starts processes takes a [`ProcessGuard`] first and marks what it starts; when the
//! guard goes, nothing that carries its mark may be alive. A test that opens sockets takes an
//! [`FdGuard`], a test that draws random values takes a [`Seed`], and a test that needs a place
//! for socket files takes a [`SocketDir`]. A test binary that counts what is allocated has the
//! [`CountingAllocator`]; one that looks at what is logged calls [`subscribe`], and one that replays what a fuzzer is given calls [`run_fuzz`].
//!
//! Everything here blocks the calling thread, panics when it finds a fault, and reads `/proc`: it
//! is for tests on Linux, appears under `[dev-dependencies]` alone, and depends on nothing of ours.
//!
//! # Examples
//!
//! ```
//! use std::{process::Command, time::Duration};
//!
//! use hypermesh_testkit::{ProcessGuard, process};
//!
//! let guard = ProcessGuard::new();
//! let (variable, marker) = guard.env();
//! let mut child = Command::new("sleep").arg("60").env(variable, marker).spawn()?;
//! assert!(process::alive(child.id()));
//!
//! child.kill()?;
//! child.wait()?;
//! guard.assert_none_left(Duration::from_secs(5));
//! # Ok::<(), std::io::Error>(())
//! ```

mod allocations;
mod cases;
mod fd_guard;
mod fuzz;
mod poll;
pub mod process;
mod process_guard;
mod seed;
mod socket_dir;
mod subscribed;

pub use allocations::{Allocated, AllocationWatch, CountingAllocator, counted};
pub use cases::{Case, run_cases};
pub use fd_guard::FdGuard;
pub use fuzz::{FuzzTarget, run_fuzz};
pub use poll::wait_until;
pub use process_guard::{MARKER_VARIABLE, ProcessGuard};
pub use seed::{Rng, SEED_VARIABLE, Seed};
pub use socket_dir::SocketDir;
pub use subscribed::{Subscribed, subscribe};
