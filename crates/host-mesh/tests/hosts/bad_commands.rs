//! Commands that are no workers, and what is said about them.

use std::time::Duration;

use hypermesh_host_mesh::proc_mesh::global_root_client;
use hypermesh_host_mesh::{
    BootstrapCommand, HOST_SPAWN_READY_TIMEOUT, HOST_START_TIMEOUT, HostMesh, HostMeshError,
    RankStatus,
};
use hypermesh_ndslice::extent;
use hypermesh_testkit::{Case, ProcessGuard};

use crate::world::{World, marked};

pub(crate) const CASES: &[Case<World>] = &[
    (
        "`false` as a worker is an error with rank, host and exit status",
        false_as_worker,
    ),
    (
        "`sleep 60` as a worker is a timeout that names its rank",
        sleep_as_worker,
    ),
    (
        "one worker that hangs does not hide how the other is doing",
        one_of_two_hangs,
    ),
    (
        "`false` and `sleep 60` as hosts are errors that name the host",
        bad_hosts,
    ),
    (
        "a program that does not exist is an error with its path",
        no_such_program,
    ),
];

fn shell(script: &str, guard: &ProcessGuard) -> BootstrapCommand {
    let mut command = BootstrapCommand::from("sh");
    command.args = vec!["-c".into(), script.into()];
    marked(command, guard)
}

/// Spawns one worker by `command` on a local host and returns the status of its rank, and the whole error.
async fn worker_status(command: BootstrapCommand) -> (RankStatus, String) {
    let cx = global_root_client();
    let hosts = HostMesh::local_with_bootstrap(command).await.unwrap();
    let error = hosts
        .spawn(cx, "workers", extent!(procs = 1))
        .await
        .unwrap_err();
    let text = error.to_string();
    let HostMeshError::Spawn { statuses, .. } = error else {
        panic!("{text}")
    };
    let [(host, status)] = &statuses[..] else {
        panic!("{statuses:?}")
    };
    assert_eq!(host, &hosts.hosts()[0]);
    assert!(
        text.contains("rank 0") && text.contains(&host.to_string()),
        "{text}"
    );
    hosts.shutdown(cx).await.unwrap();
    (status.clone(), text)
}

fn false_as_worker(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let (_, text) = worker_status(marked("false".into(), guard)).await;
        assert!(text.contains("exited with code 1"), "{text}");

        let (_, text) = worker_status(shell("echo no such luck >&2; exit 7", guard)).await;
        assert!(
            text.contains("code 7") && text.contains("no such luck"),
            "{text}"
        );
    });
}

fn sleep_as_worker(world: &World, guard: &ProcessGuard) {
    let _short = HOST_SPAWN_READY_TIMEOUT.override_for_test(Duration::from_millis(500));
    world.run(async {
        let mut command = BootstrapCommand::from("sleep");
        command.args = vec!["60".into()];
        let (status, text) = worker_status(marked(command, guard)).await;
        assert_eq!(status, RankStatus::Timeout, "{text}");
        assert!(text.contains("entry point"), "{text}");
    });
}

fn one_of_two_hangs(world: &World, guard: &ProcessGuard) {
    let _short = HOST_SPAWN_READY_TIMEOUT.override_for_test(Duration::from_secs(2));
    world.run(async {
        let cx = global_root_client();
        // The first to make the directory hangs; the other becomes a worker.
        let place = hypermesh_testkit::SocketDir::new();
        let lock = place.join("lock");
        let program = std::env::current_exe().unwrap();
        let script = format!(
            "if mkdir {}; then exec sleep 60; else exec {}; fi",
            lock.display(),
            program.display()
        );
        let hosts = HostMesh::local_with_bootstrap(shell(&script, guard))
            .await
            .unwrap();
        let error = hosts
            .spawn(cx, "workers", extent!(procs = 2))
            .await
            .unwrap_err();
        let HostMeshError::Spawn { statuses, .. } = &error else {
            panic!("{error}")
        };
        let n_late = statuses
            .iter()
            .filter(|(_, status)| *status == RankStatus::Timeout)
            .count();
        assert_eq!((statuses.len(), n_late), (2, 1), "{error}");

        // The host has survived it: the next mesh comes up, because the directory is there.
        let procs = hosts.spawn(cx, "next", extent!(procs = 2)).await.unwrap();
        drop(procs);
        hosts.shutdown(cx).await.unwrap();
    });
}

fn bad_hosts(world: &World, guard: &ProcessGuard) {
    let _short = HOST_START_TIMEOUT.override_for_test(Duration::from_millis(500));
    world.run(async {
        let error = HostMesh::process(extent!(hosts = 2), marked("false".into(), guard)).await;
        let text = chain(&error.unwrap_err());
        assert!(text.contains("exit code 1"), "{text}");

        let error = HostMesh::process(extent!(hosts = 2), shell("exec sleep 60", guard)).await;
        let text = chain(&error.unwrap_err());
        assert!(
            text.contains("[0, 1]") && text.contains("entry point"),
            "{text}"
        );
    });
}

fn no_such_program(world: &World, guard: &ProcessGuard) {
    world.run(async {
        let (status, text) = worker_status(marked("/no/such/program".into(), guard)).await;
        assert!(matches!(status, RankStatus::Failed { .. }), "{status:?}");
        assert!(text.contains("/no/such/program"), "{text}");
    });
}

/// The text of an error with those of its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
