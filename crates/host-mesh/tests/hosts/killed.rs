//! Launchers, hosts and workers that are killed by SIGKILL.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use hypermesh_host_mesh::proc_mesh::{ProcEvent, global_root_client};
use hypermesh_host_mesh::{BootstrapCommand, HostMesh, HostMeshError};
use hypermesh_ndslice::{Selection, extent};
use hypermesh_testkit::{Case, ProcessGuard, process, wait_until};

use crate::actors::{Echo, WhoAreYou};
use crate::world::{World, hosts};

pub(crate) const CASES: &[Case<World>] = &[
    (
        "a launcher of two hosts with four workers each that is killed leaves nothing",
        launcher_killed,
    ),
    (
        "a worker that is killed is told with its signal, and the call in flight ends",
        worker_killed,
    ),
    (
        "a host that is killed takes its workers along and is told as such",
        host_killed,
    ),
];

/// The argument that makes this program a launcher to be killed.
const LAUNCHER: &str = "--launcher";

/// Is the launcher of 2 × 4 workers until somebody kills it, if the arguments ask for that.
#[expect(
    clippy::print_stdout,
    reason = "the line tells the test that everything is up"
)]
pub(crate) fn run_as_launcher(world: &World) -> Option<ExitCode> {
    if !std::env::args().any(|arg| arg == LAUNCHER) {
        return None;
    }
    world.block_on(async {
        let cx = global_root_client();
        let command = BootstrapCommand::current().unwrap();
        let hosts = HostMesh::process(extent!(hosts = 2), command)
            .await
            .unwrap();
        let procs = hosts
            .spawn(cx, "workers", extent!(procs = 4))
            .await
            .unwrap();
        println!("up {}", procs.shape().count());
        // Nobody comes back from here: the test kills this process.
        std::future::pending::<()>().await;
    });
    Some(ExitCode::FAILURE)
}

fn launcher_killed(_world: &World, guard: &ProcessGuard) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut launcher = guard
        .mark(&mut command)
        .arg(LAUNCHER)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(launcher.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line.trim(), "up 8");
    assert_eq!(guard.marked().len(), 1 + 2 + 8);
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    guard.assert_none_left(Duration::from_secs(5));
}

fn worker_killed(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(hosts = 2), guard).await;
        let mut procs = hosts
            .spawn(cx, "workers", extent!(procs = 2))
            .await
            .unwrap();
        let mut events = procs.events().unwrap();
        let mut echoes = procs.spawn::<Echo>(cx, "echo", &()).await.unwrap();
        let mut members = echoes.events().unwrap();
        let answers = echoes.call(cx, Selection::all(), WhoAreYou).await.unwrap();
        let pids: Vec<u32> = answers
            .iter()
            .map(|(_, answer)| answer.as_ref().unwrap().0)
            .collect();

        process::kill(pids[2]);
        let ProcEvent::Stopped(rank, reason) = events.next().await.unwrap() else {
            panic!("a proc has stopped");
        };
        assert_eq!(
            (rank, reason.to_string().as_str()),
            (2, "killed by SIGKILL (9)")
        );
        let event = members.next().await.unwrap();
        assert_eq!((event.rank(), event.name()), (2, "echo"));
        assert!(event.is_failed(), "{event}");

        let answers = echoes.call(cx, Selection::all(), WhoAreYou).await.unwrap();
        let failed: Vec<_> = answers.iter().map(|(_, answer)| answer.is_err()).collect();
        assert_eq!(failed, [false, false, true, false]);
        hosts.shutdown(cx).await.unwrap();
    });
}

fn host_killed(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let cx = global_root_client();
        let hosts = hosts(extent!(hosts = 2), guard).await;
        let mut procs = hosts
            .spawn(cx, "workers", extent!(procs = 2))
            .await
            .unwrap();
        let mut events = procs.events().unwrap();
        let echoes = procs.spawn::<Echo>(cx, "echo", &()).await.unwrap();
        let answers = echoes.call(cx, Selection::all(), WhoAreYou).await.unwrap();
        let (pid, _) = answers.iter().next().unwrap().1.as_ref().unwrap().clone();
        let host = process::all()
            .into_iter()
            .find(|process| process.pid == pid)
            .unwrap()
            .parent;

        process::kill(host);
        for _ in 0..2 {
            match events.next().await.unwrap() {
                ProcEvent::Stopped(rank, reason) => {
                    assert!(rank < 2, "rank {rank} is on the other host");
                    assert_eq!(reason.to_string(), "lost with its host");
                }
                other => panic!("{other}"),
            }
        }
        let gone = tokio::task::block_in_place(|| {
            wait_until(Duration::from_secs(5), || guard.marked().len() == 3)
        });
        assert!(gone, "the host's workers end with it");

        // The truth about a host that nobody can ask any more.
        let error = hosts.shutdown(cx).await.unwrap_err();
        let HostMeshError::Shutdown(report) = &error else {
            panic!("{error}")
        };
        assert!(
            !report.hosts[0].is_clean() && report.hosts[1].is_clean(),
            "{report}"
        );
        assert_eq!(report.host_processes_left, 0);
    });
}
