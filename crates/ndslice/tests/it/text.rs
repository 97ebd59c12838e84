//! The text forms of extents, points and regions.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use hypermesh_ndslice::{
    Extent, ExtentError, ParseError, ParseErrorKind, Point, Region, Selection, ShapeError, extent,
};
use hypermesh_ndslice_strategies::{extents, regions};
use proptest::prelude::*;

use crate::model::{cluster, extent_of, model, ranks, sizes};

/// The text parses, and prints back as `printed`.
#[track_caller]
fn check<T: FromStr<Err = ParseError> + Display + Debug + PartialEq>(text: &str, printed: &str) {
    let value: T = text.parse().unwrap();
    assert_eq!(value.to_string(), printed);
    assert_eq!(printed.parse(), Ok(value));
}

/// The error of a text.
#[track_caller]
fn error<T: FromStr<Err = ParseError> + Debug>(text: &str) -> ParseError {
    text.parse::<T>().expect_err(text)
}

#[test]
fn values_are_printed_and_parsed() {
    check::<Extent>("x=4,y=2", "x=4,y=2");
    check::<Point>("x=1/4,y=0/2", "x=1/4,y=0/2");
    check::<Region>("replica=1/2,host=2/1", "replica=1/2,host=2/1");
    check::<Region>("8+zone=2/32,gpu=8/1", "8+zone=2/32,gpu=8/1");
    check::<Region>("y=3/1,x=2/3", "y=3/1,x=2/3");
    check::<Extent>("", "");
    check::<Point>("", "");
    check::<Region>("", "");
    check::<Region>("7+", "7+");
    let mesh = Region::of(extent!(replica = 1, host = 2));
    assert_eq!(mesh.to_string(), "replica=1/2,host=2/1");
    assert_eq!(
        cluster().at("host", 1).unwrap().to_string(),
        "8+zone=2/32,gpu=8/1"
    );
}

#[test]
fn labels_that_are_no_words_are_quoted() {
    check::<Region>("\"dim/0\"=1/5,\"dim,1\"=5/1", "\"dim/0\"=1/5,\"dim,1\"=5/1");
    check::<Point>("\"dim/0\"=1/3,\"dim,1\"=2/5", "\"dim/0\"=1/3,\"dim,1\"=2/5");
    check::<Point>("0=1/3", "0=1/3");
    check::<Region>("0=3/1", "0=3/1");
    check::<Extent>("\"plain\"=3", "plain=3");
    for label in ["a\"b", "a\\b", "a\nb", "größe", "a b", "=", "+"] {
        let extent = Extent::new([(label, 3)]).unwrap();
        assert_eq!(extent.to_string().parse(), Ok(extent));
    }
}

#[test]
fn blanks_around_tokens_are_accepted() {
    check::<Point>(" x = 1 / 4 , y = 2 / 5 ", "x=1/4,y=2/5");
    check::<Extent>("\tx = 4\n", "x=4");
    check::<Region>(" 8 + x = 2 / 4 ", "8+x=2/4");
}

#[test]
fn one_form_is_not_the_other() {
    error::<Point>("x=4");
    error::<Region>("x=4");
    error::<Extent>("x=1/4");
    error::<Extent>("1+x=4");
}

#[test]
fn malformed_points_are_errors() {
    let texts = [
        "x",
        "x=",
        "x=1",
        "x=1/",
        "x=/4",
        "=1/4",
        "x=1/4,",
        "x=1/4,,y=0/2",
        "x=1/4=5",
        "x=1/4/6",
        "x=a/4",
        "x=-1/4",
        "x=1/0",
        "x=1/4,x=0/2",
        "x=1/99999999999999999999",
        "\"x=1/4",
        "\"\\x\"=1/4",
        "\"\"=1/4",
        "x=0/65536,y=0/65536",
    ];
    for text in texts {
        let error = error::<Point>(text);
        assert!(error.at <= text.len(), "{error:?}");
    }
}

#[test]
fn errors_say_where_and_what() {
    let at = |at, kind| ParseError { at, kind };
    let expected = |expected, found| ParseErrorKind::Expected { expected, found };
    assert_eq!(error::<Point>("x=1/4,"), at(6, expected("a label", None)));
    assert_eq!(
        error::<Point>("x=1/4, y 0"),
        at(9, expected("`=`", Some('0')))
    );
    assert_eq!(
        error::<Point>("x=1/ä"),
        at(4, expected("a number", Some('ä')))
    );
    assert_eq!(
        error::<Point>("x=1/ä").to_string(),
        "expected a number at byte 4, found 'ä'"
    );
    let shape = ShapeError::OutOfRange {
        dim: Some("x".into()),
        index: 5,
        size: 4,
    };
    assert_eq!(error::<Point>("x=5/4"), at(0, ParseErrorKind::Shape(shape)));
    let extent = ExtentError::DuplicateLabel { label: "x".into() };
    assert_eq!(
        error::<Extent>("x=5,x=4"),
        at(4, ParseErrorKind::Extent(extent))
    );
    let long = format!("x={}1", " ".repeat(4096));
    let kind = ParseErrorKind::TooLong {
        len: 4099,
        max: 4096,
    };
    assert_eq!(error::<Extent>(&long).kind, kind);
}

#[test]
fn strides_of_no_base_are_errors() {
    let kinds = |text| error::<Region>(text).kind;
    assert_eq!(kinds("x=2/0"), ParseErrorKind::ZeroStride);
    for text in ["x=2/1,y=2/1", "x=3/2,y=2/3", "1+x=2/2,y=2/1", "x=4/2,y=3/1"] {
        assert_eq!(kinds(text), ParseErrorKind::OverlappingStrides, "{text}");
    }
    for text in [
        "4294967295+",
        "x=2/4294967295,y=2/1",
        "4294967295+x=4294967295/4294967295",
    ] {
        assert!(matches!(kinds(text), ParseErrorKind::Extent(_)), "{text}");
    }
    assert_eq!(kinds("99999999999+x=1/1"), ParseErrorKind::NumberTooLarge);
    // Distinct ranks, although no stride divides the other.
    assert_eq!(ranks(&"x=2/3,y=2/2".parse().unwrap()), [0, 2, 3, 5]);
}

/// The full text parses, and prints back as `printed`.
#[track_caller]
fn check_full(text: &str, printed: &str) {
    let region = Region::parse_full_text(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(region.full_text().to_string(), printed);
    assert_eq!(Region::parse_full_text(printed), Ok(region));
}

#[test]
fn the_full_text_states_base_steps_pins_and_order() {
    check_full("x=0:8:2/8", "x=0:8:2/8");
    check_full("x=1:7:2/8", "x=1:7:2/8");
    check_full("x=1:8:2/8", "x=1:8:2/8");
    check_full("x=0:7:2/8", "x=0:8:2/8");
    check_full("x=0:8:1/8", "x=0:8/8");
    check_full("x=3:4/8,y=@1/2", "x=3:4/8,y=@1/2");
    check_full("x=@3/8", "x=@3/8");
    check_full("x=0:8/8,y=0:2/2;x,y", "x=0:8/8,y=0:2/2");
    check_full(
        "a=0:2/2,b=@1/3,c=0:4:3/4;c,a",
        "a=0:2/2,b=@1/3,c=0:4:3/4;c,a",
    );
    check_full(" x = 0 : 8 : 2 / 8 ; x ", "x=0:8:2/8");
    check_full(
        "\"a;b\"=0:2/2,c=0:2/2;c,\"a;b\"",
        "\"a;b\"=0:2/2,c=0:2/2;c,\"a;b\"",
    );
    check_full(";", ";");
    let pinned = cluster().at("host", 1).unwrap();
    assert_eq!(
        pinned.full_text().to_string(),
        "zone=0:2/2,host=@1/4,gpu=0:8/8"
    );
}

#[test]
fn malformed_full_texts_are_errors() {
    let error = |text| Region::parse_full_text(text).expect_err(text);
    let rows = [
        ("", 0),
        ("x", 1),
        ("x=4", 3),
        ("x=1/4", 3),
        ("x=2/1", 3),
        ("x=0:", 4),
        ("x=0:4", 5),
        ("x=0:4:1", 7),
        ("x=0:4:/4", 6),
        ("x=@/4", 3),
        ("x=0:4/4,", 8),
        ("x=0:4/4;x,", 10),
        ("x=0:4/4;x;", 9),
        ("x=0:4/4 x", 8),
    ];
    for (text, at) in rows {
        let error = error(text);
        let is_expected = matches!(error.kind, ParseErrorKind::Expected { .. });
        assert!(is_expected && error.at == at, "{text}: {error:?}");
    }
    let shape = |text, at| match error(text) {
        ParseError {
            at: found,
            kind: ParseErrorKind::Shape(error),
        } if found == at => error,
        other => panic!("{text}: {other:?}"),
    };
    let dim = || "x".into();
    let out_of_range = |index| ShapeError::OutOfRange {
        dim: Some(dim()),
        index,
        size: 4,
    };
    assert_eq!(shape("x=0:5/4", 2), out_of_range(4));
    assert_eq!(shape("x=@4/4", 2), out_of_range(4));
    assert_eq!(shape("x=0:4:0/4", 2), ShapeError::ZeroStep { dim: dim() });
    let empty = ShapeError::EmptyRange {
        dim: dim(),
        start: 2,
        end: 2,
    };
    assert_eq!(shape("x=2:2/4", 2), empty);
    let dims = vec!["x".into(), "y".into()];
    let no_permutation = ShapeError::NotAPermutation { dims };
    assert_eq!(shape("x=0:4/4,y=0:2/2;x", 16), no_permutation);
    assert_eq!(shape("x=0:4/4,y=0:2/2;x,x", 18), no_permutation);
    let unknown = ShapeError::UnknownDim {
        label: "y".into(),
        known: vec![dim()],
    };
    assert_eq!(shape("x=0:4/4,y=@0/2;y", 15), unknown);
    assert!(matches!(
        error("x=0:1/1,x=0:1/1").kind,
        ParseErrorKind::Extent(ExtentError::DuplicateLabel { .. })
    ));
    assert_eq!(
        error(&" ".repeat(5000)).kind,
        ParseErrorKind::TooLong {
            len: 5000,
            max: 4096
        }
    );
}

#[test]
fn the_longest_labels_fit_into_every_text() {
    let labels = (0..8).map(|dim| format!("{}{dim}", "\"".repeat(63)));
    let labels: Vec<String> = labels.collect();
    let extent = Extent::new(labels.iter().map(|label| (label.as_str(), 15))).unwrap();
    assert_eq!(extent.to_string().parse(), Ok(extent.clone()));
    let point = extent.point_of_rank(extent.count() - 1).unwrap();
    assert_eq!(point.to_string().parse(), Ok(point));
    let reversed: Vec<&str> = labels.iter().rev().map(String::as_str).collect();
    let region = Region::of(extent).permute(&reversed).unwrap();
    assert_eq!(
        Region::parse_full_text(&region.full_text().to_string()),
        Ok(region.clone())
    );
    assert!(region.to_string().parse::<Region>().is_ok());
}

fn label() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9_]{1,8}", ".{1,8}"]
}

proptest! {
    #[test]
    fn full_texts_round_trip_to_equal_regions(region in regions()) {
        let text = region.full_text().to_string();
        prop_assert_eq!(Region::parse_full_text(&text), Ok(region), "{}", text);
    }

    #[test]
    fn no_text_is_of_two_forms(region in regions(), extent in extents()) {
        let full = region.full_text().to_string();
        prop_assert!(full.parse::<Extent>().is_err());
        prop_assert!(full.parse::<Point>().is_err());
        prop_assert!(full.parse::<Region>().is_err());
        prop_assert!(full.parse::<Selection>().is_err());
        let others = [region.to_string(), extent.to_string()];
        for other in others {
            prop_assert!(Region::parse_full_text(&other).is_err());
        }
    }

    #[test]
    fn short_texts_keep_dims_and_ranks_whatever_the_labels(region in regions()) {
        let parsed: Region = region.to_string().parse().unwrap();
        prop_assert!(parsed.labels().eq(region.labels()));
        prop_assert_eq!(parsed.sizes(), region.sizes());
        prop_assert!(parsed.ranks().eq(region.ranks()));
    }

    #[test]
    fn extents_and_points_round_trip(
        dims in prop::collection::btree_map(label(), 1..=4_usize, 0..=5),
        rank in any::<prop::sample::Index>(),
    ) {
        let extent = Extent::new(dims).unwrap();
        prop_assert_eq!(extent.to_string().parse::<Extent>(), Ok(extent.clone()));
        let point = extent.point_of_rank(rank.index(extent.count())).unwrap();
        prop_assert_eq!(point.to_string().parse::<Point>(), Ok(point));
    }

    #[test]
    fn regions_keep_their_dims_and_ranks(model in model()) {
        let region = model.region();
        let text = region.to_string();
        let parsed: Region = text.parse().unwrap();
        prop_assert!(parsed.labels().eq(region.labels()));
        prop_assert_eq!(parsed.sizes(), region.sizes());
        prop_assert_eq!(ranks(&parsed), model.ranks());
        prop_assert_eq!(parsed.to_string(), text);
    }

    #[test]
    fn whole_extents_keep_their_text(sizes in sizes()) {
        let region = Region::of(extent_of(&sizes));
        let parsed: Region = region.to_string().parse().unwrap();
        prop_assert_eq!(parsed.extent(), region.extent());
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".*", dims in "[0-9+]{0,4}([a-c]=[0-9]{1,3}/?[0-9]{0,3},?){0,4}") {
        for text in [text, dims] {
            _ = text.parse::<Extent>();
            _ = text.parse::<Point>();
            _ = Region::parse_full_text(&text);
            if let Ok(region) = text.parse::<Region>() {
                prop_assert_eq!(region.ranks().len(), region.count());
            }
        }
    }
}
