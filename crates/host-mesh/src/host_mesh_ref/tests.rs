//! The text form and the slices of a ref.

use super::*;

#[track_caller]
fn parse(text: &str) -> HostMeshRef {
    text.parse()
        .unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn a_ref_prints_as_it_is_parsed() {
    for text in [
        "test:local:1,local:2@replica=1/2,host=2/1",
        "test:local:1@hosts=1/1",
        "a-b:tcp:127.0.0.1:80,tcp:[::1]:81,tcp:node7:82@hosts=3/1",
        "t:unix:@name,unix:/tmp/x,unix:@other@hosts=3/1",
        "t:unix:/tmp/a,b,unix:/tmp/c@d@hosts=2/1",
        "t:local:3@5+hosts=1/1",
        "one:local:3@",
        "t:local:1,local:2@\"a@b\"=2/1",
    ] {
        assert_eq!(parse(text).to_string(), text);
    }
}

#[test]
fn a_slice_prints_its_own_hosts_and_region() {
    let mesh = parse("test:local:1,local:2,local:3,local:4@replica=2/2,host=2/1");
    let check = |part: Result<HostMeshRef, ShapeError>, text: &str| {
        let part = part.expect("a legal slice");
        assert_eq!(part.to_string(), text);
        assert_eq!(parse(text).hosts(), part.hosts());
        assert_eq!(parse(text).extent(), part.extent());
    };
    check(
        mesh.range("host", 1..),
        "test:local:2,local:4@1+replica=2/2,host=1/1",
    );
    check(
        mesh.range("replica", 1),
        "test:local:3,local:4@2+replica=1/2,host=2/1",
    );
    check(mesh.at("replica", 1), "test:local:3,local:4@2+host=2/1");
    check(
        mesh.at("replica", 1).and_then(|part| part.range("host", 1)),
        "test:local:4@3+host=1/1",
    );
    assert!(mesh.range("rack", 0).is_err());
    assert!(mesh.at("host", 2).is_err());
}

#[test]
fn a_malformed_text_is_refused_with_its_place() {
    #[track_caller]
    fn check(text: &str, at: usize, reason: fn(&ParseReason) -> bool) {
        let error = text.parse::<HostMeshRef>().expect_err(text);
        assert!(reason(&error.reason), "{text:?}: {error:?}");
        assert_eq!(error.at, at, "{text:?}: {error:?}");
        assert_eq!(error.text, text);
    }
    check("", 0, |reason| matches!(reason, ParseReason::NoName));
    check("test", 4, |reason| matches!(reason, ParseReason::NoName));
    check(":local:1@hosts=1/1", 0, |reason| {
        matches!(reason, ParseReason::BadName(_))
    });
    check("a b:local:1@hosts=1/1", 0, |reason| {
        matches!(reason, ParseReason::BadName(_))
    });
    check("test:local:1", 12, |reason| {
        matches!(reason, ParseReason::NoRegion)
    });
    check("test:local:1@hosts", 13, |reason| {
        matches!(reason, ParseReason::BadRegion { .. })
    });
    check("test:@hosts=1/1", 5, |reason| {
        matches!(reason, ParseReason::BadHost { .. })
    });
    check("test:local:x@hosts=1/1", 5, |reason| {
        matches!(reason, ParseReason::BadHost { .. })
    });
    check("test:local:1,nothing:2@hosts=2/1", 13, |reason| {
        matches!(reason, ParseReason::BadHost { .. })
    });
    check("test:local:1@hosts=2/1", 5, |reason| {
        matches!(reason, ParseReason::WrongCount { hosts: 1, ranks: 2 })
    });
}

#[test]
fn refs_compare_by_name_hosts_and_view() {
    let mesh = parse("test:local:1,local:2@hosts=2/1");
    assert_eq!(mesh, parse("test:local:1,local:2@hosts=2/1"));
    assert_ne!(mesh, parse("other:local:1,local:2@hosts=2/1"));
    assert_ne!(mesh, parse("test:local:1,local:3@hosts=2/1"));
    assert_ne!(
        mesh.range("hosts", 0).expect("host 0"),
        mesh.range("hosts", 1).expect("host 1")
    );
}

#[test]
fn a_ref_travels_and_a_bad_one_does_not_decode() {
    let mesh = parse("test:local:1,local:2@hosts=2/1");
    let bytes = hypermesh_wire::encode(&mesh).expect("encode");
    assert_eq!(
        hypermesh_wire::decode::<HostMeshRef>(&bytes).expect("decode"),
        mesh
    );

    let view = Region::from(Extent::new([("hosts", 3)]).expect("an extent"));
    let bad = Parts {
        name: mesh.name.clone(),
        hosts: mesh.hosts.to_vec(),
        view,
    };
    let bytes = hypermesh_wire::encode(&bad).expect("encode");
    assert!(hypermesh_wire::decode::<HostMeshRef>(&bytes).is_err());
}

#[test]
fn a_region_that_is_no_part_of_a_ref_is_an_error() {
    let mesh = parse("test:local:1,local:2@replica=1/2,host=2/1");
    let part = mesh.range("host", 1).expect("a legal slice");
    let error = part.sliced(mesh.shape().clone()).unwrap_err();
    assert!(matches!(error, ShapeError::NotSubset { .. }), "{error}");
    let whole = mesh.sliced(mesh.shape().clone());
    assert_eq!(whole, Ok(mesh));
}
