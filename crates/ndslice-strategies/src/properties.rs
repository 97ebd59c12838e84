//! What holds for any bytes that are given to a parser or a decoder: a value that keeps every
//! promise of its type, or an error that says where.
//!
//! Each property takes bytes, panics if it does not hold, and returns whether they are a value in
//! one of the encodings. Fuzzers and tests share them.

mod decoding;
mod parsing;

pub use decoding::{
    decode_extent, decode_overlay, decode_point, decode_range, decode_rank_map, decode_rank_set,
    decode_region, decode_selection,
};
pub use parsing::{extent, full_region, point, region, selection};

/// A property of a parser or a decoder, and its name.
pub type Property = (&'static str, fn(&[u8]) -> bool);

/// Every parser and every decoder of the crate.
pub const PROPERTIES: &[Property] = &[
    ("extent", extent),
    ("point", point),
    ("region", region),
    ("full_region", full_region),
    ("selection", selection),
    ("decode_extent", decode_extent),
    ("decode_point", decode_point),
    ("decode_range", decode_range),
    ("decode_region", decode_region),
    ("decode_rank_set", decode_rank_set),
    ("decode_rank_map", decode_rank_map),
    ("decode_overlay", decode_overlay),
    ("decode_selection", decode_selection),
];
