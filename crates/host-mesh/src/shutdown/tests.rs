//! Who runs, who waits, and what is remembered.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::*;

fn report(left: u32) -> ShutdownReport {
    let addr = "local:1".parse().expect("an address");
    let outcome = HostOutcome::Confirmed(HostReport {
        drained: 1,
        killed: 0,
        left,
    });
    ShutdownReport {
        hosts: vec![HostShutdown { addr, outcome }],
        host_processes_left: 0,
    }
}

#[tokio::test]
async fn inv1_whoever_asks_meanwhile_gets_the_same_result() {
    let once = Once::new();
    let (finish, finished) = oneshot::channel::<()>();
    let n_runs = AtomicUsize::new(0);
    let first = once.run(|_| async {
        n_runs.fetch_add(1, Ordering::Relaxed);
        finished.await.expect("the test finishes it");
        report(0)
    });
    let second = once.run(|_| async {
        n_runs.fetch_add(1, Ordering::Relaxed);
        report(0)
    });
    let finish = async { finish.send(()).expect("the first waits") };
    let (first, second, ()) = tokio::join!(first, second, finish);
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(n_runs.into_inner(), 1);
}

#[tokio::test]
async fn inv2_a_success_is_final_and_a_failure_is_tried_again() {
    let once = Once::new();
    assert!(
        !once
            .run(|last| async move { report(u32::from(last.is_none())) })
            .await
            .is_clean()
    );
    let again = once
        .run(|last| async move { report(u32::from(last.is_none())) })
        .await;
    assert!(
        again.is_clean(),
        "the second run saw what the first had found"
    );
    let third = once
        .run(|_| async { unreachable!("nothing is left to do") })
        .await;
    assert!(Arc::ptr_eq(&again, &third));
}

#[tokio::test]
async fn inv3_a_dropped_shutdown_counts_as_not_run() {
    let once = Once::new();
    assert!(
        once.run(|_| std::future::pending())
            .now_or_never()
            .is_none()
    );
    assert!(once.report().is_none());
    assert!(once.run(|_| async { report(0) }).await.is_clean());
}

#[test]
fn a_report_says_what_is_left_where() {
    assert_eq!(
        report(2).to_string(),
        "host 0 at local:1: 1 drained, 0 killed, 2 left"
    );
    let mut lost = report(0);
    lost.hosts[0].outcome = HostOutcome::Unreachable("no answer".into());
    lost.host_processes_left = 1;
    assert_eq!(
        lost.to_string(),
        "host 0 at local:1: unreachable: no answer; 1 host processes left"
    );
    assert!(!lost.is_clean());
}
