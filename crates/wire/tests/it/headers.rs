//! Headers: absent by default, carried through, limited.

use hypermesh_wire::{
    Bytes, DecodeError, Headers, HeadersError, HeadersTooLarge, Message, Named, Payload, TypeKey,
    decode, encode,
};

#[derive(Message, Debug, PartialEq)]
struct Deadline(u64);

fn key(n: u64) -> TypeKey {
    TypeKey::from_value(n)
}

#[test]
fn no_headers_cost_one_byte_and_no_memory() {
    let headers = Headers::new();
    assert_eq!(encode(&headers).unwrap().body.len(), 1);
    assert!(
        decode::<Headers>(&encode(&headers).unwrap())
            .unwrap()
            .is_empty()
    );
    assert_eq!(size_of::<Headers>(), size_of::<usize>());
}

#[test]
fn setting_overwrites_and_removing_the_last_frees() {
    let mut headers = Headers::new();
    headers.set(key(1), "a").unwrap();
    headers.set(key(2), "b").unwrap();
    headers.set(key(1), "c").unwrap();
    let entries: Vec<_> = headers
        .iter()
        .map(|(key, value)| (key.value(), &value[..]))
        .collect();
    assert_eq!(entries, [(1, &b"c"[..]), (2, &b"b"[..])]);
    assert_eq!(headers.remove(key(1)), Some(Bytes::from_static(b"c")));
    assert_eq!(headers.remove(key(1)), None);
    assert_eq!(headers.remove(key(2)), Some(Bytes::from_static(b"b")));
    assert_eq!(headers, Headers::new());
}

#[test]
fn unknown_entries_leave_a_hop_byte_identical() {
    let mut headers = Headers::new();
    for n in [9, 3, 7] {
        headers.set(key(n), vec![n as u8; 3]).unwrap();
    }
    let payload = encode(&headers).unwrap();
    let hop: Headers = decode(&payload).unwrap();
    assert_eq!(encode(&hop).unwrap(), payload);
}

#[test]
fn typed_headers_round_trip_and_wrong_bytes_are_an_error() {
    let mut headers = Headers::new();
    assert_eq!(headers.get_as::<Deadline>(), Ok(None));
    headers.set_as(&Deadline(300)).unwrap();
    assert_eq!(headers.get_as(), Ok(Some(Deadline(300))));
    headers.set(Deadline::KEY, "\x05\x06").unwrap();
    let error = DecodeError::TrailingBytes { offset: 1, left: 1 };
    assert_eq!(headers.get_as::<Deadline>(), Err(error));
    headers.set(Deadline::KEY, "").unwrap();
    assert!(headers.get_as::<Deadline>().is_err());
}

#[test]
fn inv1_there_are_at_most_64_entries_and_4_kib() {
    let mut headers = Headers::new();
    for n in 0..64 {
        headers.set(key(n), "x").unwrap();
    }
    let full = headers.clone();
    let error = headers.set(key(64), "x").unwrap_err();
    assert_eq!(
        error,
        HeadersTooLarge {
            entries: 65,
            bytes: 65 * 9
        }
    );
    headers.set(key(0), "y").unwrap();
    headers.set(key(0), "x").unwrap();
    let error = headers.set(key(1), vec![0; 4096]).unwrap_err();
    assert_eq!(error.entries, 64);
    assert_eq!(headers, full);
    let error = headers.set_as(&"x".repeat(5000)).unwrap_err();
    assert!(matches!(error, HeadersError::TooLarge(_)));
}

#[track_caller]
fn check_refused(entries: &[(TypeKey, Bytes)], text: &str) {
    let payload: Payload = encode(&entries).unwrap();
    let error = decode::<Headers>(&payload).unwrap_err().to_string();
    assert!(error.contains(text), "{error}");
}

#[test]
fn decoded_headers_keep_the_invariants() {
    let entry = |n, len| (key(n), Bytes::from(vec![0; len]));
    check_refused(
        &[entry(1, 1), entry(1, 1)],
        "header 0000000000000001 occurs twice",
    );
    check_refused(
        &[entry(1, 3000), entry(2, 3000)],
        "2 entries and 6016 bytes exceed",
    );
    let many: Vec<_> = (0..65).map(|n| entry(n, 1)).collect();
    check_refused(&many, "65 entries");
}
