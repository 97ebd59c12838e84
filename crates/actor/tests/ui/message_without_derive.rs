use hypermesh_actor::{Cx, Message, Result, actor};

struct Add(u64);

#[derive(Message)]
struct Get;

struct Total(u64);

struct Counter;

#[actor]
impl Counter {
    #[handler]
    fn add(&mut self, _cx: &Cx<'_, Self>, _: Add) {}

    #[handler]
    fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<Total> {
        Ok(Total(1))
    }
}

fn main() {}
