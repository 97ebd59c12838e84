//! Duplex links: both directions over one connection, and each of them alone.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use hypermesh_channel::{
    AcceptError, ChannelAddr, ChannelTransport, CloseReason, DuplexServer, Endpoint, FailReason,
    LinkStatus, Message, RecvError, Refusal, Rx, SendCause, Tx, UnknownReason,
};
use hypermesh_testkit::Seed;
use tokio::task::yield_now;

use crate::{
    proxy::{Fate, Proxy},
    rig::*,
};

/// A link from one endpoint to another one.
struct Duplex {
    here: Endpoint,
    there: Endpoint,
    server: DuplexServer<u64, String>,
    /// At the end that dialled.
    tx: Tx<u64>,
    rx: Rx<String>,
    /// At the end that serves.
    back_tx: Tx<String>,
    back_rx: Rx<u64>,
}

/// Returns a link over a transport, through which one message has come in each direction.
async fn duplex(transport: ChannelTransport) -> Duplex {
    duplex_between(endpoint_for(transport), endpoint_for(transport), transport).await
}

async fn duplex_between(here: Endpoint, there: Endpoint, transport: ChannelTransport) -> Duplex {
    let dialling = if transport == ChannelTransport::Local {
        there.clone()
    } else {
        here.clone()
    };
    let (addr, server) = there.serve_duplex::<u64, String>(transport).unwrap();
    let (tx, mut rx) = dialling.dial_duplex::<u64, String>(&addr).unwrap();
    soon(tx.send(0)).await.unwrap();
    let (back_tx, mut back_rx) = soon(server.accept()).await.unwrap();
    soon(back_tx.send("0".to_owned())).await.unwrap();
    assert_eq!(soon(back_rx.recv()).await.unwrap(), 0);
    assert_eq!(soon(rx.recv()).await.unwrap(), "0");
    Duplex {
        here,
        there,
        server,
        tx,
        rx,
        back_tx,
        back_rx,
    }
}

impl Duplex {
    /// Checks that messages still go forth.
    async fn check_forth(&mut self) {
        soon(self.tx.send(7)).await.unwrap();
        assert_eq!(soon(self.back_rx.recv()).await.unwrap(), 7);
    }

    /// Checks that messages still come back.
    async fn check_back(&mut self) {
        soon(self.back_tx.send("7".to_owned())).await.unwrap();
        assert_eq!(soon(self.rx.recv()).await.unwrap(), "7");
    }

    async fn check_nothing_is_left(self) {
        for endpoint in [&self.here, &self.there] {
            let report = soon(endpoint.shutdown(DEADLINE)).await;
            assert_eq!(report.stuck_tasks, 0);
            assert_eq!((report.failed, report.unknown), (0, 0));
        }
    }
}

async fn assert_closed<M: Message + std::fmt::Debug>(rx: &mut Rx<M>) {
    let received = soon(rx.recv()).await;
    assert!(matches!(received, Err(RecvError::Closed)), "{received:?}");
}

async fn closed<M: Message>(tx: &Tx<M>) -> CloseReason {
    soon(tx.watch().closed()).await
}

#[tokio::test]
async fn both_directions_work_over_every_transport_and_nothing_is_left() {
    for transport in TRANSPORTS {
        let mut link = duplex(transport).await;
        for i in 1..100 {
            link.tx.post(i).unwrap();
            link.back_tx.post(i.to_string()).unwrap();
        }
        for i in 1..100 {
            assert_eq!(soon(link.back_rx.recv()).await.unwrap(), i, "{transport}");
            assert_eq!(soon(link.rx.recv()).await.unwrap(), i.to_string());
        }
        assert_eq!(soon(link.tx.flush(DEADLINE)).await, 0);
        assert_eq!(soon(link.back_tx.flush(DEADLINE)).await, 0);
        assert_eq!(link.back_tx.status(), LinkStatus::Active);
        assert_eq!(link.server.server().stats().accepted, 1, "{transport}");
        link.check_nothing_is_left().await;
    }
}

#[tokio::test]
async fn ten_thousand_questions_and_answers_keep_their_order() {
    for transport in [ChannelTransport::Unix, ChannelTransport::Tcp] {
        let mut link = duplex(transport).await;
        for i in 1..=10_000 {
            link.tx.post(i).unwrap();
            let question = soon(link.back_rx.recv()).await.unwrap();
            link.back_tx.post(question.to_string()).unwrap();
            assert_eq!(soon(link.rx.recv()).await.unwrap(), i.to_string());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn both_directions_go_on_over_many_cut_connections() {
    const COUNT: u64 = 3_000;
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    // A connection without answers lasts until its pings are missed, and there may be many in a row.
    let patient = || endpoint_with(|limits| limits.connect_timeout = Duration::from_secs(3600));
    let (here, there) = (patient(), patient());
    let at = ChannelTransport::Tcp;
    let (_, server) = there.serve_duplex::<u64, String>(at).unwrap();
    let proxy = Proxy::new(server.server(), move || Fate {
        cut_after: 250 + rng.below(4_000) as usize,
        is_mute: rng.chance(0.2),
    })
    .await;
    let (tx, mut rx) = here.dial_duplex::<u64, String>(&proxy.addr).unwrap();
    for i in 0..COUNT {
        tx.post(i).unwrap();
    }
    let (back_tx, mut back_rx) = server.accept().await.unwrap();
    for i in 0..COUNT {
        back_tx.post(i.to_string()).unwrap();
    }
    for i in 0..COUNT {
        assert_eq!(back_rx.recv().await.unwrap(), i);
        assert_eq!(rx.recv().await.unwrap(), i.to_string());
    }
    assert_eq!(tx.flush(DEADLINE).await, 0);
    assert_eq!(back_tx.flush(DEADLINE).await, 0);
    assert!(proxy.accepted() > 5, "{} connections", proxy.accepted());
    assert_eq!(server.server().stats().broken, 0);
    let reports = [tx.close(DEADLINE).await, back_tx.close(DEADLINE).await];
    assert!(
        reports
            .iter()
            .all(|report| (report.failed, report.unknown) == (0, 0)),
        "{reports:?}"
    );
    assert_closed(&mut rx).await;
    assert_closed(&mut back_rx).await;
    let another = poll_some(100, server.accept()).await;
    assert!(another.is_none(), "one link");
}

#[tokio::test]
async fn two_directions_without_credit_go_on_as_soon_as_one_end_reads() {
    for transport in TRANSPORTS {
        let few = || endpoint_for_with(transport, |limits| limits.receiver_queue_messages = 4);
        let mut link = duplex_between(few(), few(), transport).await;
        for i in 0..100 {
            link.tx.post(i).unwrap();
            link.back_tx.post(i.to_string()).unwrap();
        }
        // Both ends have used up their credit: nothing more can be acknowledged.
        let (tx, back_tx) = (link.tx.clone(), link.back_tx.clone());
        while tx.flush(Duration::ZERO).await > 96 || back_tx.flush(Duration::ZERO).await > 96 {
            yield_now().await;
        }
        for i in 0..100 {
            assert_eq!(soon(link.rx.recv()).await.unwrap(), i.to_string());
        }
        assert_eq!(soon(back_tx.flush(DEADLINE)).await, 0, "{transport}");
        assert_eq!(tx.flush(Duration::ZERO).await, 96, "{transport}");
        for i in 0..100 {
            assert_eq!(soon(link.back_rx.recv()).await.unwrap(), i);
        }
        link.check_nothing_is_left().await;
    }
}

#[tokio::test]
async fn a_direction_that_its_sender_closes_leaves_the_other_one() {
    for transport in TRANSPORTS {
        let mut link = duplex(transport).await;
        soon(link.tx.close(DEADLINE)).await;
        assert_closed(&mut link.back_rx).await;
        link.check_back().await;
        link.check_nothing_is_left().await;

        let mut link = duplex(transport).await;
        soon(link.back_tx.close(DEADLINE)).await;
        assert_closed(&mut link.rx).await;
        link.check_forth().await;
        link.check_nothing_is_left().await;
    }
}

#[tokio::test]
async fn a_direction_that_its_receiver_closes_leaves_the_other_one() {
    for transport in TRANSPORTS {
        let mut link = duplex(transport).await;
        soon(link.rx.close()).await;
        assert_eq!(closed(&link.back_tx).await, CloseReason::PeerClosed);
        assert_closed(&mut link.rx).await;
        link.check_forth().await;
        link.check_nothing_is_left().await;

        let mut link = duplex(transport).await;
        soon(link.back_rx.close()).await;
        assert_eq!(closed(&link.tx).await, CloseReason::PeerClosed);
        assert_closed(&mut link.back_rx).await;
        link.check_back().await;
        link.check_nothing_is_left().await;
    }
}

#[tokio::test]
async fn what_is_dropped_at_one_end_is_closed_at_the_other_one() {
    for transport in TRANSPORTS {
        let link = duplex(transport).await;
        drop((link.tx, link.rx));
        assert_eq!(closed(&link.back_tx).await, CloseReason::PeerClosed);
        let mut back_rx = link.back_rx;
        assert_closed(&mut back_rx).await;

        let link = duplex(transport).await;
        drop((link.back_tx, link.back_rx));
        assert_eq!(closed(&link.tx).await, CloseReason::PeerClosed);
        let mut rx = link.rx;
        assert_closed(&mut rx).await;
        // The dialling end comes no more, and no other link came of it.
        let another = poll_some(100, link.server.accept()).await;
        assert!(another.is_none(), "{transport}");
    }
}

#[tokio::test]
async fn a_server_that_closes_ends_its_links() {
    for transport in TRANSPORTS {
        let mut link = duplex(transport).await;
        link.tx.post(1).unwrap();
        soon(link.tx.flush(DEADLINE)).await;
        soon(link.server.close()).await;
        assert_eq!(closed(&link.tx).await, CloseReason::PeerClosed);
        assert_eq!(closed(&link.back_tx).await, CloseReason::Closed);
        assert_closed(&mut link.rx).await;
        assert_eq!(soon(link.back_rx.recv()).await.unwrap(), 1, "{transport}");
        assert_closed(&mut link.back_rx).await;
        let accepted = soon(link.server.accept()).await;
        assert!(matches!(accepted, Err(AcceptError)));
        link.check_nothing_is_left().await;
    }
}

#[tokio::test]
async fn a_restarted_server_accepts_the_link_anew_and_the_same_receiver_goes_on() {
    const WRITTEN: u64 = 3;
    let here = endpoint();
    let before = endpoint_with(|limits| {
        limits.receiver_queue_messages = WRITTEN as usize;
        limits.connect_timeout = Duration::from_millis(100);
    });
    let after = endpoint();
    let at = ChannelTransport::Tcp;
    let (_, first) = before.serve_duplex::<u64, String>(at).unwrap();
    let (_, second) = after.serve_duplex::<u64, String>(at).unwrap();
    let proxy = Proxy::new(first.server(), || Fate::WHOLE).await;
    let (tx, mut rx) = here.dial_duplex::<u64, String>(&proxy.addr).unwrap();
    let (old, _old_rx) = soon(first.accept()).await.unwrap();
    soon(old.send("old".to_owned())).await.unwrap();
    proxy.move_to(second.server());
    // It may still go to the one before, and its outcome is not known then.
    while soon(tx.send(1)).await.is_err() {}
    let (new, mut new_rx) = soon(second.accept()).await.unwrap();
    assert_eq!(soon(new_rx.recv()).await.unwrap(), 1);
    soon(new.send("new".to_owned())).await.unwrap();
    assert_eq!(soon(rx.recv()).await.unwrap(), "old");
    assert_eq!(soon(rx.recv()).await.unwrap(), "new");
    // The end that dialled does not come back to the one before.
    let error = soon(old.send("lost".to_owned())).await.unwrap_err();
    let cause = error.cause;
    assert!(
        matches!(cause, SendCause::Failed(FailReason::Unreachable(_))),
        "{cause:?}"
    );
    assert!(matches!(closed(&old).await, CloseReason::Unreachable(_)));
}

#[tokio::test]
async fn what_was_written_to_the_server_before_is_unknown_and_what_it_had_has_failed() {
    let (here, after) = (endpoint(), endpoint());
    let before = endpoint_with(|limits| limits.connect_timeout = Duration::from_millis(100));
    let at = ChannelTransport::Tcp;
    let (_, first) = before.serve_duplex::<u64, u64>(at).unwrap();
    let (_, second) = after.serve_duplex::<u64, u64>(at).unwrap();
    // What the first one says after it has opened the link is not heard.
    let mut is_mute = true;
    let proxy = Proxy::new(first.server(), move || Fate {
        is_mute: std::mem::take(&mut is_mute),
        ..Fate::WHOLE
    })
    .await;
    let (tx, mut rx) = here.dial_duplex::<u64, u64>(&proxy.addr).unwrap();
    let (back, mut back_rx) = soon(first.accept()).await.unwrap();
    let forth = async {
        let error = soon(tx.send(1)).await.unwrap_err();
        let cause = error.cause;
        assert!(
            matches!(cause, SendCause::Unknown(UnknownReason::PeerRestarted)),
            "{cause:?}"
        );
    };
    let returned = async {
        let error = soon(back.send(2)).await.unwrap_err();
        let cause = error.cause;
        assert!(
            matches!(cause, SendCause::Failed(FailReason::Unreachable(_))),
            "{cause:?}"
        );
    };
    let restart = async {
        assert_eq!(soon(back_rx.recv()).await.unwrap(), 1);
        proxy.move_to(second.server());
    };
    tokio::join!(forth, returned, restart);
    soon(tx.send(3)).await.unwrap();
    let (back, mut back_rx) = soon(second.accept()).await.unwrap();
    assert_eq!(soon(back_rx.recv()).await.unwrap(), 3);
    soon(back.send(4)).await.unwrap();
    assert_eq!(soon(rx.recv()).await.unwrap(), 4);
}

#[tokio::test]
async fn a_link_beyond_those_that_wait_to_be_accepted_waits_for_its_place() {
    const MAX: usize = DuplexServer::<u64, u64>::MAX_WAITING;
    let endpoint = endpoint();
    let at = ChannelTransport::Local;
    let (addr, server) = endpoint.serve_duplex::<u64, u64>(at).unwrap();
    let mut links = Vec::new();
    for i in 0..MAX as u64 {
        let link = endpoint.dial_duplex::<u64, u64>(&addr).unwrap();
        soon(link.0.send(i)).await.unwrap();
        links.push(link);
    }
    let (late, _late_rx) = endpoint.dial_duplex::<u64, u64>(&addr).unwrap();
    let mut watch = late.watch();
    soon(async {
        loop {
            match watch.changed().await {
                LinkStatus::Connecting {
                    last_error: Some(error),
                    ..
                } => {
                    let busy = hypermesh_channel::ConnectError::Refused(Refusal::Busy);
                    assert_eq!(error.tried[0].error, busy);
                    return;
                }
                LinkStatus::Connecting { .. } => {}
                status => panic!("{status:?}"),
            }
        }
    })
    .await;
    for i in 0..MAX as u64 {
        let (_, mut rx) = soon(server.accept()).await.unwrap();
        assert_eq!(soon(rx.recv()).await.unwrap(), i);
    }
    soon(late.send(7)).await.unwrap();
    let (_, mut rx) = soon(server.accept()).await.unwrap();
    assert_eq!(soon(rx.recv()).await.unwrap(), 7);
}

#[tokio::test]
async fn one_listener_serves_both_kinds_and_one_of_them_stops_alone() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let (addr, mut simplex) = endpoint.serve::<u64>(transport).unwrap();
        let refused = endpoint.dial_duplex::<u64, u64>(&addr).unwrap();
        let reason = closed(&refused.0).await;
        assert!(
            matches!(reason, CloseReason::Refused(Refusal::Kind { .. })),
            "{reason:?}"
        );
        let mut rx = refused.1;
        assert_closed(&mut rx).await;
        let (_, server) = endpoint.serve_duplex::<u64, u64>(&addr).unwrap();
        let tx = endpoint.dial::<u64>(&addr).unwrap();
        let (forth, mut back) = endpoint.dial_duplex::<u64, u64>(&addr).unwrap();
        let (answers, mut questions) = soon(server.accept()).await.unwrap();
        let other = endpoint.dial_duplex::<u64, String>(&addr).unwrap();
        let reason = closed(&other.0).await;
        assert!(
            matches!(reason, CloseReason::Refused(Refusal::Kind { .. })),
            "{reason:?}"
        );
        soon(tx.send(1)).await.unwrap();
        assert_eq!(soon(simplex.recv()).await.unwrap(), 1);
        // One of them stops, and then the other one.
        soon(simplex.close()).await;
        assert_eq!(closed(&tx).await, CloseReason::PeerClosed);
        soon(forth.send(2)).await.unwrap();
        assert_eq!(soon(questions.recv()).await.unwrap(), 2);
        soon(answers.send(3)).await.unwrap();
        assert_eq!(soon(back.recv()).await.unwrap(), 3);
        if transport == ChannelTransport::Local {
            continue;
        }
        let (_, mut simplex) = endpoint.serve::<u64>(&addr).unwrap();
        let tx = endpoint.dial::<u64>(&addr).unwrap();
        soon(server.close()).await;
        assert_eq!(closed(&forth).await, CloseReason::PeerClosed);
        assert_closed(&mut back).await;
        soon(tx.send(4)).await.unwrap();
        assert_eq!(soon(simplex.recv()).await.unwrap(), 4, "{transport}");
        assert_eq!(server.server().stats().broken, 0, "{transport}");
    }
}

#[tokio::test]
async fn a_peer_that_is_never_there_ends_both_directions() {
    let endpoint = endpoint_with(|limits| limits.connect_timeout = Duration::from_millis(100));
    let dir = hypermesh_testkit::SocketDir::new();
    let nobody: ChannelAddr = at_path(&dir.path().join("nobody"));
    let (tx, mut rx) = endpoint.dial_duplex::<u64, u64>(&nobody).unwrap();
    let error = soon(tx.send(1)).await.unwrap_err();
    assert!(
        matches!(error.cause, SendCause::Failed(FailReason::Unreachable(_))),
        "{error:?}"
    );
    assert_closed(&mut rx).await;
}

/// Polls `future` up to `polls` times, with the other tasks between them, and drops it then.
async fn poll_some<F: Future>(polls: u64, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let poll = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx)));
        if let Poll::Ready(output) = poll.await {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

#[tokio::test]
async fn a_cancelled_accept_or_recv_loses_nothing() {
    const LINKS: u64 = 50;
    let mut rng = Seed::from_env().rng();
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let (addr, server) = endpoint.serve_duplex::<u64, u64>(transport).unwrap();
        let mut dialled = Vec::new();
        let mut accepted = Vec::new();
        for i in 0..LINKS {
            let (tx, rx) = endpoint.dial_duplex::<u64, u64>(&addr).unwrap();
            tx.post(i).unwrap();
            dialled.push((tx, rx));
            while let Some(link) = poll_some(rng.below(5), server.accept()).await {
                accepted.push(link.unwrap());
            }
        }
        while accepted.len() < LINKS as usize {
            accepted.push(soon(server.accept()).await.unwrap());
        }
        for (i, (answers, questions)) in accepted.iter_mut().enumerate() {
            let question = loop {
                if let Some(received) = poll_some(rng.below(5), questions.recv()).await {
                    break received.unwrap();
                }
            };
            assert_eq!(question, i as u64, "{transport}");
            answers.post(question).unwrap();
        }
        for (i, (_, rx)) in dialled.iter_mut().enumerate() {
            assert_eq!(soon(rx.recv()).await.unwrap(), i as u64, "{transport}");
        }
    }
}
