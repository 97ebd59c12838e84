//! Starting a mesh of procs on hosts.

use hypermesh_ndslice::Extent;
use hypermesh_proc_mesh::ProcMesh;
use hypermesh_proc_mesh::alloc::actor::context;

use super::HostMeshRef;
use crate::error::{HostMeshError, Result};
use crate::host_alloc::HostAlloc;
use crate::host_ranks::HostRanks;

impl HostMeshRef {
    /// Starts one proc for each point of `per_host` on every host of this view.
    ///
    /// The extent of the mesh is that of the hosts followed by `per_host`; a `per_host` without dimensions
    /// is one proc for each host. The returned mesh owns the procs.
    ///
    /// # Errors
    ///
    /// [`HostMeshError::Configuration`] if a label is in both extents, and
    /// [`HostMeshError::Spawn`] if a proc does not come up: it names each rank, its host and how it was doing.
    /// What had been started is ended then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, what it has started is ended.
    pub async fn spawn(
        &self,
        cx: &impl context::Actor,
        name: &str,
        per_host: Extent,
    ) -> Result<ProcMesh> {
        let ranks = HostRanks::new(self.hosts.len(), per_host.count());
        let extent = self.extent().concat(&per_host);
        let (ranks, extent) = ranks.and_then(|r| Ok((r, extent?))).map_err(|source| {
            let source = Box::new(source);
            let (hosts, per_host) = (self.extent(), per_host.clone());
            HostMeshError::Configuration {
                hosts,
                per_host,
                source,
            }
        })?;
        let alloc = HostAlloc::start(cx, self, name, extent, &ranks).await;
        let name = || name.to_owned();
        let alloc = alloc.map_err(|source| HostMeshError::StartProcs {
            name: name(),
            source,
        })?;
        let statuses = alloc.statuses();
        ProcMesh::allocate(alloc).await.map_err(|source| {
            let hosts = ranks.hosts().map(|host| self.hosts[host].clone());
            let statuses = hosts.zip(statuses.read()).collect();
            HostMeshError::Spawn {
                name: name(),
                statuses,
                source,
            }
        })
    }
}
