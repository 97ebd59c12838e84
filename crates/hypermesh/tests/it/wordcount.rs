//! The main job counts what is there, however it is shared out.

use std::ffi::{OsStr, OsString};
use std::os::unix::{ffi::OsStrExt, fs::symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hypermesh_testkit::Seed;

use crate::corpus::{Corpus, Words, random_text};
use crate::program::Program;
use crate::report::Report;

/// Counts `paths` on `hosts` × `procs` workers and compares with `corpus`.
#[track_caller]
fn check(corpus: &Corpus, paths: &[PathBuf], hosts: u64, procs: u64) {
    let mut args = Vec::from(["--json", "--top=1000000"].map(OsString::from));
    args.extend([
        format!("--hosts={hosts}").into(),
        format!("--procs={procs}").into(),
    ]);
    args.extend(paths.iter().map(OsString::from));
    let ended = Program::run("wordcount", args);
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.stderr, "");
    let report = Report::of(&ended);
    report.assert_counts(corpus);
    assert_eq!(report.number("workers"), hosts * procs);
    assert!(report.lines("redone").is_empty() && report.lines("errors").is_empty());
}

#[test]
fn several_files_are_counted_as_one_text_with_breaks_between_them() {
    let mut corpus = Corpus::new();
    let paths = [
        corpus.add("a.txt", b"One two, two; THREE three thr3ee\n"),
        // Neither file has a letter too few: the end of a file is the end of a word.
        corpus.add("b.txt", b"no new line at the end of this on"),
        corpus.add("c.txt", b"e word more"),
        corpus.add("empty.txt", b""),
        corpus.add("no words.txt", b"1234 5678 \n\n ..."),
    ];
    check(&corpus, &paths, 2, 2);
    check(&corpus, &paths, 1, 1);
}

#[test]
fn a_large_file_gives_the_same_over_any_number_of_workers() {
    let seed = Seed::from_env();
    let mut corpus = Corpus::new();
    let path = corpus.add("large.txt", &random_text(&seed, 8 * 1024 * 1024));
    for (hosts, procs) in [(2, 2), (1, 1), (3, 2)] {
        check(&corpus, std::slice::from_ref(&path), hosts, procs);
    }
}

#[test]
fn one_long_word_over_many_workers_is_one_word() {
    let mut corpus = Corpus::new();
    let path = corpus.add("long.txt", &[b'x'; 1_000_000]);
    check(&corpus, &[path], 3, 2);
}

#[test]
fn bytes_that_are_not_utf8_are_counted_all_the_same() {
    let mut corpus = Corpus::new();
    let path = corpus.add(
        "latin1.txt",
        b"na\xefve caf\xe9 \xff\xfe\x00nul\x00 na\xc3\xafve",
    );
    check(&corpus, &[path], 2, 2);
}

#[test]
fn a_name_that_is_not_utf8_is_a_name() {
    let mut corpus = Corpus::new();
    let path = corpus.add(
        OsStr::from_bytes(b"caf\xe9 \xff.txt"),
        b"in a strange place",
    );
    check(&corpus, &[path], 2, 2);
}

#[test]
fn nothing_to_count_is_counted_too() {
    let mut corpus = Corpus::new();
    let dir = corpus.dir();
    check(&corpus, &[dir], 2, 2);
    let path = corpus.add("empty.txt", b"");
    check(&corpus, &[path], 2, 2);
}

#[test]
fn a_directory_is_walked_without_links_and_build_output() {
    let mut corpus = Corpus::new();
    let file = corpus.add("a.txt", b"at the top");
    corpus.add("deep/er/and/deeper/b", b"and below");
    corpus.add("targets/c.md", b"not a target");
    corpus.add_other("deep/target/debug/d.txt", b"output");
    corpus.add_other(".git/HEAD", b"history");
    symlink(&file, corpus.dir().join("link")).unwrap();
    symlink(corpus.dir(), corpus.dir().join("deep/loop")).unwrap();
    check(&corpus, &[corpus.dir()], 2, 2);
}

#[test]
fn a_link_that_is_named_is_followed() {
    let mut corpus = Corpus::new();
    let file = corpus.add("a.txt", b"behind a link");
    let link = corpus.dir().join("link");
    symlink(file, &link).unwrap();
    check(&corpus, &[link], 1, 2);
}

#[test]
fn the_text_lists_the_totals_and_the_most_frequent_words() {
    let mut corpus = Corpus::new();
    let path = corpus.add("a.txt", b"b a c b a b d");
    let args = [OsStr::new("--top"), OsStr::new("3"), path.as_os_str()];
    let ended = Program::run("wordcount", args);
    assert!(ended.status.success(), "{ended:?}");
    let lines = [
        "         1 files",
        "        13 bytes",
        "         7 words",
        "         4 distinct words",
        "         3 b",
        "         2 a",
        "         1 c",
    ];
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), lines);
    assert_eq!(ended.stderr, "", "no bar without a terminal");
}

#[test]
fn top_limits_the_words_and_nothing_else() {
    let mut corpus = Corpus::new();
    let path = corpus.add("a.txt", b"b a c b a b d");
    let args = [
        OsStr::new("--json"),
        OsStr::new("--top=2"),
        path.as_os_str(),
    ];
    let report = Report::of(&Program::run("wordcount", args));
    assert_eq!(report.top(), [("b".to_owned(), 3), ("a".to_owned(), 2)]);
    assert_eq!((report.number("total"), report.number("distinct")), (7, 4));
}

#[test]
fn without_a_path_the_workspace_is_counted() {
    let ended = Program::run("wordcount", ["--json"]);
    assert!(ended.status.success(), "{ended:?}");
    let report = Report::of(&ended);
    assert_eq!(report.number("workers"), 4);
    assert_eq!(report.top().len(), 10);
    assert!(100 <= report.number("files"), "{report:?}");
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn the_pipeline_of_the_manual_finds_the_same() {
    const PIPELINE: &str = r"tr -cs A-Za-z '\n' <&0 | tr A-Z a-z | sort | uniq -c | sort -rn";
    let shell = |script: &str| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", script])
            .env("LC_ALL", "C")
            .stdout(Stdio::piped());
        shell
    };
    if !shell("command -v tr && command -v sort && command -v uniq")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        eprintln!("skipped: this machine has no `tr`, `sort` or `uniq`");
        return;
    }
    let seed = Seed::from_env();
    let mut corpus = Corpus::new();
    let path = corpus.add("text.txt", &random_text(&seed, 256 * 1024));
    let output = shell(PIPELINE)
        .stdin(std::fs::File::open(&path).unwrap())
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let mut words = Words::new();
    for line in output.lines() {
        // A line without a word counts the empty one before the first letter of the text.
        if let Some((count, word)) = line.trim_start().split_once(' ')
            && !word.is_empty()
        {
            words.insert(word.to_owned(), count.parse().unwrap());
        }
    }
    corpus.words = words;
    check(&corpus, &[path], 2, 2);
}
