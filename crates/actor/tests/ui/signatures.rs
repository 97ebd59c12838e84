use hypermesh_actor::{Cx, Message, actor};

#[derive(Message)]
struct Add(u64);
#[derive(Message)]
struct Get;

struct Counter;

#[actor]
impl Counter {
    #[handler]
    fn no_message(&mut self, _cx: &Cx<'_, Self>) {}

    #[handler(fast)]
    fn unknown_option(&mut self, _cx: &Cx<'_, Self>, _: Add) {}

    #[handler]
    fn no_receiver(_cx: &Cx<'_, Self>, _: Get) {}

    #[hook]
    fn start(&mut self, _cx: &Cx<'_, Self>) {}
}

#[actor(spawm = "counter")]
impl Drop for Counter {
    fn drop(&mut self) {}
}

fn main() {}
