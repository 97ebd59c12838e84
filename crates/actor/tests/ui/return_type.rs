use hypermesh_actor::{Cx, Message, actor};

#[derive(Message)]
struct Get;

struct Counter;

#[actor]
impl Counter {
    #[handler]
    fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> u64 {
        7
    }
}

fn main() {}
