//! What every case works with: a runtime, commands that are marked for its guard, and deadlines.

use std::future::Future;
use std::time::Duration;

use hypermesh_host_mesh::{BootstrapCommand, HostMesh};
use hypermesh_ndslice::Extent;
use hypermesh_testkit::ProcessGuard;
use tokio::runtime::Runtime;

/// No case takes longer, unless it fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// The world of the cases.
pub(crate) struct World {
    runtime: Runtime,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            runtime: Runtime::new().unwrap(),
        }
    }

    /// Runs `future` to its end; it has no deadline, because it may be that of a child.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Runs a case.
    #[track_caller]
    pub(crate) fn run<F: Future>(&self, case: F) -> F::Output {
        let case = async { tokio::time::timeout(DEADLINE, case).await };
        self.runtime.block_on(case).expect("the case ends in time")
    }
}

/// Returns the command that starts this program, marked for `guard`.
pub(crate) fn this_program(guard: &ProcessGuard) -> BootstrapCommand {
    marked(BootstrapCommand::current().unwrap(), guard)
}

/// Marks `command` for `guard`.
pub(crate) fn marked(mut command: BootstrapCommand, guard: &ProcessGuard) -> BootstrapCommand {
    let (variable, marker) = guard.env();
    command.env.insert(variable.into(), marker.into());
    command
}

/// Starts hosts of this program in the shape of `extent`.
pub(crate) async fn hosts(extent: Extent, guard: &ProcessGuard) -> HostMesh {
    HostMesh::process(extent, this_program(guard))
        .await
        .unwrap()
}
