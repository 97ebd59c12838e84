use hypermesh_actor::{Cx, actor};

struct Account;

#[actor]
impl Account {
    #[handler(message = Deposit)]
    fn deposit(&mut self, _cx: &Cx<'_, Self>, _: u64) {}

    #[handler(message = "Withdraw")]
    fn withdraw(&mut self, _cx: &Cx<'_, Self>, cents: u64) {}

    #[handler]
    fn transfer(&mut self, _cx: &Cx<'_, Self>, cents: u64, to: String, again: bool) {}
}

struct Stack<T>(Vec<T>);

#[actor]
impl<T: Send + 'static> Stack<T> {
    #[handler(message = Push)]
    fn push(&mut self, _cx: &Cx<'_, Self>, item: T) {}
}

fn main() {}
