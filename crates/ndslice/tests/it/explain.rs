//! Pictures of selections.

use hypermesh_ndslice::{Region, Selection, SelectionError, extent, sel, shape};
use hypermesh_ndslice_strategies::{regions, selections_of};
use proptest::prelude::*;

use crate::model::cluster;

/// The picture of what `selection` selects of `region`.
#[track_caller]
fn check(selection: &Selection, region: &Region, picture: &str) {
    let drawn = selection.explain(region).unwrap();
    assert_eq!(drawn, picture, "{drawn}");
}

#[test]
fn a_line_a_grid_and_panels_are_drawn() {
    let line = "\
2:5|7 selects 4 of 10 ranks of gpu=10

gpu 0 1 2 3 4 5 6 7 8 9
    . . # # # . . # . .
";
    check(&sel!(2:5 | 7), &shape!(gpu = 10), line);
    let grid = "\
1,::2 selects 2 of 8 ranks of host=2,gpu=4

         gpu 0 1 2 3
  host 0     . . . .
  host 1     # . # .
";
    check(&sel!(1, ::2), &shape!(host = 2, gpu = 4), grid);
    let panels = "\
1,3,6: selects 2 of 64 ranks of zone=2,host=4,gpu=8

zone 0   gpu 0 1 2 3 4 5 6 7
  host 0     . . . . . . . .
  host 1     . . . . . . . .
  host 2     . . . . . . . .
  host 3     . . . . . . . .

zone 1   gpu 0 1 2 3 4 5 6 7
  host 0     . . . . . . . .
  host 1     . . . . . . . .
  host 2     . . . . . . . .
  host 3     . . . . . . # #
";
    check(&sel!(1, 3, 6:), &cluster(), panels);
}

#[test]
fn coordinates_are_those_of_the_slice() {
    // The dims of the view, in its order; the selection counts in it too.
    let view = cluster()
        .at("zone", 1)
        .and_then(|view| view.range("gpu", 2..6))
        .and_then(|view| view.permute(&["gpu", "host"]))
        .unwrap();
    let picture = "\
0,1: selects 3 of 16 ranks of gpu=4,host=4

        host 0 1 2 3
  gpu 0      . # # #
  gpu 1      . . . .
  gpu 2      . . . .
  gpu 3      . . . .
";
    check(&sel!(0, 1:), &view, picture);
    check(
        &sel!(*),
        &Region::of(extent!()),
        "* selects 1 of 1 ranks\n\n #\n",
    );
    let quoted = Region::of(hypermesh_ndslice::Extent::new([("a b", 2)]).unwrap());
    let picture = "1 selects 1 of 2 ranks of \"a b\"=2\n\n\"a b\" 0 1\n      . #\n";
    check(&sel!(1), &quoted, picture);
}

#[test]
fn what_is_not_drawn_is_counted() {
    let picture = "\
*,1::2,30:40 selects 450 of 9000 ranks of pod=9,host=10,gpu=100

pod 0    gpu  0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 .. 99
  host 0      .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  . and 0 of 68 more
  host 1      .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  #  # and 8 of 68 more
";
    let mesh = shape!(pod = 9, host = 10, gpu = 100);
    let drawn = sel!(*, 1::2, 30:40).explain(&mesh).unwrap();
    assert!(drawn.starts_with(picture), "{drawn}");
    assert!(
        drawn.ends_with("\n\n5 more panels: 250 of 5000 ranks\n"),
        "{drawn}"
    );

    let mesh = shape!(host = 20, gpu = 2);
    let drawn = sel!(10:, 1).explain(&mesh).unwrap();
    assert!(
        drawn.ends_with("\n  host 16 to 19: 4 of 8 ranks\n"),
        "{drawn}"
    );
}

#[test]
fn a_picture_of_a_huge_mesh_is_small_and_of_many_regions_too() {
    let mesh = shape!(a = 1000, b = 1000, c = 1000);
    let drawn = sel!(::2, ::2, ::2).explain(&mesh).unwrap();
    assert!(drawn.len() < 16_384 && drawn.lines().count() < 80);
    assert!(drawn.starts_with("::2,::2,::2 selects 125000000 of 1000000000 ranks of"));

    let even = "(0|2|4|6|8|10|12|14|16|18|20|22|24|26|28|30)";
    let text = format!("{even},{even},(0|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|17)");
    let selection: Selection = text.parse().unwrap();
    let mesh = shape!(a = 32, b = 32, c = 32);
    assert!(matches!(
        selection.eval(&mesh),
        Err(SelectionError::TooManyRegions { .. })
    ));
    let drawn = selection.explain(&mesh).unwrap();
    let (_, rest) = drawn.split_once("... selects ").unwrap();
    assert!(rest.starts_with("4352 of 32768 ranks of a=32,b=32,c=32\n"));
    let same = sel!(::2, ::2, (:16 | 17)).explain(&mesh).unwrap();
    assert!(same.ends_with(rest), "{drawn}\n{same}");
}

#[test]
fn a_picture_needs_what_evaluation_needs() {
    let mesh = cluster();
    assert_eq!(sel!(?).explain(&mesh), Err(SelectionError::Unseeded));
    let drawn = sel!(?, ?, ?).explain_seeded(&mesh, 7).unwrap();
    assert_eq!(drawn, sel!(?, ?, ?).explain_seeded(&mesh, 7).unwrap());
    assert_eq!(drawn.matches('#').count(), 1);
    let error = SelectionError::TooDeep { dims: 3, found: 4 };
    assert_eq!(sel!(0, 0, 0, 0).explain(&mesh), Err(error));
}

/// The counts of what is not drawn: `and 3 of 8 more`, `2 more panels: 3 of 8 ranks`.
fn counted(picture: &str) -> usize {
    let lines = picture.lines().skip(1);
    lines
        .filter_map(|line| {
            let (before, _) = line.split_once(" of ")?;
            before.rsplit(' ').next()?.parse::<usize>().ok()
        })
        .sum()
}

proptest! {
    #[test]
    fn inv1_marks_and_counts_add_up((region, selection) in regions().prop_flat_map(|region| {
        let selections = selections_of(&region);
        (Just(region), selections)
    })) {
        // Labels may hold marks; those of the picture stand after the last label of a line.
        let labels: Vec<String> = (0..region.ndim()).map(|dim| format!("d{dim}")).collect();
        let renamed = Region::of(hypermesh_ndslice::Extent::from_parts(
            labels, &Vec::from_iter(region.sizes())).unwrap());
        let count = selection.ranks_seeded(&renamed, 3).unwrap().count();
        let picture = selection.explain_seeded(&renamed, 3).unwrap();
        let marks = picture.lines().skip(1).map(|line| line.matches('#').count());
        prop_assert_eq!(marks.sum::<usize>() + counted(&picture), count, "{}", picture);
        prop_assert!(selection.explain_seeded(&region, 3).is_ok());
    }
}
