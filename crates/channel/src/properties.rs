//! What holds for any bytes that a peer sends: the bodies of fuzz targets. Each panics if it does not hold, and returns
//! whether the bytes are accepted.

pub use crate::{
    addr::property::address_property as address, demux::property::frames_property as frame,
    handshake::property::handshake_property as handshake,
};
