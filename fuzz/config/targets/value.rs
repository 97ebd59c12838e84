//! The fuzz target `config_value`: see the file of properties.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../crates/config/tests/fuzz/properties.rs"]
mod properties;

fuzz_target!(|bytes: &[u8]| {
    properties::value(bytes);
});
