//! The names of ids and locations as message types: they may be fields of messages, and replies.

use std::borrow::Cow;

use hypermesh_wire::{Named, TypeKey};

use crate::{ActorId, Location, PortId, ProcId, WorldId};

macro_rules! named {
    ($($id:ident)*) => {$(
        impl Named for $id {
            const KEY: TypeKey = TypeKey::of(concat!("hypermesh::", stringify!($id)));

            fn name() -> Cow<'static, str> {
                Cow::Borrowed(concat!("hypermesh::", stringify!($id)))
            }
        }
    )*};
}

named! { ActorId Location PortId ProcId WorldId }
