//! Tests of the entry points of a child.

use std::{
    env, fs,
    io::Write,
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixStream,
    },
    process::{Command, Output, Stdio, id},
    time::{Duration, Instant},
};

use hypermesh_alloc::{
    children::{ChildEvent, ExitStatus},
    settings::PROC_START_TIMEOUT,
};
use hypermesh_testkit::wait_until;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::{
    kinds::IMPATIENT,
    runner::{Bench, Case, DEADLINE, spec},
};

pub(crate) const CASES: &[Case] = &[
    (
        "inv1_bad_boot_data_ends_the_child_with_one_line",
        bad_boot_data,
    ),
    (
        "inv1_a_marker_without_its_descriptor_ends_the_child",
        no_descriptor,
    ),
    (
        "inv1_a_failing_kind_ends_the_child_with_its_causes",
        failing_kinds,
    ),
    (
        "inv1_a_main_that_goes_on_beside_the_entry_point_ends_the_child",
        impatient,
    ),
    (
        "inv1_a_second_call_of_the_entry_point_never_returns",
        second_call,
    ),
    (
        "settings_of_the_launcher_are_in_force_in_the_child",
        settings_arrive,
    ),
    ("inv2_a_grandchild_is_a_launcher", grandchild),
    (
        "inv3_environment_and_command_line_hold_no_boot_data",
        no_secrets,
    ),
    (
        "a_program_that_never_reaches_the_entry_point_just_exits",
        not_a_child,
    ),
    ("arguments_and_environment_arrive_as_they_are", arguments),
];

/// Starts this program with `bytes` on the descriptor that the marker names, and returns what came
/// of it. `--list-nothing` matches no test: were the entry point to return, it would exit with 0.
fn start_with(bench: &Bench<'_>, bytes: &[u8]) -> Output {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let fd = theirs.as_raw_fd();
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .arg("no-such-test")
        .env("HYPERMESH_BOOTSTRAP", format!("{fd}:{}", id()));
    command.env("HYPERMESH_BOOTSTRAP_READ_TIMEOUT", "1s");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Cases run one by one, so no other child inherits it meanwhile.
    fcntl(theirs.as_fd(), FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let child = bench.guard.mark(&mut command).spawn().unwrap();
    drop(theirs);
    ours.write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(ours);
    output
}

/// The frame with this body, as the format says.
fn frame(version: u16, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = b"HMBT".to_vec();
    frame.extend(version.to_le_bytes());
    frame.extend([kind, 0]);
    frame.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    let sum = frame.iter().fold(0x811c_9dc5_u32, |sum, &byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    frame.extend(sum.to_le_bytes());
    let sum = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    frame.extend(sum.to_le_bytes());
    frame.extend(body);
    frame
}

fn bad_boot_data(bench: &mut Bench<'_>) {
    let bench = &*bench;
    let check = |bytes: &[u8], text: &str| {
        let output = start_with(bench, bytes);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(
            stderr.starts_with("hypermesh: ") && stderr.contains(text),
            "{stderr}"
        );
        assert!(
            output.stdout.is_empty(),
            "the code after the entry point was reached"
        );
    };
    check(b"", "within 1s");
    check(
        b"GET / HTTP/1.1\r\n\r\n and more than a header",
        "begins with `HMBT`",
    );
    check(
        &frame(2, 1, b""),
        "version 2 of the bootstrap frames, this one version 1",
    );
    check(&frame(1, 2, b""), "no frame of kind 2");
    check(&frame(1, 1, b"\x7f"), "does not parse");
    check(
        &frame(1, 1, &[&b"\x04nope"[..], &[0; 2]].concat()),
        "no child of kind \"nope\"",
    );
    let mut flipped = frame(1, 1, b"some body");
    *flipped.last_mut().unwrap() ^= 1;
    check(&flipped, "checksum of the frame's body");
    check(&frame(1, 1, b"some body")[..20], "within 1s");
}

fn no_descriptor(bench: &mut Bench<'_>) {
    for marker in [format!("77:{}", id()), format!("1:{}", id()), "x".into()] {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .arg("no-such-test")
            .env("HYPERMESH_BOOTSTRAP", &marker);
        let output = bench.guard.mark(&mut command).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{marker}: {stderr}");
        assert!(
            stderr.contains("cannot reach its launcher"),
            "{marker}: {stderr}"
        );
        assert!(output.stdout.is_empty());
    }
}

fn failing_kinds(bench: &mut Bench<'_>) {
    let children = bench.children();
    let mut check = |kind: &str, payload: &str, text: &str| {
        children.spawn(bench.child(kind, &payload));
        let facts = bench.exit();
        assert_eq!(facts.status, ExitStatus::Code(1), "{facts}");
        let last = facts
            .stderr_tail
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
        assert!(
            last.starts_with("hypermesh: ") && last.contains(text),
            "{facts}"
        );
    };
    check("fail", "some reason", "this child failed: some reason");
    check("fail", "panic", "this child panicked: the kind panicked");
    check(
        "fail",
        "payload",
        "kind \"fail\" cannot be encoded or decoded",
    );
    check("nobody", "", "no child of kind \"nobody\"");
}

fn impatient(bench: &mut Bench<'_>) {
    let children = bench.children();
    let mut child = bench.child("echo", &"x");
    child.command.args = vec![IMPATIENT.into()];
    children.spawn(child);
    let facts = bench.exit();
    assert_eq!(facts.status, ExitStatus::Code(1), "{facts}");
    assert!(facts.stderr_tail.contains("`main` went on"), "{facts}");
    assert!(!facts.stderr_tail.contains("was reached"), "{facts}");
}

fn second_call(bench: &mut Bench<'_>) {
    let children = bench.children();
    children.spawn(bench.child("again", &()));
    assert_eq!(bench.report().1, b"waits");
    assert_eq!(bench.exit().status, ExitStatus::Code(0));
}

fn settings_arrive(bench: &mut Bench<'_>) {
    let children = bench.children();
    PROC_START_TIMEOUT
        .set_runtime(Duration::from_millis(12_345))
        .unwrap();
    children.spawn(bench.child("setting", &()));
    PROC_START_TIMEOUT.clear_runtime();
    assert_eq!(bench.report().1, b"12345");
    bench.exit();
}

fn grandchild(bench: &mut Bench<'_>) {
    let children = bench.children();
    let this = env::current_exe().unwrap();
    // The child starts this program again, directly and by a shell: both run (no) tests and end
    // with success, instead of waiting for boot data or failing for the lack of it.
    let script = format!(
        "{0:?} no-such-test >/dev/null && exec {0:?} no-such-test >&2",
        this
    );
    children.spawn(bench.child("parent", &("sh", vec!["-c", &script])));
    let grandchild = u32::from_le_bytes(bench.report().1.try_into().unwrap());
    assert!(hypermesh_testkit::process::wait_ended(grandchild, DEADLINE));
    let start = Instant::now();
    drop(children);
    assert!(start.elapsed() < DEADLINE);
    let facts = bench.exit();
    assert!(facts.stderr_tail.contains("0 passed, 0 failed"), "{facts}");
}

fn no_secrets(bench: &mut Bench<'_>) {
    let children = bench.children();
    children.spawn(bench.child("echo", &"s3cret-payload"));
    let (pid, report) = bench.report();
    assert_eq!(report, b"s3cret-payload");
    for file in ["cmdline", "environ"] {
        let bytes = fs::read(format!("/proc/{}/{file}", pid.unwrap())).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("s3cret"), "{file}: {text}");
        let ours: Vec<&str> = text
            .split('\0')
            .filter(|part| part.starts_with("HYPERMESH_B"))
            .collect();
        let expected = format!(":{}", id());
        assert!(
            ours.iter().all(|marker| marker.ends_with(&expected)),
            "{ours:?}"
        );
    }
}

fn not_a_child(bench: &mut Bench<'_>) {
    let children = bench.children();
    children.spawn(spec(bench.shell("echo I am a shell >&2"), "echo", &()));
    assert!(matches!(bench.event().1, ChildEvent::Started { .. }));
    let facts = bench.exit();
    assert_eq!(facts.status, ExitStatus::Code(0));
    assert_eq!(facts.stderr_tail, "I am a shell");
}

fn arguments(bench: &mut Bench<'_>) {
    let children = bench.children();
    let mut command = bench.shell("printf '%s|' \"$0\" \"$@\" >&2; printf '%s' \"$ODD\" >&2");
    let args = ["zero", "a b", "it's \"so\"", "né"];
    command.args.extend(args.map(Into::into));
    command.env.insert("ODD".into(), "x=y z".into());
    children.spawn(spec(command, "echo", &()));
    let facts = bench.exit();
    assert_eq!(facts.stderr_tail, "zero|a b|it's \"so\"|né|x=y z");
    assert!(
        wait_until(Duration::ZERO, || children.count() == 0)
            || bench.runtime.block_on(children.wait_empty(DEADLINE)) == 0
    );
}
