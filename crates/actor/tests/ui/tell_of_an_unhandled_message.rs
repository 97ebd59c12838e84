use hypermesh_actor::{ActorHandle, ActorRef, Cx, Instance, Message, actor};

#[derive(Message)]
struct Add(u64);
#[derive(Message)]
struct Get;
#[derive(Message)]
struct Subtract(u64);
struct Local;

struct Counter;

#[actor]
impl Counter {
    #[handler]
    fn add(&mut self, _cx: &Cx<'_, Self>, _: Add) {}

    #[handler]
    fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) {}

    #[handler(local)]
    fn local(&mut self, _cx: &Cx<'_, Self>, _: Local) {}
}

fn by_handle(counter: ActorHandle<Counter>) {
    _ = counter.tell(Subtract(1));
}

fn by_ref(counter: ActorRef<Counter>, cx: Instance<()>) {
    _ = counter.tell(&cx, Subtract(1));
}

fn main() {}
