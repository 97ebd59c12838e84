//! A parent with children that fail in three ways: it lives on, makes a new child, and gives up at last.
#![allow(clippy::print_stdout, reason = "an example is a program: it prints")]

use hypermesh::prelude::*;

/// Asks a worker to divide 100 by this.
#[derive(Clone, Message)]
struct Divide(i32);

/// Asks the foreman to have it done by his worker.
#[derive(Clone, Message)]
struct Delegate(i32);

#[derive(Default)]
struct Worker;

#[actor]
impl Worker {
    #[handler]
    fn divide(&mut self, _cx: &Cx<'_, Self>, Divide(by): Divide) -> Result<i32> {
        match by {
            // An error fails the worker, after its caller has been told.
            -1 => Err(Error::msg("this worker does not divide by -1")),
            // So does a panic: dividing by zero is one.
            by => Ok(100 / by),
        }
    }
}

struct Foreman {
    worker: Option<ActorHandle<Worker>>,
    failures: u32,
}

#[actor]
impl Foreman {
    #[hook]
    async fn init(&mut self, cx: &Cx<'_, Self>) -> Result<()> {
        self.worker = Some(cx.spawn(Worker));
        Ok(())
    }

    #[handler]
    async fn delegate(&mut self, _cx: &Cx<'_, Self>, Delegate(by): Delegate) -> Result<String> {
        let worker = self
            .worker
            .as_ref()
            .ok_or_else(|| Error::msg("there is no worker"))?;
        // The worker's failure is an answer here; it becomes a child event as well.
        Ok(match worker.ask(Divide(by)).await {
            Ok(quotient) => format!("100 / {by} = {quotient}"),
            Err(error) => format!("100 / {by}: {error}"),
        })
    }

    #[hook]
    async fn on_child(&mut self, cx: &Cx<'_, Self>, event: &ChildEvent) -> Result<Directive> {
        if !event.is_failure() {
            return Ok(Directive::Handled);
        }
        self.failures += 1;
        println!("failure {} of a child: {}", self.failures, event.exit);
        if self.failures == 3 {
            return Ok(Directive::Escalate);
        }
        self.worker = Some(cx.spawn(Worker));
        Ok(Directive::Handled)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let cx = global_root_client();
    let foreman = cx.spawn(Foreman {
        worker: None,
        failures: 0,
    });
    for by in [7, 0, 5, -1, 3, 0] {
        println!("{}", foreman.ask(Delegate(by)).await?);
    }
    // The third failure was one too many: the foreman has failed because his child did.
    let exit = foreman.wait().await;
    println!("the foreman: {exit}");
    let root = exit
        .failure()
        .map(|failure| failure.root_cause().message.clone());
    println!("root cause: {}", root.unwrap_or_default());
    Ok(())
}
