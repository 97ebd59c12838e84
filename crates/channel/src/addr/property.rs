//! What holds for any text or bytes that are read as an address: for a fuzz target and for tests.

use hypermesh_wire::{decode_borrowed, encode_with};

use super::{ChannelAddr, ChannelTransport, MAX_ADDR_LEN, SimName, UnixName};

/// The longest text of an error, in bytes: it shows a part of what it refuses.
const MAX_ERROR_LEN: usize = 2048;

/// Checks that nothing panics, that an address is read back from each of its forms, and that an error is short.
/// Returns whether the bytes are an address.
///
/// After an even first byte the others are a text, after an odd one the parts as they are on the wire.
///
/// # Panics
///
/// If that does not hold.
pub fn address_property(bytes: &[u8]) -> bool {
    match bytes.split_first() {
        None => false,
        Some((choice, bytes)) if choice % 2 == 1 => parts(bytes),
        Some((_, bytes)) => std::str::from_utf8(bytes).is_ok_and(text),
    }
}

fn text(text: &str) -> bool {
    names(text);
    match text.parse::<ChannelAddr>() {
        Ok(addr) => {
            assert!(text.len() <= MAX_ADDR_LEN);
            check(&addr);
            true
        }
        Err(error) => {
            assert!(error.to_string().len() <= MAX_ERROR_LEN, "{error}");
            false
        }
    }
}

fn parts(bytes: &[u8]) -> bool {
    let decoded = decode_borrowed::<ChannelAddr>(bytes, &[]);
    if let Ok(addr) = &decoded {
        check(addr);
        for len in 0..bytes.len() {
            assert!(decode_borrowed::<ChannelAddr>(&bytes[..len], &[]).is_err());
        }
    }
    decoded.is_ok()
}

/// A name by itself and in an address are the same.
fn names(text: &str) {
    let addr = |prefix: &str| format!("{prefix}{text}").parse::<ChannelAddr>().ok();
    if text.starts_with('/') {
        let path = UnixName::path(text).ok().map(ChannelAddr::Unix);
        assert_eq!(path, addr("unix:"));
    }
    let name = UnixName::abstract_name(text).ok().map(ChannelAddr::Unix);
    assert_eq!(name, addr("unix:@"));
    if !text.is_empty() && !text.starts_with("//") {
        let name = SimName::new(text).ok().map(ChannelAddr::Sim);
        assert_eq!(name, addr("sim:"));
    }
}

fn check(addr: &ChannelAddr) {
    let text = addr.to_string();
    assert!(text.len() <= MAX_ADDR_LEN, "{text}");
    assert_eq!(text.parse().as_ref(), Ok(addr), "{text}");
    let url = addr.to_url();
    assert_eq!(url.parse().as_ref(), Ok(addr), "{url}");
    // Whether it is read from the URL of another scheme or not.
    let scheme = text.split(':').next();
    let transport = scheme.and_then(|scheme| scheme.parse::<ChannelTransport>().ok());
    assert_eq!(transport, Some(addr.transport()), "{text}");
    let again = encode_with(addr, |encoded| {
        assert!(encoded.parts.is_empty() && encoded.body.len() <= MAX_ADDR_LEN);
        decode_borrowed::<ChannelAddr>(encoded.body, &[])
    });
    assert_eq!(again, Ok(Ok(addr.clone())), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_forms_keep_the_property() {
        assert!(address_property(b"\x00tcp://LOCALHOST:4000"));
        assert!(address_property(b"\x01\x05\x00\x0a\x00\x00\x01\x50"));
        assert!(!address_property(b"\x00tcp:"));
        assert!(!address_property(b"\x01\x0b\x00"));
    }
}
