//! The fuzz target `wire_body`: see the file of properties.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../crates/wire/tests/fuzz/properties.rs"]
#[allow(dead_code, reason = "a target has one of the properties")]
mod properties;

fuzz_target!(|bytes: &[u8]| {
    properties::body(bytes);
});
