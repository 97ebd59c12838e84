//! The macros against the functions they stand for.

use hypermesh_ndslice::{
    Extent, ExtentError, Range, Region, Selection, SelectionError, ShapeError, extent, sel,
    sel_from_shape, shape, try_extent, try_shape,
};

use crate::model::cluster;

#[test]
fn extents_and_shapes_take_literals_and_expressions() {
    let n_hosts = 4_usize;
    let extent = extent!(zone = 2, host = n_hosts, gpu = 2 * 4);
    assert_eq!(
        Ok(&extent),
        Extent::new([("zone", 2), ("host", 4), ("gpu", 8)]).as_ref()
    );
    assert_eq!(
        shape!(zone = 2, host = n_hosts, gpu = 8,),
        Region::of(extent)
    );
}

#[test]
#[should_panic(expected = "invalid extent: dim \"host\" has size 0")]
fn an_illegal_size_that_is_no_literal_panics() {
    let n_hosts = 0;
    extent!(host = n_hosts);
}

#[test]
fn an_illegal_size_is_a_typed_error_if_asked_for() {
    let (n_hosts, n_gpus) = (0_usize, 8_usize);
    let label = || "host".into();
    let error = ExtentError::EmptyRange { label: label() };
    assert_eq!(
        try_extent!(gpu = n_gpus, host = n_hosts),
        Err(error.clone())
    );
    assert_eq!(try_shape!(host = n_hosts), Err(error));
    let many = 65_536_usize;
    let max = u32::MAX as usize;
    let error = ExtentError::TooLarge {
        label: label(),
        size: many,
        max,
    };
    assert_eq!(try_extent!(gpu = many, host = many), Err(error));
    assert_eq!(try_extent!(gpu = n_gpus), Ok(extent!(gpu = 8)));
    assert_eq!(try_shape!(gpu = n_gpus,), Ok(shape!(gpu = 8)));
    assert_eq!(try_extent!(), Ok(extent!()));
}

#[test]
fn sel_equals_parsing() {
    #[track_caller]
    fn check(selection: Selection, text: &str) {
        assert_eq!(Ok(selection), text.parse());
    }
    check(sel!(*), "*");
    check(sel!(:), ":");
    check(sel!(?), "?");
    check(sel!(1, 1, 1), "1,1,1");
    check(sel!(*, 0, *), "*,0,*");
    check(sel!(*, *, :4), "*,*,:4");
    check(sel!(*, *, 1::2), "*,*,1::2");
    check(sel!(*, *, ::2), "*,*,::2");
    check(sel!(*, *, 4:), "*,*,4:");
    check(sel!(*, 0:4 | 6), "*,0:4|6");
    check(sel!(*, *, (:2 | 6:)), "*,*,(:2|6:)");
    check(sel!((0, *, *) & (0, (1 | 3), *)), "(0,*,*)&(0,(1|3),*)");
    check(sel!(((1:2), 2)), "((1:2),2)");
    check(sel!(*&*,*,4:8), "*&*,*,4:8");
    check(sel!(*-0 | 0), "*-0|0");
    check(sel!(*-(*,0)), "*-(*,0)");
    check(sel!(0, 1:4), "0, 1:4");
}

#[test]
fn a_selection_from_a_shape_equals_its_ranges() {
    let shape = cluster();
    let selection = sel_from_shape!(shape, host = 1..3, gpu = 2..);
    let sliced = shape
        .range("host", 1..3)
        .and_then(|region| region.range("gpu", 2..))
        .unwrap();
    assert_eq!(selection.ranks(&shape), Ok((&sliced).into()));
    assert_eq!(sel_from_shape!(&shape), sel!(*));
    assert_eq!(sel_from_shape!(&shape, zone = 0), sel!(0));
    let stepped = sel_from_shape!(&shape, gpu = Range::from(1..).step_by(2));
    assert_eq!(stepped, sel!(*, *, 1:8:2));

    let part = shape
        .at("zone", 1)
        .and_then(|region| region.range("gpu", 4..))
        .unwrap();
    let selection = sel_from_shape!(part, gpu = 3);
    assert_eq!(selection, sel!(*, 3));
    assert_eq!(selection.ranks(&part).unwrap().to_string(), "39,47,55,63");
}

#[test]
fn an_unknown_label_is_an_error_value() {
    let shape = cluster();
    let selection = sel_from_shape!(&shape, rack = 0);
    let error = shape.range("rack", 0).unwrap_err();
    assert_eq!(selection.error(), Some(&error));
    assert_eq!(selection.eval(&shape), Err(SelectionError::Shape(error)));
    assert_eq!(selection.union(&sel!(*)), sel!(*).union(&selection));
    let error = sel_from_shape!(&shape, gpu = 8).error().cloned();
    assert!(matches!(
        error,
        Some(ShapeError::OutOfRange { index: 8, .. })
    ));
}

/// The compiler whose words are in `tests/ui/*.stderr`: each release says things a little differently.
const RECORDED_WITH: &str = "rustc 1.95.";

#[test]
#[expect(clippy::print_stdout, reason = "a test that is skipped says why")]
fn what_is_wrong_at_compile_time_is_explained() {
    let rustc = option_env!("RUSTC").unwrap_or("rustc");
    let version = std::process::Command::new(rustc).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    match version {
        Ok(version) if version.starts_with(RECORDED_WITH) => {
            let cases = trybuild::TestCases::new();
            cases.compile_fail("tests/ui/*.rs");
        }
        other => println!("skipped: recorded with {RECORDED_WITH}x, this is {other:?}"),
    }
}
