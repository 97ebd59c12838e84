use hypermesh_actor::{Cx, Message, actor};

#[derive(Message)]
struct Add(u64);

struct Counter;

#[actor]
impl Counter {
    #[handler]
    fn add(&mut self, _cx: &Cx<'_, Self>, _: Add) {}

    #[handler]
    fn add_again(&mut self, _cx: &Cx<'_, Self>, _: Add) {}
}

fn main() {}
