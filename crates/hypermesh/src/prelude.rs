//! What a program that uses meshes needs: `use hypermesh::prelude::*;`.

pub use crate::{
    ActorHandle, ActorMeshRef, ActorRef, Blob, BootstrapCommand, ChildEvent, Cx, Directive, Env,
    Error, Exit, Extent, HostMesh, HostMeshRef, Instance, Mesh, Message, OncePortRef, Point,
    PortRef, ProcEvent, ProcMesh, RankFailure, ReduceError, Reducer, RemoteMessage, RemoteSpawn,
    Result, Selection, Shape, SharedSpawnable, ValueMesh, ViewExt, actor, context, extent,
    global_root_client, protocol, sel, sel_from_shape, shape,
};
