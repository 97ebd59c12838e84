//! Selections: meaning, text and limits.

use std::collections::HashSet;

use hypermesh_ndslice::{
    ParseError, ParseErrorKind, Rank, RankSet, Region, Selection, SelectionError, ShapeError,
    extent, sel, shape,
};
use proptest::prelude::*;

use crate::model::{cluster, coordinates, model, model_and_part, part_of};

fn parse(text: &str) -> Selection {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn ranks(text: &str) -> RankSet {
    parse(text)
        .ranks(&cluster())
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What the text selects of `zone=2,host=4,gpu=8`.
#[track_caller]
fn check(text: &str, selected: &str) {
    assert_eq!(ranks(text).to_string(), selected, "{text}");
}

#[test]
fn selections_mean_what_the_table_says() {
    check("*", "0..64");
    check(":", "0..64");
    check("1,1,1", "41");
    check("0,1", "8..16");
    check("*,0,*", "0..8,32..40");
    check(
        "*,*,:4",
        "0..4,8..12,16..20,24..28,32..36,40..44,48..52,56..60",
    );
    check("1,3,1::2", "57,59,61,63");
    check(
        "*,*,4:",
        "4..8,12..16,20..24,28..32,36..40,44..48,52..56,60..64",
    );
    check("0,(0|2),(:2|6:)", "0..2,6..8,16..18,22..24");
    check("*,(1|3),*", "8..16,24..32,40..48,56..64");
    check("(0,*,*)&(0,(1|3),*)", "8..16,24..32");
    check("((1:2),2)", "48..56");
    check("*&1,1,4:8", "44..48");
    check("1,1,1:4|1", "32..64");
    check("*-0|0", "0..64");
    check("*-(*,0)", "8..32,40..64");
    check("*,0&*,1", "");
    check("*-*", "");
    check("0,(1,2|3)", "10,24..32");
    assert_eq!(parse(":"), sel!(*));
}

/// The text selects the members at the coordinates that `is_selected` takes.
#[track_caller]
fn check_coords(text: &str, is_selected: impl Fn(usize, usize, usize) -> bool) {
    let mesh = cluster();
    let is_hit = |rank: &usize| {
        let coords = Vec::from_iter(mesh.coord_of(Rank(*rank)).unwrap());
        is_selected(coords[0], coords[1], coords[2])
    };
    let expected: RankSet = (0..64).filter(is_hit).collect();
    assert_eq!(ranks(text), expected, "{text}");
}

#[test]
fn factors_apply_to_their_own_dim() {
    check_coords("*,*,1::2", |_, _, gpu| gpu % 2 == 1);
    check_coords("*,*,(:2|6:)", |_, _, gpu| !(2..6).contains(&gpu));
    check_coords("*&*,*,4:8", |_, _, gpu| 4 <= gpu);
    check_coords("*,*,4:8", |_, _, gpu| 4 <= gpu);
    check_coords("*,*,:4", |_, _, gpu| gpu < 4);
    check_coords("*,(1|3),*", |_, host, _| host % 2 == 1);
}

#[test]
fn comma_binds_tighter_than_and_and_that_tighter_than_or_and_minus() {
    check_coords("*,*,1:4|1", |zone, _, gpu| {
        zone == 1 || (1..4).contains(&gpu)
    });
    check_coords("*-(*,0)", |_, host, _| host != 0);
    check_coords("*-*,0", |_, host, _| host != 0);
    check_coords("*-0|0", |_, _, _| true);
    check_coords("*-(0|0)", |zone, _, _| zone == 1);
    check_coords("*-0-1", |_, _, _| false);
    check_coords("*-(0-1)", |zone, _, _| zone == 1);
    check_coords("0|1&*,2", |zone, host, _| zone == 0 || host == 2);
    check_coords("(0|1)&*,2", |_, host, _| host == 2);
}

#[test]
fn the_largest_texts_need_little_stack() {
    let deep = format!("{}0{}", "(0-".repeat(64), ")".repeat(64));
    let mut wide = "(0|1,(1|2),3)|".repeat(292);
    wide.push_str("(0|1)");
    assert!(4090 < wide.len() && wide.len() <= 4096);
    let check = move || {
        for text in [&deep, &wide] {
            let selection = parse(text);
            let copy = selection.clone();
            drop(selection);
            assert_eq!(copy.to_string().parse(), Ok(copy.clone()));
            assert!(copy.eval(&cluster()).is_ok() && copy.explain(&cluster()).is_ok());
        }
    };
    // One level of recursion for each byte or node would need more.
    let thread = std::thread::Builder::new()
        .stack_size(96 << 10)
        .spawn(check);
    thread.unwrap().join().unwrap();
}

#[test]
fn every_rank_is_selected_once() {
    let shape = shape!(a = 2, b = 2, c = 2, d = 2);
    assert_ne!(
        sel!(*, *, *, 0).ranks(&shape),
        sel!(*, *, 0, *).ranks(&shape)
    );
    let both = parse("*,*,*,0|*,*,0");
    assert_eq!(both.ranks(&shape).unwrap().count(), 12);
    assert_eq!(
        both.eval(&shape)
            .unwrap()
            .iter()
            .map(Region::count)
            .sum::<usize>(),
        12
    );
    for ndim in 1..5 {
        let extent = hypermesh_ndslice::Extent::new((0..ndim).map(|i| (format!("d{i}"), 8)));
        let selected = sel!(0:8).ranks(&Region::of(extent.unwrap())).unwrap();
        assert!(selected.contains(5));
    }
}

#[test]
fn a_selection_that_does_not_fit_is_an_error() {
    let error = |text: &str| parse(text).eval(&cluster()).expect_err(text);
    assert_eq!(
        error("*,*,*,*"),
        SelectionError::TooDeep { dims: 3, found: 4 }
    );
    assert_eq!(
        error("(0,0),(0,0)"),
        SelectionError::TooDeep { dims: 3, found: 4 }
    );
    let shape = ShapeError::OutOfRange {
        dim: Some("zone".into()),
        index: 5,
        size: 2,
    };
    assert_eq!(error("5:6"), SelectionError::Shape(shape));
    let shape = ShapeError::EmptyRange {
        dim: "gpu".into(),
        start: 3,
        end: 3,
    };
    assert_eq!(error("*,*,3:3"), SelectionError::Shape(shape));
    let unity = Region::of(extent!());
    assert_eq!(sel!(*).ranks(&unity), Ok(RankSet::from(0..1)));
    let too_deep = SelectionError::TooDeep { dims: 0, found: 1 };
    assert_eq!(sel!(0).ranks(&unity), Err(too_deep));
}

#[test]
fn a_seed_picks_an_index() {
    let shape = cluster();
    assert_eq!(sel!(?).eval(&shape), Err(SelectionError::Unseeded));
    assert!(sel!(0, ?).is_random() && !sel!(0, *).is_random());
    let mut seen = HashSet::new();
    for seed in 0..1000 {
        let picked = sel!(?, ?, ?).ranks_seeded(&shape, seed).unwrap();
        assert_eq!(picked.count(), 1);
        assert_eq!(sel!(?, ?, ?).ranks_seeded(&shape, seed).unwrap(), picked);
        seen.extend(picked.iter());
        let host = sel!(0, ?).ranks_seeded(&shape, seed).unwrap();
        assert_eq!((host.count(), host.runs().len()), (8, 1));
        let both = sel!(*, ?).ranks_seeded(&shape, seed).unwrap();
        assert_eq!(both.count(), 16);
        assert_eq!(
            both.runs().nth(1).map(|run| run.start),
            both.min().map(|min| min + 32)
        );
    }
    assert_eq!(seen.len(), 64);
}

#[test]
fn many_regions_become_a_set() {
    let shape = shape!(a = 32, b = 32, c = 32);
    let even = "(0|2|4|6|8|10|12|14|16|18|20|22|24|26|28|30)";
    let selection = parse(&format!(
        "{even},{even},(0|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|17)"
    ));
    let error = SelectionError::TooManyRegions { max: 4096 };
    assert_eq!(selection.eval(&shape), Err(error));
    let selected = selection.ranks(&shape).unwrap();
    let same = sel!(::2, ::2, (:16 | 17)).ranks(&shape).unwrap();
    assert_eq!((&selected, selected.count()), (&same, 16 * 16 * 17));
    let failed = RankSet::from(0..32);
    assert_eq!(selected.difference(&failed).count(), 16 * 16 * 17 - 17);
}

#[test]
fn malformed_selections_are_errors() {
    let rows = [
        ("", 0),
        (",", 0),
        ("*,", 2),
        (",*", 0),
        ("* *", 2),
        ("1 2", 2),
        ("1..4", 1),
        ("(", 1),
        ("(*", 2),
        ("*)", 1),
        ("|*", 0),
        ("*|", 2),
        ("1:2:3:4", 5),
        ("a", 0),
        ("-1", 0),
        ("()", 1),
        ("1:2:", 4),
        ("*ä", 1),
        ("(*ä", 2),
    ];
    for (text, at) in rows {
        let error = text.parse::<Selection>().expect_err(text);
        assert!(
            matches!(error.kind, ParseErrorKind::Expected { .. }),
            "{text}: {error}"
        );
        assert_eq!(error.at, at, "{text}: {error}");
    }
    let error = |at, kind| Err(ParseError { at, kind });
    assert_eq!(
        "1::0".parse::<Selection>(),
        error(3, ParseErrorKind::ZeroStep)
    );
    assert_eq!(
        "99999999999".parse::<Selection>(),
        error(0, ParseErrorKind::NumberTooLarge)
    );
    let kind = ParseErrorKind::Expected {
        expected: "an operator or the end of the text",
        found: Some('2'),
    };
    assert_eq!("1 2".parse::<Selection>(), error(2, kind));
}

#[test]
fn nesting_and_length_are_limited() {
    let nested = |depth: usize| format!("{}*{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(parse(&nested(64)), sel!(*));
    let error = nested(65).parse::<Selection>().unwrap_err();
    assert_eq!(
        error,
        ParseError {
            at: 64,
            kind: ParseErrorKind::NestedTooDeep { max: 64 }
        }
    );
    let error = "(".repeat(100_000).parse::<Selection>().unwrap_err();
    assert_eq!(
        error.kind,
        ParseErrorKind::TooLong {
            len: 100_000,
            max: 4096
        }
    );
    // Every level as full of waiting operators as it gets.
    let full = format!("{}0-0{}", "0-0&0,(".repeat(64), ")".repeat(64));
    assert_eq!(parse(&full).to_string(), full);

    let mut left = sel!(0);
    let mut right = sel!(0);
    for _ in 0..64 {
        left = left.difference(&sel!(0)).unwrap();
        right = sel!(0).difference(&right).unwrap();
    }
    assert_eq!(parse(&right.to_string()), right);
    assert!(left.difference(&sel!(0)).is_ok());
    let error = SelectionError::NestedTooDeep { depth: 65, max: 64 };
    let right = sel!(0)
        .difference(&right)
        .and_then(|right| sel!(0).difference(&right));
    assert_eq!(right, Err(error));
    let long = Selection::chain(std::iter::repeat_n(
        Selection::range(1000..2000).unwrap(),
        409,
    ));
    assert_eq!(long.as_ref().map(|long| long.to_string().len()), Ok(4089));
    let error = long.and_then(|long| long.union(&sel!(100:2000)));
    assert_eq!(
        error,
        Err(SelectionError::TooLong {
            len: 4098,
            max: 4096
        })
    );
}

#[test]
fn large_texts_do_not_blow_up() {
    let dims = ["(0|1)"; 8].join(",");
    let extent = hypermesh_ndslice::Extent::new((0..8).map(|i| (format!("d{i}"), 2))).unwrap();
    assert_eq!(
        parse(&dims).ranks(&Region::of(extent)).unwrap().count(),
        256
    );
    let unions = ["(0|1,(1|2),3)"; 200].join("|");
    assert_eq!(parse(&unions).ranks(&cluster()).unwrap().count(), 34);
}

#[test]
fn builders_check_their_arguments() {
    let step = hypermesh_ndslice::Range::from(..).step_by(0);
    assert_eq!(Selection::range(step), Err(SelectionError::ZeroStep));
    let index = usize::MAX;
    assert_eq!(
        Selection::index(index),
        Err(SelectionError::IndexTooLarge { index })
    );
    assert_eq!(Selection::range(..), Ok(Selection::all()));
    assert_eq!(Selection::chain([]), Ok(Selection::all()));
    assert_eq!(Selection::chain([Selection::pick()]), Ok(sel!(?)));
    assert_eq!(Ok(Selection::first()), Selection::index(0));
    assert_eq!(Selection::index(3), Ok(sel!(3)));
}

/// An expression without the numbers that only a shape gives sense to.
#[derive(Clone, Debug)]
enum Raw {
    All,
    Index(usize),
    Range(usize, usize, usize),
    Chain(Vec<Raw>),
    Join(char, Box<(Raw, Raw)>),
}

fn raw() -> impl Strategy<Value = Raw> {
    let leaf = prop_oneof![
        Just(Raw::All),
        any::<u16>().prop_map(|index| Raw::Index(index.into())),
        any::<(u16, u16, u8)>().prop_map(|(a, b, c)| Raw::Range(a.into(), b.into(), c.into())),
    ];
    leaf.prop_recursive(4, 16, 4, |raw| {
        prop_oneof![
            prop::collection::vec(raw.clone(), 2..5).prop_map(Raw::Chain),
            (prop::sample::select(&['|', '&', '-'][..]), raw.clone(), raw)
                .prop_map(|(c, l, r)| Raw::Join(c, Box::new((l, r)))),
        ]
    })
}

/// Whether the member at these coordinates is selected.
type Predicate = Box<dyn Fn(&[usize]) -> bool>;

/// An expression for one shape: its text, the dims it needs and what it selects.
struct Fitted {
    text: String,
    need: usize,
    selects: Predicate,
}

impl Fitted {
    fn all() -> Self {
        Self {
            text: "*".to_string(),
            need: 0,
            selects: Box::new(|_| true),
        }
    }
}

fn fit(raw: &Raw, dim: usize, lens: &[usize]) -> Fitted {
    let leaf = |text: String, indices: Vec<usize>| Fitted {
        text,
        need: 1,
        selects: Box::new(move |coords| indices.contains(&coords[dim])),
    };
    match raw {
        _ if dim == lens.len() => Fitted::all(),
        Raw::All => Fitted::all(),
        Raw::Index(index) => {
            let index = index % lens[dim];
            leaf(index.to_string(), vec![index])
        }
        Raw::Range(start, len, step) => {
            let (start, step) = (start % lens[dim], step % 4 + 1);
            let end = start + 1 + len % (lens[dim] - start);
            leaf(
                format!("{start} :{end}: {step}"),
                (start..end).step_by(step).collect(),
            )
        }
        Raw::Chain(factors) => {
            let mut chain = Fitted::all();
            let mut text = Vec::new();
            for factor in factors {
                let next = dim + chain.need;
                if next == lens.len() {
                    break;
                }
                let factor = fit(factor, next, lens);
                text.push(format!("({})", factor.text));
                chain.need += factor.need.max(1);
                let before = chain.selects;
                chain.selects = Box::new(move |coords| before(coords) && (factor.selects)(coords));
            }
            if text.len() == 1 && text[0] == "(*)" {
                return Fitted::all();
            }
            Fitted {
                text: text.join(" ,"),
                ..chain
            }
        }
        Raw::Join(operator, operands) => {
            let (left, right) = (fit(&operands.0, dim, lens), fit(&operands.1, dim, lens));
            let operator = *operator;
            Fitted {
                text: format!("({}){operator}({})", left.text, right.text),
                need: left.need.max(right.need),
                selects: Box::new(move |coords| match operator {
                    '|' => (left.selects)(coords) || (right.selects)(coords),
                    '&' => (left.selects)(coords) && (right.selects)(coords),
                    _ => (left.selects)(coords) && !(right.selects)(coords),
                }),
            }
        }
    }
}

proptest! {
    #[test]
    fn evaluation_equals_brute_force(model in model(), raw in raw()) {
        let region = model.region();
        let fitted = fit(&raw, 0, &model.lens());
        let selection = parse(&fitted.text);
        let expected: RankSet = coordinates(&model.lens())
            .iter()
            .filter(|coords| (fitted.selects)(coords))
            .map(|coords| model.rank_of(coords))
            .collect();
        let regions = selection.eval(&region).unwrap();
        prop_assert_eq!(regions.iter().map(Region::count).sum::<usize>(), expected.count());
        prop_assert!(regions.iter().all(|part| part.labels().eq(region.labels())));
        prop_assert_eq!(selection.ranks(&region), Ok(expected), "{}", fitted.text);
        prop_assert_eq!(parse(&selection.to_string()), selection);
    }

    #[test]
    fn a_part_of_a_mesh_becomes_a_selection((model, part) in model_and_part()) {
        let mesh = model.region();
        let region = part_of(&mesh, &part);
        let selection = Selection::from_region(&region, &mesh).unwrap();
        prop_assert_eq!(selection.ranks(&mesh), Ok(RankSet::from(&region)));
        prop_assert_eq!(parse(&selection.to_string()), selection);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".*", likely in "[*?:0-9,|&()-]{0,20}") {
        for text in [text, likely] {
            if let Ok(selection) = text.parse::<Selection>() {
                prop_assert_eq!(parse(&selection.to_string()), selection.clone());
                _ = selection.ranks_seeded(&cluster(), 1);
            }
        }
    }
}
