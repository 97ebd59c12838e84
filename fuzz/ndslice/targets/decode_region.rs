//! The fuzz target `ndslice_decode_region`: see `hypermesh_ndslice_strategies::properties`.
#![no_main]

use hypermesh_ndslice_strategies::properties;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    properties::decode_region(bytes);
});
