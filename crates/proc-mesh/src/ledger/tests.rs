//! Scripts of what happens to two procs with one actor mesh, and the events that follow.

use hypermesh_alloc::ProcStopReason;
use hypermesh_alloc::actor::mailbox::{Cause, ProcId, name_key};
use hypermesh_alloc::actor::{Exit, Failure, FailureCause, SupervisionEvent};
use hypermesh_ndslice::{Extent, RankMap, Region};

use super::{Effect, Ledger};

const WORLD: u64 = 7;

fn proc(rank: u32) -> ProcId {
    ProcId::new(WORLD, rank, 0)
}

fn key() -> u64 {
    name_key("crew")
}

fn view() -> Region {
    Region::from(Extent::new([("rank", 2)]).unwrap())
}

/// A short form of an effect: `S0` for the stop of proc 0, `C0` for a crash there, `m0:…` for an event
/// of member 0 and `.` for the end of the actor mesh.
fn short(effect: &Effect) -> String {
    use crate::event::{MemberStatus, ProcEvent};
    match effect {
        Effect::Proc(ProcEvent::Stopped(rank, _)) => format!("S{rank}"),
        Effect::Proc(ProcEvent::Crashed(rank, _)) => format!("C{rank}"),
        Effect::Proc(ProcEvent::AllocFailed(_)) => "F".to_owned(),
        Effect::Proc(ProcEvent::Undeliverable(_)) => "U".to_owned(),
        Effect::Closed(_) => ".".to_owned(),
        Effect::Member(_, event) => {
            let status = match event.status() {
                MemberStatus::Exited(Exit::Failed(_)) => "failed",
                MemberStatus::Exited(_) => "exited",
                MemberStatus::ProcStopped(_) => "lost",
                MemberStatus::Undeliverable(_) => "bounced",
            };
            format!("m{}:{status}", event.rank())
        }
    }
}

/// Runs `script` on a ledger and compares what follows.
///
/// `begin`, `commit` and `abandon` are the spawn of the mesh; `fail0` and `exit0` an exit of member 0,
/// `old0` one of an older generation of it, `other0` the failure of another actor there; `stop0` the
/// end of proc 0, `bounce0` a message to member 0 that came back, `lost0` one that did because the proc has
/// died, `asked` a stop of all members.
#[track_caller]
fn check(script: &str, expected: &str) {
    let mut ledger = Ledger::new([proc(0), proc(1)]);
    let mut effects = Vec::new();
    for step in script.split_whitespace() {
        let (verb, rank) = match step.strip_suffix(['0', '1']) {
            Some(verb) => (verb, u32::from(step.ends_with('1'))),
            None => (step, 0),
        };
        let member = proc(rank).actor(key(), 3);
        let failed = Exit::Failed(Failure::new(FailureCause::Handler, member, "crew", "boom"));
        effects.extend(match verb {
            "begin" => {
                let begun = ledger.begin(key(), "crew", &view());
                if begun.is_ok() {
                    Vec::new()
                } else {
                    vec![Effect::Closed(0), Effect::Closed(0)]
                }
            }
            "commit" => ledger.commit(key(), &RankMap::uniform(view(), 3)),
            "abandon" => {
                ledger.abandon(key());
                Vec::new()
            }
            "fail" => ledger.on_exit(&SupervisionEvent::new(member, "crew", failed)),
            "exit" => ledger.on_exit(&SupervisionEvent::new(member, "crew", Exit::Stopped)),
            "drain" => ledger.on_exit(&SupervisionEvent::new(member, "crew", Exit::Drained)),
            "old" => {
                let old = proc(rank).actor(key(), 2);
                ledger.on_exit(&SupervisionEvent::new(old, "crew", failed))
            }
            "other" => {
                let other = proc(rank).named_actor("other");
                ledger.on_exit(&SupervisionEvent::new(other, "other", failed))
            }
            "stop" => ledger.on_proc_stopped(proc(rank), &ProcStopReason::Stopped),
            "bounce" => ledger.on_undelivered(member, &Cause::NoRoute),
            "lost" => ledger.on_undelivered(member, &Cause::ProcDied("killed".into())),
            "asked" => ledger.on_stopped(key(), &[(0, Exit::Stopped), (1, Exit::Stopped)]),
            other => panic!("no such step: {other}"),
        });
    }
    let found: Vec<String> = effects.iter().map(short).collect();
    assert_eq!(found.join(" "), expected);
}

#[test]
fn inv1_a_proc_stops_once() {
    check("stop1 stop1 stop0", "S1 S0");
}

#[test]
fn inv2_a_member_that_failed_is_not_lost_again_with_its_proc() {
    check(
        "begin commit fail0 fail0 stop0 stop1",
        "C0 m0:failed S0 S1 m1:lost .",
    );
    check("begin commit stop0 fail0", "S0 m0:lost");
}

#[test]
fn inv2_messages_that_bounce_are_told_once_per_member_and_not_after_its_end() {
    check(
        "begin commit bounce0 bounce0 bounce1",
        "C0 m0:bounced C1 m1:bounced",
    );
    check(
        "begin commit fail0 bounce0 stop1 bounce1",
        "C0 m0:failed S1 m1:lost .",
    );
}

#[test]
fn inv3_a_mesh_closes_with_its_last_member() {
    check("begin commit exit0 asked", "m0:exited m1:exited .");
    check("begin commit asked exit0 fail1", "m0:exited m1:exited .");
}

#[test]
fn inv4_what_happens_during_a_spawn_is_told_after_it() {
    check("begin fail0 stop1 commit", "S1 C0 m0:failed m1:lost .");
    check("begin fail0 abandon stop0", "S0");
}

#[test]
fn inv5_older_generations_change_nothing() {
    check("begin commit old0", "");
}

#[test]
fn inv6_a_member_that_is_drained_ends_with_its_proc_or_its_mesh() {
    check("begin commit drain0 stop0", "S0 m0:lost");
    check("begin commit drain0 asked", "m0:exited m1:exited .");
}

#[test]
fn inv7_a_message_lost_with_its_proc_is_told_by_the_end_of_the_proc() {
    check("begin commit lost0 stop0 lost0", "S0 m0:lost");
}

#[test]
fn a_name_is_free_again_after_the_last_member_or_a_failed_spawn() {
    check("begin begin", ". .");
    check("begin commit begin", ". .");
    check("begin abandon begin commit", "");
    check("begin commit asked begin commit", "m0:exited m1:exited .");
}

#[test]
fn an_actor_that_belongs_to_no_mesh_crashes_its_proc_only() {
    check("other0", "C0");
}
