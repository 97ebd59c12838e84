//! Scripts of notices and the states that come of them.

use super::*;

fn spawning(hosts: usize, per_host: usize) -> Spawning {
    let extent = Extent::new([("hosts", hosts), ("procs", per_host)]).expect("an extent");
    let ranks = HostRanks::new(hosts, per_host).expect("an extent");
    Spawning::new(WorldId::new("test"), extent, ranks)
}

/// Runs `script` on 2 hosts with 2 procs each and returns the states as text without their keys.
///
/// `c` creates, `r` runs, `s` stops and `f` fails the rank whose digit follows; `h` loses that host; `t` is
/// a time without progress.
#[track_caller]
fn run(script: &str) -> (Spawning, String) {
    let mut spawning = spawning(2, 2);
    let addr: ChannelAddr = "local:1".parse().expect("an address");
    let mut seen = String::new();
    let mut steps = script.chars();
    while let Some(step) = steps.next() {
        let mut rank = || {
            steps
                .next()
                .and_then(|digit| digit.to_digit(10))
                .expect("a rank")
        };
        let states = match step {
            't' => spawning.on_idle(),
            'c' => spawning.on_notice(HostNotice::Created {
                rank: rank(),
                pid: 1,
            }),
            'r' => {
                let proc = ProcId {
                    world: spawning.world.id(),
                    rank: rank(),
                    generation: 0,
                };
                spawning.on_notice(HostNotice::Running {
                    proc,
                    addr: addr.clone(),
                })
            }
            's' => {
                let reason = ProcStopReason::Killed(9, false);
                let stderr_tail = String::new();
                spawning.on_notice(HostNotice::Stopped {
                    rank: rank(),
                    reason,
                    stderr_tail,
                })
            }
            'f' => spawning.on_notice(HostNotice::Failed {
                rank: rank(),
                description: "no".into(),
            }),
            'h' => spawning.on_notice(HostNotice::HostLost {
                host: rank(),
                why: "gone".into(),
            }),
            other => panic!("no such step: {other}"),
        };
        for state in states {
            let rank_of = |key| {
                spawning
                    .ranks
                    .iter()
                    .position(|entry| entry.key == key)
                    .expect("a key of a rank")
            };
            match state {
                ProcState::Created {
                    create_key, point, ..
                } => {
                    assert_eq!(point.rank(), rank_of(create_key));
                    seen += &format!("c{} ", rank_of(create_key));
                }
                ProcState::Running { create_key, .. } => {
                    seen += &format!("r{} ", rank_of(create_key));
                }
                ProcState::Stopped { create_key, .. } => {
                    seen += &format!("s{} ", rank_of(create_key));
                }
                ProcState::Failed { .. } => seen += "f ",
                other => panic!("a state of no rank: {other}"),
            }
        }
    }
    (spawning, seen.trim_end().to_owned())
}

#[test]
fn inv1_states_move_forward_and_come_once() {
    let check = |script: &str, states: &str| assert_eq!(run(script).1, states, "{script}");
    check("c0r0s0", "c0 r0 s0");
    check("c0c0r0r0s0s0", "c0 r0 s0");
    check("r0c0", "c0");
    check("c0s0r0c0", "c0 s0");
    check("f1s1c1", "f");
    check("c9r9s9f9h9", "");
    check("c2r2h1h1s2", "c2 r2 s2 s3");
}

#[test]
fn inv2_the_alloc_ends_with_its_last_rank() {
    let check = |script: &str, settled: bool, ended: bool| {
        let (spawning, _) = run(script);
        assert_eq!(
            (spawning.is_settled(), spawning.has_ended()),
            (settled, ended),
            "{script}"
        );
    };
    check("", false, false);
    check("c0r0c1r1c2r2c3", false, false);
    check("c0r0c1r1c2r2c3r3", true, false);
    check("c0r0c1s1c2s2f3", true, false);
    check("c0s0c1s1c2s2f3", true, true);
    check("h0h1", true, true);
}

#[test]
fn a_rank_that_is_late_reads_timeout_also_after_its_end() {
    let (spawning, states) = run("c0c1r1c2r2c3r3ts0");
    assert_eq!(states, "c0 c1 r1 c2 r2 c3 r3 f s0");
    let statuses = spawning.statuses();
    assert_eq!(statuses[..2], [RankStatus::Timeout, RankStatus::Running]);
    assert!(statuses[0].to_string().contains("entry point"));
    assert_eq!(
        run("c0r0c1r1c2r2c3r3t").1,
        "c0 r0 c1 r1 c2 r2 c3 r3",
        "nobody is late"
    );
}
