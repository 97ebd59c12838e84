//! What holds for any bytes that a peer sends: the bodies of fuzz targets.

pub use crate::demux::property::frames_property;
