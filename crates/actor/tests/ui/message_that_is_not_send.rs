use std::rc::Rc;

use hypermesh_actor::{Cx, actor};

struct Shared(Rc<u64>);

struct Counter;

#[actor]
impl Counter {
    #[handler(local)]
    fn add(&mut self, _cx: &Cx<'_, Self>, Shared(n): Shared) {
        _ = n;
    }
}

fn main() {}
