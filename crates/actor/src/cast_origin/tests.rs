//! Places and origins survive the headers, and bytes that are none are refused.

use hypermesh_mailbox::channel::ChannelAddr;
use hypermesh_mailbox::{Port, ProcId};
use hypermesh_ndslice::Extent;
use proptest::prelude::*;

use super::*;

fn port(rank: u32) -> (PortId, Location) {
    let actor = ProcId::new(7, rank, 0).named_actor("caller");
    let port = Port::Ephemeral {
        slot: 3,
        generation: 4,
    };
    (
        actor.port(port),
        Location::at(ChannelAddr::Local(rank.into())),
    )
}

fn view(len: usize) -> Region {
    Extent::new([("x", len)]).unwrap().into()
}

fn headers(bytes: impl Into<Bytes>) -> Headers {
    let mut headers = Headers::new();
    headers.set(KEY, bytes).unwrap();
    headers
}

/// Stamps and reads an origin twice, as a relay between caster and member does.
#[track_caller]
fn check(place: CastPlace, len: usize, reply: Option<(PortId, Location)>) {
    let mut origin = CastOrigin::new(&view(len), reply.clone()).unwrap();
    let mut at = CastPlace {
        rank: None,
        reply: Some(u64::MAX),
    };
    for _ in 0..2 {
        let mut headers = Headers::new();
        origin.stamp(at, &mut headers).unwrap();
        let found = CastOrigin::of(&headers).unwrap();
        assert_eq!(found, Some((at, origin)));
        (_, origin) = found.unwrap();
        at = place;
        CastOrigin::remove(&mut headers);
        assert_eq!(CastOrigin::of(&headers), Ok(None));
    }
    assert_eq!(origin.reply(), Ok(reply));
    let other = origin.with_reply(port(9).0, port(9).1).unwrap();
    assert_eq!(other.reply(), Ok(Some(port(9))));
    for origin in [origin, other] {
        for rank in [0, len as u32 - 1, len as u32, u32::MAX] {
            let point = origin.point_of(rank).unwrap();
            let expected = ((rank as usize) < len).then_some(rank as usize);
            assert_eq!(point.map(|point| point.rank()), expected);
        }
    }
}

#[test]
fn a_header_without_a_place_or_an_origin_is_refused() {
    assert!(CastOrigin::of(&headers("")).is_err());
    assert!(CastOrigin::of(&headers(vec![2])).is_err());
    let (_, origin) = CastOrigin::of(&headers(vec![0, 0])).unwrap().unwrap();
    assert!(origin.reply().is_err());
    assert!(origin.with_reply(port(1).0, port(1).1).is_err());
    assert!(origin.point_of(0).is_err());
}

#[test]
fn bytes_behind_an_origin_are_refused() {
    let mut bytes = CastOrigin::new(&view(4), None).unwrap().encoded.to_vec();
    bytes.push(0);
    let encoded = bytes.into();
    let error = CastOrigin { encoded }.point_of(0).unwrap_err();
    assert!(
        matches!(error, DecodeError::TrailingBytes { left: 1, .. }),
        "{error}"
    );
}

#[test]
fn full_headers_take_no_origin_and_stay_as_they_are() {
    let mut full = Headers::new();
    full.set(TypeKey::of("big"), vec![0; Headers::MAX_BYTES - 8])
        .unwrap();
    let before = full.clone();
    let place = CastPlace {
        rank: Some(0),
        reply: None,
    };
    let origin = CastOrigin::new(&view(4), None).unwrap();
    assert!(origin.stamp(place, &mut full).is_err());
    assert_eq!(full, before);
}

proptest! {
    #[test]
    fn a_member_reads_what_the_caster_wrote(
        rank in any::<Option<u32>>(),
        reply in any::<Option<u64>>(),
        len in 1_usize..1000,
        caller in any::<Option<u32>>(),
    ) {
        check(CastPlace { rank, reply }, len, caller.map(port));
    }

    #[test]
    fn no_header_makes_its_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(Some((place, origin))) = CastOrigin::of(&headers(bytes)) {
            _ = (origin.reply(), origin.point_of(place.rank.unwrap_or(0)));
            _ = origin.with_reply(port(1).0, port(1).1);
        }
    }
}
