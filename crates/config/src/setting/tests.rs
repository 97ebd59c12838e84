//! One setting through its life.

use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::macro_support::{ByValue as _, Probe};
use crate::{ByteSize, config};

/// Settings that are not registered, so that no other test reads the environment for them.
static LAYERED: Setting<u64> = Setting::new(unregistered("LAYERED", "HYPERMESH_TEST_LAYERED"));
static THREADED: Setting<u64> = Setting::new(unregistered("THREADED", "HYPERMESH_TEST_THREADED"));
static PARALLEL: Setting<u64> = Setting::new(unregistered("PARALLEL", "HYPERMESH_TEST_PARALLEL"));
static LOCKED: Setting<u64> = Setting::new(unregistered("LOCKED", "HYPERMESH_TEST_LOCKED"));
static CHECKED: Setting<u64> = Setting::new(
    unregistered("CHECKED", "HYPERMESH_TEST_CHECKED")
        .check(|value| *value > 0)
        .expected("above 0"),
);

const fn unregistered(name: &'static str, env: &'static str) -> Declaration<u64> {
    Declaration::new(
        name,
        "",
        module_path!(),
        || 1,
        || (&&Probe::<u64>::NEW).codec(),
    )
    .env(env)
}

config! {
    static RENAMED: ByteSize = ByteSize::mib(1),
        env = "HYPERMESH_TEST_RENAMED",
        aka = "OTHER_TEST_RENAMED";
    static NESTED: Duration = Duration::from_secs(1), env = "HYPERMESH_TEST_NESTED";
    static ADDRESS: std::net::IpAddr = std::net::Ipv4Addr::LOCALHOST.into(),
        env = "HYPERMESH_TEST_ADDRESS";
}

fn env_of(variables: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<OsString> {
    move |name| {
        variables
            .iter()
            .find(|entry| entry.0 == name)
            .map(|entry| entry.1.into())
    }
}

#[test]
fn every_source_counts_over_the_weaker_ones_and_tells_itself() {
    LAYERED.update_with(&env_of(&[("HYPERMESH_TEST_LAYERED", "3")]), |_| {});
    let check = |value, source| assert_eq!((LAYERED.get(), LAYERED.source()), (value, source));
    check(3, Source::Env);
    LAYERED.set_file(2);
    check(3, Source::Env);
    LAYERED.set_parent(Some("4"));
    check(4, Source::Parent);
    LAYERED.set_runtime(5).unwrap();
    check(5, Source::RunTime);
    let test = LAYERED.override_for_test(6);
    check(6, Source::Test);
    assert_eq!(LAYERED.explicit_text().as_deref(), Some("6"));
    drop(test);
    check(5, Source::RunTime);
    LAYERED.clear_runtime();
    check(4, Source::Parent);
    LAYERED.set_parent(None);
    check(3, Source::Env);
}

#[test]
fn a_check_refuses_values_of_every_source() {
    let refused = |place, text: &str| ConfigError::BadValue {
        setting: "checked".into(),
        place,
        text: text.into(),
        expected: "a whole number, not negative, above 0".into(),
    };
    let env = env_of(&[("HYPERMESH_TEST_CHECKED", "0")]);
    let variable = Place::Env("HYPERMESH_TEST_CHECKED".into());
    assert_eq!(
        CHECKED.declaration().read_env(&env).value,
        Err(refused(variable, "0"))
    );
    CHECKED.update_with(&env, |_| {});
    assert_eq!((CHECKED.get(), CHECKED.source()), (1, Source::Default));
    assert_eq!(CHECKED.set_runtime(0), Err(refused(Place::RunTime, "0")));
    CHECKED.set_parent(Some("0"));
    assert_eq!(CHECKED.parent_error(), Some(refused(Place::Parent, "0")));
    assert_eq!(CHECKED.source(), Source::Default);
}

#[test]
fn the_second_variable_works_and_yields_to_the_first() {
    let read = |variables| RENAMED.declaration().read_env(&env_of(variables));
    let reading = read(&[("OTHER_TEST_RENAMED", "2MiB")]);
    assert_eq!(
        (reading.value, reading.ignored),
        (Ok(Some(ByteSize::mib(2))), None)
    );
    let reading = read(&[
        ("OTHER_TEST_RENAMED", "2MiB"),
        ("HYPERMESH_TEST_RENAMED", "3MiB"),
    ]);
    assert_eq!(reading.value, Ok(Some(ByteSize::mib(3))));
    assert_eq!(
        reading.ignored,
        Some(("OTHER_TEST_RENAMED", "HYPERMESH_TEST_RENAMED"))
    );
    assert_eq!(read(&[]).value, Ok(None));
}

#[test]
fn overrides_nest_and_survive_a_panic() {
    let outer = NESTED.override_for_test(Duration::from_secs(2));
    let inner = NESTED.override_for_test(Duration::from_secs(3));
    let panicked = std::panic::catch_unwind(|| {
        let _innermost = NESTED.override_for_test(Duration::from_secs(4));
        assert_eq!(NESTED.get(), Duration::from_secs(4));
        panic!("planted");
    });
    assert!(panicked.is_err());
    assert_eq!(NESTED.get(), Duration::from_secs(3));
    drop(outer);
    assert_eq!(NESTED.get(), Duration::from_secs(3));
    drop(inner);
    assert_eq!(
        (NESTED.get(), NESTED.source()),
        (Duration::from_secs(1), Source::Default)
    );
}

#[test]
fn overrides_for_a_thread_are_seen_there_alone_and_count_most() {
    let elsewhere = || {
        let read = std::thread::spawn(|| (THREADED.get(), THREADED.source()));
        read.join().unwrap()
    };
    let for_all = THREADED.override_for_test(2);
    let outer = THREADED.override_for_thread(3);
    let inner = THREADED.override_for_thread(4);
    assert_eq!((THREADED.get(), THREADED.source()), (4, Source::Test));
    assert_eq!(elsewhere(), (2, Source::Test));
    assert_eq!(THREADED.explicit_text().as_deref(), Some("4"));
    drop(outer);
    assert_eq!(THREADED.get(), 4);
    let panicked = std::panic::catch_unwind(|| {
        let _innermost = THREADED.override_for_thread(5);
        assert_eq!(THREADED.get(), 5);
        panic!("planted");
    });
    assert!(panicked.is_err());
    assert_eq!(THREADED.get(), 4);
    drop(inner);
    assert_eq!(THREADED.get(), 2);
    drop(for_all);
    assert_eq!((THREADED.get(), THREADED.source()), (1, Source::Default));
}

#[test]
fn inv1_a_test_in_parallel_does_not_see_an_override() {
    let (set, is_set) = mpsc::channel();
    let (done, is_done) = mpsc::channel::<()>();
    let test = std::thread::spawn(move || {
        let _override = PARALLEL.override_for_thread(7);
        set.send(PARALLEL.get()).unwrap();
        // Ends when the other side is gone.
        _ = is_done.recv();
        PARALLEL.get()
    });
    assert_eq!(is_set.recv(), Ok(7));
    assert_eq!((PARALLEL.get(), PARALLEL.source()), (1, Source::Default));
    let own = PARALLEL.override_for_thread(8);
    assert_eq!(PARALLEL.get(), 8);
    drop(done);
    assert_eq!(test.join().unwrap(), 7);
    assert_eq!(PARALLEL.get(), 8);
    drop(own);
    assert_eq!(PARALLEL.get(), 1);
}

#[test]
fn inv3_a_read_takes_no_lock() {
    assert_eq!(LOCKED.get(), 1);
    let locked = LOCKED.lock();
    let (read, value) = mpsc::channel();
    let reader = std::thread::spawn(move || read.send((LOCKED.get(), LOCKED.source())).unwrap());
    let value = value.recv_timeout(Duration::from_secs(60));
    drop(locked);
    reader.join().unwrap();
    assert_eq!(value, Ok((1, Source::Default)));
}

#[test]
fn types_with_a_text_form_need_no_value_trait() {
    let read = |variables| ADDRESS.declaration().read_env(&env_of(variables)).value;
    assert_eq!(
        read(&[("HYPERMESH_TEST_ADDRESS", "::1")]),
        Ok(Some("::1".parse().unwrap()))
    );
    let error = read(&[("HYPERMESH_TEST_ADDRESS", "home")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "setting address: environment variable HYPERMESH_TEST_ADDRESS says \"home\", expected IpAddr"
    );
}
