use std::rc::Rc;

use hypermesh_actor::{Cx, Message, actor};

#[derive(Message)]
struct Get;

async fn pause() {}

struct Counter;

#[actor]
impl Counter {
    #[handler]
    async fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) {
        let kept = Rc::new(1);
        pause().await;
        drop(kept);
    }
}

fn main() {}
