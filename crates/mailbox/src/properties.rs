//! What holds for any bytes that a peer sends, and for any text of an id: the bodies of fuzz targets. Each panics if it does
//! not hold, and returns whether the bytes are accepted.
#![cfg(feature = "properties")]
#![doc(hidden)]

pub use crate::id_text::property::id_property as id;
pub use crate::wire_form::property::envelope_property as envelope;
