//! The fuzz target `channel_address`: see `hypermesh_channel::properties`.
#![no_main]

use hypermesh_channel::properties;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    properties::address(bytes);
});
