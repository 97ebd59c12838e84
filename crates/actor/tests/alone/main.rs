//! Tests that need a process of their own: they count its memory, set its hook for panics, or look at how it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::process::Command;
use std::sync::Once;
use std::time::Duration;

use hypermesh_actor::mailbox::channel::ChannelTransport;
use hypermesh_actor::mailbox::{Gateway, GatewayOptions, ProcId};
use hypermesh_actor::{
    ActorHandle, ChildEvent, Cx, Directive, Error, Exit, Message, Proc, ProcOptions, Result, actor,
};
use hypermesh_testkit::{AllocationWatch, CountingAllocator};
use tokio::runtime::Handle;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

thread_local! {
    static HOOKED: Cell<usize> = const { Cell::new(0) };
}

/// Sets the program's own hook for panics, before there is any proc.
fn set_own_hook() {
    static SET: Once = Once::new();
    SET.call_once(|| std::panic::set_hook(Box::new(|_| HOOKED.set(HOOKED.get() + 1))));
}

fn proc() -> Proc {
    set_own_hook();
    let runtime = Handle::current();
    let options = GatewayOptions::new(runtime.clone(), ChannelTransport::Local);
    Proc::new(ProcOptions {
        id: ProcId::new(1, 0, 0),
        name: "alone".to_owned(),
        gateway: Gateway::new(options),
        runtime,
    })
    .unwrap()
}

#[derive(Message, Clone)]
struct Tick;
#[derive(Message)]
struct Fail;
#[derive(Message)]
struct Panic;
#[derive(Message)]
struct Count;
struct NewChild;

/// Opens a port, sets timers and has a child, like the one that has it.
struct Short;

#[actor]
impl Short {
    #[hook]
    fn init(&mut self, cx: &Cx<'_, Self>) -> Result<()> {
        cx.post_after(Duration::from_secs(3600), Tick);
        cx.every(Duration::from_secs(3600), Tick);
        cx.when_idle(Duration::from_secs(3600), Tick);
        let (port, _received) = cx.mailbox().open_port::<u64>();
        port.bind();
        Ok(())
    }

    #[handler]
    fn tick(&mut self, _cx: &Cx<'_, Self>, _: Tick) {}

    #[handler]
    fn fail(&mut self, _cx: &Cx<'_, Self>, _: Fail) -> Result<()> {
        Err(Error::msg("told to fail"))
    }

    #[handler]
    fn panic(&mut self, _cx: &Cx<'_, Self>, _: Panic) {
        panic!("told to panic");
    }

    #[handler]
    fn count(&mut self, cx: &Cx<'_, Self>, _: Count) -> Result<u64> {
        Ok((cx.children().len() + cx.mailbox().n_ports()) as u64)
    }

    #[handler(local)]
    fn new_child(&mut self, cx: &Cx<'_, Self>, _: NewChild) -> Result<ActorHandle<Self>> {
        Ok(cx.spawn(Short))
    }

    #[hook]
    fn on_child(&mut self, _cx: &Cx<'_, Self>, _: &ChildEvent) -> Result<Directive> {
        Ok(Directive::Handled)
    }
}

/// Lets a child of `parent`, and a named actor, live and end in one of the ways there are.
async fn cycle(proc: &Proc, parent: &ActorHandle<Short>, round: usize) {
    let child = parent.ask(NewChild).await.unwrap();
    let named = proc.spawn_named("named", Short).unwrap();
    for actor in [&child, &named] {
        match round % 4 {
            0 => actor.stop(),
            1 => actor.drain(),
            2 => actor.kill(),
            _ => actor.tell(Fail).unwrap(),
        }
    }
    for actor in [child, named] {
        let exit = actor.wait().await;
        assert_eq!(exit.is_failure(), round % 4 == 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_lives_leave_the_memory_where_it_was() {
    let proc = proc();
    proc.set_coordinator(std::sync::Arc::new(|event| {
        assert!(event.exit.is_failure());
    }));
    let parent = proc.spawn(Short);
    let n_of_parent = parent.ask(Count).await.unwrap();
    let n_actors = proc.actor_count();
    for round in 0..1000 {
        cycle(&proc, &parent, round).await;
    }
    let watch = AllocationWatch::start();
    for round in 0..50_000 {
        cycle(&proc, &parent, round).await;
    }
    let live = watch.so_far().live;
    assert!(
        live.abs() < 64 * 1024,
        "{live} bytes are left of 100 000 lives"
    );
    assert_eq!(parent.ask(Count).await, Ok(n_of_parent));
    assert_eq!(proc.actor_count(), n_actors);
    assert_eq!(proc.zombies(), []);
    parent.stop();
    assert_eq!(parent.wait().await, Exit::Stopped);
}

#[tokio::test]
async fn the_hook_that_the_program_had_still_runs_for_a_panic() {
    let proc = proc();
    let short = proc.spawn(Short);
    let before = HOOKED.get();
    short.tell(Panic).unwrap();
    let exit = short.wait().await;
    assert_eq!(HOOKED.get(), before + 1);
    let failure = exit.failure().unwrap();
    let place = failure.backtrace.clone().unwrap();
    assert!(place.contains("tests/alone/main.rs:"), "{place}");
}

/// Set in the process that the test below starts.
const CHILD: &str = "HYPERMESH_TEST_CHILD";

#[test]
fn without_a_coordinator_a_root_that_fails_does_not_end_its_process() {
    if std::env::var_os(CHILD).is_some() {
        return fail_and_go_on();
    }
    let name = "without_a_coordinator_a_root_that_fails_does_not_end_its_process";
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("1 passed"), "{said}");
}

/// Has actors without a parent fail and panic, and asks another one afterwards.
#[tokio::main(flavor = "current_thread")]
async fn fail_and_go_on() {
    let proc = proc();
    let (fails, panics) = (proc.spawn(Short), proc.spawn(Short));
    fails.tell(Fail).unwrap();
    panics.tell(Panic).unwrap();
    for actor in [fails, panics] {
        assert!(actor.wait().await.is_failure());
    }
    assert!(proc.spawn(Short).ask(Count).await.is_ok());
}
