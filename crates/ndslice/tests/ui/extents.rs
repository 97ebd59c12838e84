//! Literals that make no extent.

use hypermesh_ndslice::{extent, shape, try_extent};

fn main() {
    extent!(gpu = 2, gpu = 2);
    extent!(host = 2, gpu = 0);
    extent!(host = 65536, gpu = 65536);
    extent!(a = 1, b = 1, c = 1, d = 1, e = 1, f = 1, g = 1, h = 1, i = 1);
    shape!(gpu = 2, gpu = 2);
    shape!(gpu = 0);
    shape!(a = 1, b = 1, c = 1, d = 1, e = 1, f = 1, g = 1, h = 1, i = 1);
    let n_gpus = 2;
    _ = try_extent!(gpu = n_gpus, gpu = n_gpus);
}
