//! What holds for any bytes that are given to a parser or a decoder: a value that keeps every
//! promise of its type, or an error that says where.
//!
//! Each property takes bytes and panics if it does not hold. Fuzzers and tests share them.

mod decoding;
mod parsing;

/// A parser or a decoder, by name.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name, which is also that of its corpus.
    pub name: &'static str,
    /// Panics if the bytes break a promise.
    pub check: fn(&[u8]),
}

/// Every parser and every decoder of the crate.
pub const TARGETS: &[Target] = &[
    target("extent", parsing::extent),
    target("point", parsing::point),
    target("region", parsing::region),
    target("full_region", parsing::full_region),
    target("selection", parsing::selection),
    target("decode_extent", decoding::extent),
    target("decode_point", decoding::point),
    target("decode_range", decoding::range),
    target("decode_region", decoding::region),
    target("decode_rank_set", decoding::rank_set),
    target("decode_rank_map", decoding::rank_map),
    target("decode_overlay", decoding::overlay),
    target("decode_selection", decoding::selection),
];

/// Returns the target called `name`, if there is one.
pub fn named(name: &str) -> Option<Target> {
    TARGETS.iter().find(|target| target.name == name).copied()
}

/// Gives `bytes` to the target called `name`.
///
/// # Panics
///
/// Panics if the bytes break a promise, which is a bug in the parser or decoder, and if there is no
/// such target.
pub fn check(name: &str, bytes: &[u8]) {
    let target = named(name).unwrap_or_else(|| panic!("no target is named {name:?}"));
    (target.check)(bytes);
}

const fn target(name: &'static str, check: fn(&[u8])) -> Target {
    Target { name, check }
}
