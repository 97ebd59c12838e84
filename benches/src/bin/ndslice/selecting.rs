//! Selections: parsed in linear time, compiled, and asked for single ranks.

use std::hint::black_box;

use hypermesh::ndslice::{Rank, RankSet, Region, Selection};
use hypermesh_benches::Report;

use crate::{beside, mesh};
use hypermesh_benches::Outcome;

/// Boxes of the union.
const N_BOXES: usize = 1_000;

/// Measures parsing, compiling and `contains`.
pub(crate) async fn measure(report: &mut Report) -> Outcome<()> {
    let (short, long) = (union_text(256), union_text(4_096));
    let parse = |text: &str| black_box(text).parse::<Selection>();
    let ours = (long.len(), || parse(&long));
    let baseline = (short.len(), || parse(&short));
    let name = "parse a byte of 4 KiB : 256 B";
    beside(report, name, 1.5, ours, baseline).await?;

    let mesh = mesh(20)?;
    let (few, many) = (terms(32)?, terms(64)?);
    let compile = |selection: &Selection| black_box(selection).eval(&mesh);
    let (ours, baseline) = ((1, || compile(&many)), (1, || compile(&few)));
    beside(report, "compile 64 : 32 boxes", 5.0, ours, baseline).await?;

    let boxes = disjoint_boxes(&mesh)?;
    let (few, many) = (ranks_of(&boxes[..10]), ranks_of(&boxes));
    let ours = (1, || hits(|rank| many.contains(rank.0)));
    let baseline = (1, || hits(|rank| few.contains(rank.0)));
    let name = "contains, union of 1000 : 10 boxes";
    // log2(1000) / log2(10) is 3.
    beside(report, name, 4.0, ours, baseline).await?;
    let ours = (1, || hits(|rank| many.contains(rank.0)));
    let baseline = (1, || {
        hits(|rank| boxes.iter().any(|region| region.contains(rank)))
    });
    let name = "contains, compiled : box by box";
    beside(report, name, 0.2, ours, baseline).await
}

/// A union of single indices of exactly so many bytes.
fn union_text(len: usize) -> String {
    let mut text = "10".to_string();
    while text.len() + 3 <= len {
        text.push_str("|10");
    }
    text.extend(std::iter::repeat_n(' ', len - text.len()));
    text
}

/// A union of so many boxes that overlap in pairs.
fn terms(count: usize) -> Outcome<Selection> {
    let size = 32;
    let term = |i: usize| format!("{},*,{}:{}", i % size, i / size, size - i % 3);
    let terms: Vec<_> = (0..count).map(term).collect();
    Ok(terms.join("|").parse()?)
}

/// Boxes that touch neither each other nor an end of the mesh.
fn disjoint_boxes(mesh: &Region) -> Outcome<Vec<Region>> {
    let mut boxes = Vec::with_capacity(N_BOXES);
    for i in 0..N_BOXES {
        let part = mesh.range("pod", i / 32)?.range("rack", i % 32)?;
        boxes.push(part.range("host", 3..9)?.range("gpu", 5..17)?);
    }
    Ok(boxes)
}

fn ranks_of(boxes: &[Region]) -> RankSet {
    RankSet::from_ranges(boxes.iter().flat_map(Region::runs))
}

/// How many of some ranks all over the mesh are hit.
fn hits(contains: impl Fn(Rank) -> bool) -> usize {
    let ranks = (0..100).map(|i| Rank(i * 104_729 % (1 << 20)));
    ranks.filter(|rank| contains(black_box(*rank))).count()
}
