//! Planted faults, one for each rule. What a fault is made of stands in strings, which the rules do
//! not read as code.

use super::*;

/// Checks a project of `files`, each a path and a text.
#[track_caller]
fn check_files(files: &[(&str, &str)], expected: &[&str]) {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.add((*path).to_owned(), Some((*text).to_owned()));
    }
    let seen: Vec<_> = check(&tree).iter().map(ToString::to_string).collect();
    assert_eq!(seen, expected);
}

/// Checks the file `src/a.rs` that has a head and then `code`, which starts on line 2.
#[track_caller]
fn check_code(code: &str, expected: &[&str]) {
    check_files(&[("src/a.rs", &format!("//! A file.\n{code}"))], expected);
}

fn function(n_lines: usize) -> String {
    format!("fn long() {{\n{}}}\n", "    call();\n".repeat(n_lines - 2))
}

#[test]
fn a_file_of_500_lines_of_code_is_the_biggest() {
    let code = "use a::b;\n".repeat(500);
    check_code(&code, &[]);
    check_code(&format!("/// Docs.\n{code}\n// A comment.\n"), &[]);
    check_code(
        &format!("{code}use a::c;\n"),
        &["src/a.rs:502: 501 lines of code in this file; 500 are allowed"],
    );
}

#[test]
fn blank_lines_comments_and_docs_are_no_code() {
    let docs = "/// Docs.\n/** More\ndocs. */\n// Ä comment.\n\n/* One\nmore. */\n".repeat(100);
    check_code(&format!("{docs}fn short() {{}}\n"), &[]);
    let text = "const A: &str = \"\n// no comment\n\";\n".repeat(167);
    check_code(
        &text,
        &["src/a.rs:502: 501 lines of code in this file; 500 are allowed"],
    );
}

#[test]
fn tests_are_no_code_wherever_they_stand() {
    let code = "use a::b;\n".repeat(600);
    for head in [
        "#[cfg(test)]\nmod tests {\n",
        "#[cfg(all(unix, test))]\nmod checks {\n",
    ] {
        check_code(&format!("{head}{code}}}\n"), &[]);
    }
    check_files(&[("src/a/tests.rs", &format!("//! Tests.\n{code}"))], &[]);
    check_files(&[("tests/it/a.rs", &format!("//! Tests.\n{code}"))], &[]);
    check_files(
        &[("src/a.rs", &format!("//! Tests.\n#![cfg(test)]\n{code}"))],
        &[],
    );
    check_code(
        &format!("#[cfg(any(test, unix))]\nmod both {{\n{code}}}\n"),
        &["src/a.rs:502: 603 lines of code in this file; 500 are allowed"],
    );
}

#[test]
fn a_function_of_100_lines_of_code_is_the_biggest() {
    check_code(&function(100), &[]);
    let comments = "    // A comment.\n\n".repeat(50);
    check_code(&format!("fn a() {{\n{comments}}}\n"), &[]);
    check_code(
        &format!("/// Docs.\n#[inline]\n{}", function(101)),
        &["src/a.rs:4: 101 lines of code in `long`; 100 are allowed"],
    );
    let message = "101 lines of code in `long`; 100 are allowed";
    check_code(
        &format!("impl A {{\n{}}}\n", function(101)),
        &[&format!("src/a.rs:3: {message}")],
    );
    check_code(
        &format!("trait A {{\n{}}}\n", function(101)),
        &[&format!("src/a.rs:3: {message}")],
    );
    check_code(
        &format!("mod a {{\nmod b {{\n{}}}\n}}\n", function(101)),
        &[&format!("src/a.rs:4: {message}")],
    );
    check_code(
        &format!("#[tokio::test(flavor = \"x\")]\nasync {}", function(200)),
        &[],
    );
    check_code(
        &format!("impl A {{\n#[cfg(test)]\n{}}}\n", function(200)),
        &[],
    );
}

#[test]
fn a_lib_file_is_a_map_of_120_lines() {
    let lines = |n: usize| format!("//! A crate.\n{}", "// Words.\n".repeat(n - 1));
    check_files(&[("crates/a/src/lib.rs", &lines(120))], &[]);
    check_files(
        &[("crates/a/src/lib.rs", &lines(121))],
        &["crates/a/src/lib.rs:121: 121 lines in a lib.rs; 120 are allowed"],
    );
    check_files(&[("crates/a/src/b.rs", &lines(121))], &[]);
}

#[test]
fn a_file_opens_with_its_sentence() {
    check_files(&[("src/a.rs", "\n//! A file.\n")], &[]);
    let message = "src/a.rs:1: a file opens with a `//!` sentence that says what it is for";
    for text in [
        "",
        "fn a() {}\n",
        "//!\n",
        "// A file.\n",
        "#![allow(b)]\n//! Late.\n",
    ] {
        check_files(&[("src/a.rs", text)], &[message]);
    }
}

#[test]
fn unfinished_code_is_found_and_words_about_it_are_not() {
    check_code(
        "fn a() { todo!() }\n",
        &["src/a.rs:2: `todo!` is unfinished code"],
    );
    check_code(
        "fn a() {\n    std::unimplemented![\"b\"];\n}\n",
        &["src/a.rs:3: `unimplemented!` is unfinished code"],
    );
    check_code(
        "fn a() { b!({ todo!{} }) }\n",
        &["src/a.rs:2: `todo!` is unfinished code"],
    );
    check_code("// todo!()\nfn a() -> &'static str { \"todo!()\" }\n", &[]);
    check_code("fn a(todo: u8) -> bool { todo != (1) }\n", &[]);
}

#[test]
fn a_test_that_is_switched_off_is_found() {
    let message = "`#[ignore]` switches a test off; repair it or remove it";
    for attribute in ["ignore", "ignore = \"slow\"", "cfg_attr(unix, ignore)"] {
        check_code(
            &format!("#[test]\n#[{attribute}]\nfn a() {{}}\n"),
            &[&format!("src/a.rs:3: {message}")],
        );
    }
    check_code(
        "#[cfg_attr(ignore, inline)]\nfn ignore() { [ignore]; }\n",
        &[],
    );
}

#[test]
fn a_test_that_sleeps_is_found_and_other_code_may() {
    let message = "a test may not sleep: pause the clock or await the event";
    let test = |line: &str| format!("#[test]\nfn a() {{\n{line}\n}}\n");
    for line in [
        "std::thread::sleep(b);",
        "tokio::time::sleep_until(b).await;",
        "sleep(b);",
        "c!(sleep(b))",
    ] {
        check_code(&test(line), &[&format!("src/a.rs:4: {message}")]);
        check_code(&format!("fn a() {{ {line} }}\n"), &[]);
    }
    check_code(
        "#[cfg(test)]\nmod tests {\n    use std::thread::sleep as rest;\n}\n",
        &[&format!("src/a.rs:4: {message}")],
    );
    for line in [
        "clock.sleep(b);",
        "Command::new(\"sleep\");",
        "fn sleep(b: u8) {}",
        "(sleep, b);",
    ] {
        check_code(&test(line), &[]);
    }
}

#[test]
fn a_test_may_sleep_with_a_reason() {
    let test = |line: &str| format!("#[test]\nfn a() {{\n{line}\n}}\n");
    check_code(
        &test("sleep(b); // tidy: sleeps because the clock is the thing tested"),
        &[],
    );
    check_code(&test("// tidy: sleeps because of c\nsleep(b);"), &[]);
    let message = "a test may not sleep: pause the clock or await the event";
    check_code(
        &test("sleep(b); // tidy: sleeps because "),
        &[&format!("src/a.rs:4: {message}")],
    );
    check_code(
        &test("// tidy: sleeps because of c\n\nsleep(b);"),
        &[&format!("src/a.rs:6: {message}")],
    );
}

#[test]
fn a_name_that_fits_everything_is_found() {
    let check_name = |path: &str, stem: &str| {
        let text = format!("{path}:1: `{stem}` does not say what is in it: name one concept");
        check_files(&[(path, "//! A file.\n")], &[&text]);
    };
    check_name("src/utils.rs", "utils");
    check_name("src/port/types.rs", "types");
    check_name("src/v1.rs", "v1");
    check_name("src/proc_inner.rs", "proc_inner");
    check_name("tests/common/mod.rs", "common");
    check_name("src/manager.rs", "manager");
    check_files(
        &[
            ("src/value.rs", "//! A file.\n"),
            ("src/v.rs", "//! A file.\n"),
        ],
        &[],
    );
}

#[test]
fn what_does_not_parse_is_found_and_fixtures_are_not_parsed() {
    check_code(
        "fn a( {}\n",
        &["src/a.rs:2: does not parse: cannot parse string into token stream"],
    );
    check_code(
        "\nfn fn() {}\n",
        &["src/a.rs:3: does not parse: expected identifier, found keyword `fn`"],
    );
    check_files(&[("crates/a/tests/ui/b.rs", "fn fn() { todo!() }\n")], &[]);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let good = "# Top\n\n[a](docs/b.md) [c](docs/b.md#part-two) [d](#top) [e](docs) [f](./src/a.rs#L3)\n\
                [g](https://example.org/x) [h](mailto:a@example.org) `[i](j.md)`\n";
    let other = "## Part two\n\n[up](../GUIDE.md) [root](..)\n";
    let source = "//! A file.\n";
    let files = [
        ("GUIDE.md", good),
        ("docs/b.md", other),
        ("src/a.rs", source),
    ];
    check_files(&files, &[]);

    let bad = "[a](c.md)\n[b](b.md#part-three)\n[c](#top)\n[d](../../x.md)\n[e](/GUIDE.md)\n";
    check_files(
        &[
            ("docs/a.md", bad),
            ("docs/b.md", "## Part two\n"),
            ("GUIDE.md", ""),
        ],
        &[
            "docs/a.md:1: the link `c.md` leads to no file of the repository",
            "docs/a.md:2: the link `b.md#part-three` names no heading of that file",
            "docs/a.md:3: the link `#top` names no heading of this file",
            "docs/a.md:4: the link `../../x.md` leads out of the repository",
            "docs/a.md:5: the link `/GUIDE.md` leads out of the repository",
        ],
    );
}

#[test]
fn a_readme_without_its_two_commands_is_found() {
    let commands = "## Two commands\n\n```sh\ncargo run\ncargo xtask ci\n```\n";
    check_files(
        &[("README.md", commands), ("crates/a/README.md", "# a\n")],
        &[],
    );
    check_files(
        &[("README.md", "# a\n")],
        &["README.md:1: has no heading \"Two commands\""],
    );
}
