use hypermesh_actor::{Cx, Exit, Message, Result, actor};

#[derive(Message)]
struct Get;

struct Other;

#[actor]
impl Other {}

struct Counter;

#[actor]
impl Counter {
    #[hook]
    fn cleanup(&mut self, _cx: &Cx<'_, Self>, _exit: Exit) -> Result<()> {
        Ok(())
    }

    #[handler]
    fn get(&mut self, _cx: &Cx<'_, Other>, _: Get) {}
}

fn main() {}
