//! What `#[actor]` accepts.

use hypermesh_actor::{Cx, Handler, Message, Named, ReplyTo, Result, actor};

use crate::fixture::{proc, within};

#[derive(Message)]
struct Get;

type Answer = Result<Vec<u32>>;

/// Every form of a handler.
struct Forms;

#[actor]
impl Forms {
    #[handler]
    fn alias(&mut self, _cx: &Cx<'_, Self>, _: u8) -> Answer {
        Ok(vec![8])
    }

    #[handler]
    async fn nested(&self, _cx: &Cx<'_, Self>, n: u16) -> Result<Result<u16, String>> {
        Ok(Err(n.to_string()))
    }

    #[handler]
    fn nothing(&mut self, _cx: &Cx<'_, Self>, _: u32) {}

    #[handler]
    async fn nothing_later(&mut self, _cx: &Cx<'_, Self>, _: u64) {
        tokio::task::yield_now().await;
    }

    #[handler]
    async fn other_error(
        &mut self,
        _cx: &Cx<'_, Self>,
        text: String,
    ) -> Result<i8, std::num::ParseIntError> {
        text.parse()
    }

    #[handler(local)]
    fn by_hand(&mut self, _cx: &Cx<'_, Self>, _: bool, reply: ReplyTo<&'static str>) -> Result<()>
    where
        Self: Sized,
    {
        reply.send("by hand");
        Ok(())
    }

    #[cfg(not(test))]
    #[handler]
    fn cut_out(&mut self, _cx: &Cx<'_, Self>, _: NoSuchType) {}

    fn not_a_handler(&self) -> u8 {
        1
    }
}

#[tokio::test]
async fn every_form_of_a_handler_answers() {
    assert_eq!(Forms.not_a_handler(), 1);
    let proc = proc();
    let forms = proc.spawn(Forms);
    assert_eq!(within(forms.ask(1_u8)).await, Ok(vec![8]));
    assert_eq!(within(forms.ask(2_u16)).await, Ok(Err("2".to_owned())));
    assert_eq!(within(forms.ask(3_u32)).await, Ok(()));
    assert_eq!(within(forms.ask(4_u64)).await, Ok(()));
    assert_eq!(within(forms.ask("5".to_owned())).await, Ok(5));
    assert_eq!(within(forms.ask(true)).await, Ok("by hand"));
    assert!(<Forms as Named>::name().ends_with("macros::Forms"));
}

/// An actor whose messages are made from the arguments of its handlers.
pub(crate) mod account {
    use hypermesh_actor::{Cx, ReplyTo, Result, actor};

    pub(crate) struct Account {
        pub(crate) cents: u64,
    }

    #[actor]
    impl Account {
        /// Adds to the balance, and answers it.
        #[handler(message = Deposit, derive(Clone, Debug))]
        pub(crate) async fn deposit(
            &mut self,
            _cx: &Cx<'_, Self>,
            mut cents: u64,
            message: String,
        ) -> Result<(u64, String)> {
            cents += self.cents;
            self.cents = cents;
            Ok((cents, message))
        }

        #[handler(message = Balance)]
        pub(crate) fn balance(&self, _cx: &Cx<'_, Self>, reply: ReplyTo<u64>) {
            reply.send(self.cents);
        }

        #[handler(message = Visit, local)]
        pub(crate) fn visit(&mut self, _cx: &Cx<'_, Self>, visitor: fn(&mut Self)) {
            visitor(self);
        }

        #[cfg(not(test))]
        #[handler(message = CutOut)]
        fn cut_out(&mut self, _cx: &Cx<'_, Self>, field: NoSuchType) {}
    }
}

#[tokio::test]
async fn a_message_is_made_from_the_arguments_of_a_handler() {
    use account::{Account, Balance, Deposit, Visit};
    let proc = proc();
    let account = proc.spawn(Account { cents: 5 });
    let deposit = Deposit {
        cents: 7,
        message: "from me".to_owned(),
    };
    assert!(format!("{deposit:?}").starts_with("Deposit { cents: 7"));
    let answer = within(account.ask(deposit.clone())).await;
    assert_eq!(answer, Ok((12, "from me".to_owned())));
    let visitor: fn(&mut Account) = |account| account.cents *= 2;
    assert_eq!(within(account.ask(Visit { visitor })).await, Ok(()));
    let client = proc.client("client");
    assert_eq!(within(account.bind().ask(&client, Balance)).await, Ok(24));
    assert_eq!(Deposit::name(), "it::macros::account::Deposit");
}

/// An actor with parameters: its messages stay in the process.
struct Stack<T, const LIMIT: usize>
where
    T: Clone,
{
    items: Vec<T>,
}

struct Push<T>(T);

#[actor]
impl<T: Send + 'static, const LIMIT: usize> Stack<T, LIMIT>
where
    T: Clone,
{
    #[handler]
    fn push(&mut self, _cx: &Cx<'_, Self>, Push(item): Push<T>) -> Result<bool> {
        if self.items.len() < LIMIT {
            self.items.push(item);
            return Ok(true);
        }
        Ok(false)
    }

    #[handler]
    async fn get(&mut self, _cx: &Cx<'_, Self>, _: Get) -> Result<Vec<T>> {
        Ok(self.items.clone())
    }
}

#[tokio::test]
async fn an_actor_may_have_parameters() {
    let proc = proc();
    let stack = proc.spawn(Stack::<_, 2> { items: vec!["a"] });
    assert_eq!(within(stack.ask(Push("b"))).await, Ok(true));
    assert_eq!(within(stack.ask(Push("c"))).await, Ok(false));
    assert_eq!(within(stack.ask(Get)).await, Ok(vec!["a", "b"]));
    assert_eq!(stack.label(), "Stack");
}

/// Names of the prelude mean something else in here.
mod shadowed {
    #![forbid(unsafe_code)]
    #![allow(dead_code)]

    use hypermesh_actor::{Cx, Message, actor};

    struct Result;
    struct Ok;
    struct Err;
    struct Option;
    struct Some;
    struct None;
    struct Vec;
    struct Box;
    struct Future;
    trait Send {}

    #[derive(Message)]
    pub(super) struct Tick(pub(super) u8);

    pub(super) struct Clock;

    #[actor]
    impl Clock {
        #[handler]
        async fn tick(&mut self, _cx: &Cx<'_, Self>, Tick(n): Tick) -> hypermesh_actor::Result<u8> {
            hypermesh_actor::Result::Ok(n + 1)
        }

        #[handler(message = Tock)]
        pub(super) fn tock(&mut self, _cx: &Cx<'_, Self>, n: u8) -> hypermesh_actor::Result<u8> {
            hypermesh_actor::Result::Ok(n + 2)
        }

        #[hook]
        fn init(&mut self, _cx: &Cx<'_, Self>) -> hypermesh_actor::Result<()> {
            hypermesh_actor::Result::Ok(())
        }
    }

    hypermesh_actor::protocol! {
        pub(super) protocol Ticks {
            Tick -> u8,
            Tock -> u8,
        }
    }
}

#[tokio::test]
async fn the_generated_code_minds_no_shadowed_name() {
    let proc = proc();
    let clock = proc.spawn(shadowed::Clock);
    assert_eq!(within(clock.ask(shadowed::Tick(1))).await, Ok(2));
    let ticks = clock.bind().as_protocol::<shadowed::Ticks>();
    let client = proc.client("client");
    let tock = ticks.ask(&client, shadowed::Tock { n: 1 });
    assert_eq!(within(tock).await, Ok(3));
}

#[test]
fn a_small_message_takes_a_small_place_in_the_queue() {
    fn place<A: Handler<M>, M>() -> usize {
        size_of::<A::Msg>()
    }
    assert!(place::<Forms, u64>() <= 40, "{}", place::<Forms, u64>());
}
