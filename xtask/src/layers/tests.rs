//! Planted violations, as data and as a workspace on disk.

use std::{fs, path::Path};

use super::*;

/// Checks a workspace with the foundations `f` and `g` (of which `g` may use `f`), the stack `a`,
/// `b`, `c`, the dev-only `kit` and `set` and the top package `tool`.
///
/// An edge is written `from->to`, with `dev ` or `build ` in front where it is of that kind.
#[track_caller]
fn check_edges(edges: &str, expected: &[&str]) {
    let edge = |text: &str| {
        let (kind, text) = match text.split_once(' ') {
            Some(("dev", text)) => (Kind::Dev, text),
            Some(("build", text)) => (Kind::Build, text),
            _ => (Kind::Normal, text),
        };
        let (from, to) = text.split_once("->").expect("an arrow in every edge");
        Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            kind,
        }
    };
    let edges: Vec<_> = edges
        .split(", ")
        .filter(|text| !text.is_empty())
        .map(edge)
        .collect();
    let order = order();
    let packages: Vec<_> = order.places().map(|(name, _)| name.to_owned()).collect();
    let seen: Vec<_> = check(&packages, &edges, &order)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(seen, expected);
}

fn order() -> Order {
    let names = |text: &str| text.split(' ').map(str::to_owned).collect();
    Order {
        foundations: names("f g"),
        foundation_edges: vec![("g".to_owned(), "f".to_owned())],
        stack: names("a b c"),
        dev_only: names("kit set"),
        top: names("tool"),
    }
}

#[test]
fn what_the_rule_allows_is_no_violation() {
    check_edges("", &[]);
    check_edges("b->a, c->b, a->f, c->g, build b->f, dev c->b, g->f", &[]);
    check_edges("dev a->kit, dev f->kit, dev tool->kit", &[]);
    check_edges("kit->f, dev f->kit, dev kit->g", &[]);
    check_edges("tool->a, tool->c, build tool->f", &[]);
    check_edges("dev a->a", &[]);
}

#[test]
fn inv1_a_skipped_layer_is_found_in_every_kind_of_edge() {
    let text = |kind: &str| {
        format!(
            "`c` -> `a` under [{kind}]: a stack crate may not skip a layer; the one directly below \
             is `b`"
        )
    };
    check_edges("c->a", &[&text("dependencies")]);
    check_edges("dev c->a", &[&text("dev-dependencies")]);
    check_edges("build c->a", &[&text("build-dependencies")]);
}

#[test]
fn inv1_an_upward_edge_is_found() {
    let text = "`a` -> `b` under [dev-dependencies]: a stack crate may not depend on one above it";
    check_edges("dev a->b", &[text]);
}

#[test]
fn inv2_a_foundation_that_uses_the_stack_is_found() {
    let text = "`f` -> `a` under [dependencies]: a foundation may not depend on the stack";
    check_edges("f->a", &[text]);
}

#[test]
fn inv2_an_edge_between_foundations_must_be_named() {
    let text = "`f` -> `g` under [dependencies]: `foundation-edges` does not name this edge \
                between foundations";
    check_edges("f->g", &[text]);
}

#[test]
fn inv3_a_dev_only_crate_in_a_program_is_found() {
    let text = |from: &str, kind: &str| {
        format!(
            "`{from}` -> `kit` under [{kind}]: a dev-only crate may stand under [dev-dependencies] \
             alone"
        )
    };
    check_edges("a->kit", &[&text("a", "dependencies")]);
    check_edges("build f->kit", &[&text("f", "build-dependencies")]);
    check_edges("tool->kit", &[&text("tool", "dependencies")]);
}

#[test]
fn inv3_a_dev_only_crate_that_uses_more_than_foundations_is_found() {
    let text = |kit: &str, to: &str, kind: &str| {
        format!(
            "`{kit}` -> `{to}` under [{kind}]: a dev-only crate may depend on nothing of ours but \
             foundations"
        )
    };
    check_edges("kit->a", &[&text("kit", "a", "dependencies")]);
    check_edges("dev kit->c", &[&text("kit", "c", "dev-dependencies")]);
    check_edges("kit->tool", &[&text("kit", "tool", "dependencies")]);
    check_edges("kit->set", &[&text("kit", "set", "dependencies")]);
    check_edges("dev set->kit", &[&text("set", "kit", "dev-dependencies")]);
}

#[test]
fn inv4_an_edge_to_a_top_package_is_found() {
    let text = "`c` -> `tool` under [dependencies]: nothing of ours may depend on a top package";
    check_edges("c->tool", &[text]);
}

#[test]
fn inv5_every_package_has_one_place_and_every_place_its_package() {
    let mut order = order();
    order.top.push("a".to_owned());
    let packages = ["a", "b", "c", "f", "g", "kit", "new", "set"].map(str::to_owned);
    let seen: Vec<_> = check(&packages, &[], &order)
        .iter()
        .map(ToString::to_string)
        .collect();
    let expected = [
        "[workspace.metadata.layers] lists `tool`, and no package has that name",
        "package `a` has more than one place in [workspace.metadata.layers]",
        "package `new` has no place in [workspace.metadata.layers]",
    ];
    assert_eq!(seen, expected);
}

/// Writes the package `name` with `tables` at the end of its manifest.
fn package(root: &Path, name: &str, tables: &str) {
    let dir = root.join(name);
    fs::create_dir_all(dir.join("src")).unwrap();
    fs::write(dir.join("src/lib.rs"), "//! Nothing.\n").unwrap();
    let manifest = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n{tables}");
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
}

fn root_manifest(root: &Path, layers: &str) {
    let manifest = format!("[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\n{layers}");
    fs::write(root.join("Cargo.toml"), manifest).unwrap();
}

const LAYERS: &str = r#"
[workspace.metadata.layers]
foundations = ["base"]
stack = ["low", "middle", "high"]
dev-only = ["kit"]
"#;

#[test]
fn a_violation_planted_in_a_workspace_on_disk_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    root_manifest(root, LAYERS);
    package(root, "base", "");
    package(root, "kit", "");
    package(
        root,
        "low",
        "[dependencies]\nbase = { path = \"../base\" }\n",
    );
    package(
        root,
        "middle",
        "[dependencies]\nlow = { path = \"../low\" }\n",
    );
    package(
        root,
        "high",
        "[dev-dependencies]\nkit = { path = \"../kit\" }\n",
    );
    let workspace = Workspace::at(root);
    run(&workspace).unwrap();

    // Renamed, optional, and for another system only: an edge all the same.
    let dependency = "kernel = { package = \"low\", path = \"../low\", optional = true }";
    package(
        root,
        "high",
        &format!("[target.'cfg(windows)'.dependencies]\n{dependency}\n"),
    );
    let (packages, edges, order) = metadata::read(&workspace).unwrap();
    let violations = check(&packages, &edges, &order);
    assert!(
        matches!(&*violations, [Violation::Skipped { edge, .. }] if edge.from == "high"),
        "{violations:?}"
    );
    assert_eq!(
        run(&workspace).unwrap_err().to_string(),
        "1 violation(s) of the layers"
    );

    package(root, "newcomer", "");
    assert_eq!(
        run(&workspace).unwrap_err().to_string(),
        "2 violation(s) of the layers"
    );
}

#[test]
fn a_workspace_without_an_order_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    package(dir.path(), "base", "");
    for layers in ["", "[workspace.metadata.layers]\nstacks = []\n"] {
        root_manifest(dir.path(), layers);
        let error = run(&Workspace::at(dir.path())).unwrap_err();
        let expected = "cannot read [workspace.metadata.layers] of the root manifest";
        assert_eq!(error.to_string(), expected);
    }
}
