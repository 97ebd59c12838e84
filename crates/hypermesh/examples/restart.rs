//! Children that are made anew when they fail: alone, or with those that depend on them, and not for ever.
#![allow(clippy::print_stdout, reason = "an example is a program: it prints")]

use std::time::Duration;

use hypermesh::prelude::*;
use hypermesh::{Backoff, RestartPolicy, Strategy};

/// Stores a number.
#[derive(Clone, Message)]
struct Store(i64);

/// Asks for the sum of what was stored.
#[derive(Clone, Message)]
struct Sum;

/// Asks the keeper for the ref of one of his stores.
#[derive(Clone, Message)]
struct Find(usize);

/// Adds numbers up, and fails at a negative one.
struct Shelf {
    name: &'static str,
    sum: i64,
}

#[actor]
impl Shelf {
    #[hook]
    async fn init(&mut self, cx: &Cx<'_, Self>) -> Result<()> {
        println!("{} begins, generation {}", self.name, cx.id().generation);
        Ok(())
    }

    #[handler]
    fn store(&mut self, _cx: &Cx<'_, Self>, Store(n): Store) -> Result<i64> {
        if n < 0 {
            return Err(Error::msg(format!("{n} does not fit")));
        }
        self.sum += n;
        Ok(self.sum)
    }

    #[handler]
    fn sum(&mut self, _cx: &Cx<'_, Self>, _: Sum) -> Result<i64> {
        Ok(self.sum)
    }
}

#[derive(Default)]
struct Keeper {
    shelves: Vec<ActorRef<Shelf>>,
}

#[actor]
impl Keeper {
    #[hook]
    async fn init(&mut self, cx: &Cx<'_, Self>) -> Result<()> {
        let policy = RestartPolicy {
            max: 2,
            within: Duration::from_secs(60),
            backoff: Backoff::NONE,
        };
        // With the first go those behind it, which are made after it.
        let group = cx.restart_group(Strategy::RestForOne, policy);
        for name in ["bottom", "top"] {
            let shelf = group.spawn_named(name, move || Shelf { name, sum: 0 })?;
            self.shelves.push(shelf.bind());
        }
        Ok(())
    }

    #[handler]
    fn find(&mut self, _cx: &Cx<'_, Self>, Find(idx): Find) -> Result<ActorRef<Shelf>> {
        let shelf = self.shelves.get(idx).cloned();
        shelf.ok_or_else(|| Error::msg(format!("there is no shelf {idx}")))
    }

    #[hook]
    async fn on_child(&mut self, _cx: &Cx<'_, Self>, event: &ChildEvent) -> Result<Directive> {
        println!("{} ended: {}", event.label, event.exit);
        Ok(match event.is_failure() {
            true => Directive::Restart,
            false => Directive::Handled,
        })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let cx = global_root_client();
    let keeper = cx.spawn(Keeper::default());
    let bottom = keeper.ask(Find(0)).await?;
    let top = keeper.ask(Find(1)).await?;
    let mut monitor = keeper.bind().monitor(cx);
    for shelf in [&top, &bottom] {
        let mut end = shelf.monitor(cx);
        shelf.ask(cx, Store(7)).await?;
        let refused = shelf.ask(cx, Store(-1)).await;
        println!("{}: {}", shelf.label(), refused.is_err());
        // Its end is the next that the keeper hears of. When he answers, the ref is that of a new shelf.
        end.ended().await;
        keeper.ask(Find(0)).await?;
        for shelf in [&bottom, &top] {
            println!("{} has {}", shelf.label(), shelf.ask(cx, Sum).await?);
        }
    }
    // The third failure is one too many: the keeper fails, and his shelves are gone with him.
    _ = bottom.ask(cx, Store(-1)).await;
    println!("the keeper: {}", monitor.ended().await);
    println!("the top: {}", top.ask(cx, Sum).await.is_err());
    Ok(())
}
