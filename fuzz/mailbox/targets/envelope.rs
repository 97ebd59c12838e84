//! The fuzz target `mailbox_envelope`: see `hypermesh_mailbox::properties`.
#![no_main]

use hypermesh_mailbox::properties;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    properties::envelope(bytes);
});
