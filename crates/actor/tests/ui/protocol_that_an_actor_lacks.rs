use hypermesh_actor::{ActorRef, Cx, Instance, Message, Result, actor, protocol};

#[derive(Message)]
struct Put(u64);
#[derive(Message)]
struct Get;
#[derive(Message)]
struct Clear;

protocol! {
    pub protocol Store {
        Put,
        Get -> u64,
    }
}

struct LacksGet;

#[actor]
impl LacksGet {
    #[handler]
    fn put(&mut self, _cx: &Cx<'_, Self>, _: Put) {}
}

struct OtherReply;

#[actor]
impl OtherReply {
    #[handler]
    fn put(&mut self, _cx: &Cx<'_, Self>, _: Put) {}

    #[handler]
    fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<String> {
        Ok(String::new())
    }
}

struct LocalGet;

#[actor]
impl LocalGet {
    #[handler]
    fn put(&mut self, _cx: &Cx<'_, Self>, _: Put) {}

    #[handler(local)]
    fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<u64> {
        Ok(1)
    }
}

fn lacks_a_message(actor: ActorRef<LacksGet>) -> ActorRef<Store> {
    actor.as_protocol()
}

fn replies_otherwise(actor: ActorRef<OtherReply>) -> ActorRef<Store> {
    actor.as_protocol()
}

fn takes_it_from_handles_only(actor: ActorRef<LocalGet>) -> ActorRef<Store> {
    actor.as_protocol()
}

fn is_no_message_of_it(store: ActorRef<Store>, cx: Instance<()>) {
    _ = store.tell(&cx, Clear);
}

fn is_no_protocol(store: ActorRef<Store>) -> ActorRef<LacksGet> {
    store.as_protocol()
}

fn main() {}
