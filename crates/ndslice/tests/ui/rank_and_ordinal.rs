//! A rank where an ordinal is expected, and the other way round.

use hypermesh_ndslice::{Ordinal, Rank, shape};

fn main() {
    let shape = shape!(gpu = 8);
    _ = shape.rank_at(Rank(5));
    _ = shape.ordinal_of(Ordinal(5));
}
