//! A mesh of hosts as it is referred to: a name, the addresses of the hosts, and a view.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hypermesh_ndslice::{Extent, Ordinal, Range, Region, Shape, ShapeError, View};
use serde::{Deserialize, Serialize};

use crate::channel::ChannelAddr;
use crate::host_id::{agent_of, service_proc};
use crate::mailbox::ProcId;
use crate::name::Name;

mod spawn;
mod text;

pub use text::{ParseHostMeshRefError, ParseReason};

/// A mesh of hosts, or a part of one. It can be sent anywhere and used at once.
///
/// Dropping a ref stops nothing; whoever owns the hosts has a [`HostMesh`](crate::HostMesh).
///
/// # Examples
///
/// ```
/// use hypermesh_host_mesh::HostMeshRef;
///
/// let mesh: HostMeshRef = "test:local:1,local:2@replica=1/2,host=2/1".parse()?;
/// assert_eq!(mesh.extent().to_string(), "replica=1,host=2");
/// assert_eq!(mesh.range("host", 1)?.to_string(), "test:local:2@1+replica=1/2,host=1/1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct HostMeshRef {
    name: Name,
    /// One address for each ordinal of the view.
    hosts: Arc<[ChannelAddr]>,
    view: Region,
}

impl HostMeshRef {
    /// Returns a ref to `hosts`, in one dimension named `hosts`.
    ///
    /// It names them and no more: whether they are there shows when they are used.
    ///
    /// # Panics
    ///
    /// If `hosts` is empty: there is no empty mesh.
    #[must_use]
    pub fn from_hosts(name: Name, hosts: Vec<ChannelAddr>) -> Self {
        let extent = Extent::new([("hosts", hosts.len())]);
        let extent = extent.expect("a mesh of hosts has at least one and at most 2^32 hosts");
        Self {
            name,
            hosts: hosts.into(),
            view: Region::from(extent),
        }
    }

    /// Returns a ref to `hosts`, arranged in rank order as `extent` says.
    pub(crate) fn arranged(name: Name, hosts: Vec<ChannelAddr>, extent: Extent) -> Self {
        debug_assert_eq!(hosts.len(), extent.count(), "one host for each rank");
        Self {
            name,
            hosts: hosts.into(),
            view: Region::from(extent),
        }
    }

    /// Returns the name of the mesh.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the shape of the mesh.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.view
    }

    /// Returns the extent of the mesh, or of this part of it.
    #[must_use]
    pub fn extent(&self) -> Extent {
        self.view.extent()
    }

    /// Returns the addresses of the hosts, in rank order of this view.
    #[must_use]
    pub fn hosts(&self) -> &[ChannelAddr] {
        &self.hosts
    }

    /// Returns the part of the mesh in `range` of the dimension `label`.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if there is no such dimension, or the range is empty or out of bounds.
    pub fn range(&self, label: &str, range: impl Into<Range>) -> Result<Self, ShapeError> {
        self.sliced(self.view.range(label, range)?)
    }

    /// Returns the part of the mesh at `index` of the dimension `label`, without that dimension.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if there is no such dimension or index.
    pub fn at(&self, label: &str, index: usize) -> Result<Self, ShapeError> {
        self.sliced(self.view.at(label, index)?)
    }

    /// Returns the service proc of each host.
    pub(crate) fn services(&self) -> impl Iterator<Item = ProcId> + '_ {
        self.hosts.iter().map(service_proc)
    }

    /// Returns the agent of each host.
    pub(crate) fn agents(&self) -> impl Iterator<Item = crate::HostAgentRef> + '_ {
        self.hosts.iter().map(agent_of)
    }
}

impl View for HostMeshRef {
    type Item<'a> = &'a ChannelAddr;
    type Sliced = Self;

    fn region(&self) -> &Region {
        &self.view
    }

    fn get(&self, ordinal: Ordinal) -> Option<&ChannelAddr> {
        self.hosts.get(ordinal.0)
    }

    fn sliced(&self, region: Region) -> Result<Self, ShapeError> {
        let host = |ordinal: Ordinal| self.hosts[ordinal.0].clone();
        let hosts = region.ordinals_in(&self.view)?.map(host).collect();
        Ok(Self {
            name: self.name.clone(),
            hosts,
            view: region,
        })
    }
}

impl PartialEq for HostMeshRef {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.view == other.view && self.hosts == other.hosts
    }
}

impl Eq for HostMeshRef {}

impl Hash for HostMeshRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.hosts.hash(state);
    }
}

impl std::fmt::Debug for HostMeshRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostMeshRef({self})")
    }
}

/// A ref as it travels.
#[derive(Serialize, Deserialize)]
struct Parts {
    name: Name,
    hosts: Vec<ChannelAddr>,
    view: Region,
}

impl From<HostMeshRef> for Parts {
    fn from(mesh: HostMeshRef) -> Self {
        let HostMeshRef { name, hosts, view } = mesh;
        Self {
            name,
            hosts: hosts.to_vec(),
            view,
        }
    }
}

impl TryFrom<Parts> for HostMeshRef {
    type Error = ParseReason;

    fn try_from(Parts { name, hosts, view }: Parts) -> Result<Self, ParseReason> {
        if hosts.len() != view.count() {
            return Err(ParseReason::WrongCount {
                hosts: hosts.len(),
                ranks: view.count(),
            });
        }
        Ok(Self {
            name,
            hosts: hosts.into(),
            view,
        })
    }
}

#[cfg(test)]
mod tests;
