//! What children and their children inherit.

use hypermesh_config::Snapshot;
use hypermesh_testkit::{Case, ProcessGuard};

use crate::child::{Orders, start};

pub(crate) const CASES: &[Case<()>] = &[
    (
        "what_the_launcher_set_arrives_two_levels_down_as_parent",
        two_levels,
    ),
    (
        "what_the_parent_says_counts_over_the_environment_of_the_child",
        stale_variable,
    ),
    ("settings_that_are_local_or_secret_stay", local),
    (
        "what_a_program_does_not_know_is_handed_on_to_its_children",
        unknown,
    ),
    (
        "a_bad_text_of_the_parent_is_reported_and_the_environment_counts",
        bad_text,
    ),
];

fn orders(env: &[(&str, &str)], child: Option<Orders>) -> Orders {
    let env = env
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Orders {
        env: env.collect(),
        child: child.map(Box::new),
        ..Orders::default()
    }
}

fn snapshot(texts: &[(&str, &str)]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (name, text) in texts {
        snapshot.set(*name, *text);
    }
    snapshot
}

fn two_levels(_: &(), guard: &ProcessGuard) {
    let grandchild = orders(&[], None);
    let child = orders(&[("HYPERMESH_TEST_SWITCH", "1")], Some(grandchild));
    let launcher = orders(
        &[("HYPERMESH_TEST_SPAN", "1.5s"), ("OTHER_TEST_COUNT", "7")],
        Some(child),
    );
    let launcher = start(&launcher, guard);
    launcher.check("span", "1500ms", "env");
    launcher.check("count", "7", "env");
    let child = launcher.child.unwrap();
    child.check("span", "1500ms", "parent");
    child.check("count", "7", "parent");
    child.check("switch", "true", "env");
    let grandchild = child.child.unwrap();
    grandchild.check("span", "1500ms", "parent");
    grandchild.check("count", "7", "parent");
    // Set on the way.
    grandchild.check("switch", "true", "parent");
    assert_eq!(grandchild.errors, Vec::<String>::new());
}

fn stale_variable(_: &(), guard: &ProcessGuard) {
    let stale = [("HYPERMESH_TEST_SPAN", "9s"), ("HYPERMESH_TEST_COUNT", "9")];
    let launcher = orders(&[("HYPERMESH_TEST_SPAN", "2s")], Some(orders(&stale, None)));
    let child = start(&launcher, guard).child.unwrap();
    child.check("span", "2s", "parent");
    // The launcher has not set this one.
    child.check("count", "9", "env");
}

fn local(_: &(), guard: &ProcessGuard) {
    let child = orders(&[("HYPERMESH_TEST_DESK", "mine")], Some(orders(&[], None)));
    let launcher = orders(
        &[
            ("HYPERMESH_TEST_DESK", "yours"),
            ("HYPERMESH_TEST_PASSWORD", "sesame"),
        ],
        Some(child),
    );
    let launcher = start(&launcher, guard);
    launcher.check("desk", "yours", "env");
    launcher.check("password", "***", "env");
    assert_eq!(launcher.snapshot, Snapshot::default());
    let child = launcher.child.unwrap();
    child.check("desk", "mine", "env");
    child.check("password", "***", "default");
    child.child.unwrap().check("desk", "none", "default");
}

fn unknown(_: &(), guard: &ProcessGuard) {
    let mut launcher = orders(&[("HYPERMESH_TEST_COUNT", "8")], Some(orders(&[], None)));
    launcher.parent = Some(snapshot(&[("of_a_newer_version", "x"), ("span", "3s")]));
    let launcher = start(&launcher, guard);
    assert_eq!(launcher.warnings, Vec::<String>::new());
    let child = launcher.child.unwrap();
    let all = [("of_a_newer_version", "x"), ("span", "3s"), ("count", "8")];
    assert_eq!(child.snapshot, snapshot(&all));
    child.check("count", "8", "parent");
}

fn bad_text(_: &(), guard: &ProcessGuard) {
    let mut child = orders(&[("HYPERMESH_TEST_COUNT", "5")], None);
    child.parent = Some(snapshot(&[("count", "500")]));
    let child = start(&child, guard);
    child.check("count", "5", "env");
    assert_eq!(
        child.errors,
        [
            "setting count: the parent process says \"500\", expected a whole number, not negative, \
             below 100"
        ]
    );
}
