//! Duplex links: what serves them, posts on their ways back, and receives at either end.

use std::{sync::Arc, time::Duration};

use hypermesh_channel::{DuplexServer, Limits, Rx, Tx};
use hypermesh_testkit::Rng;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    PATIENCE, World,
    dialling::{Note, outcome},
    ledger::filling,
    serving::take_all,
};

/// How many things are done on a way back.
const STEPS: u64 = 12;

/// Accepts links until the server ends, and joins what was done on them.
pub(super) async fn serve(
    world: Arc<World>,
    server: Arc<DuplexServer<Note, Note>>,
    limits: Limits,
    mut rng: Rng,
) {
    let mut tasks = JoinSet::new();
    while let Ok((tx, rx)) = server.accept().await {
        let post_rng = Rng::new(rng.next_u64());
        tasks.spawn(post(world.clone(), tx, limits.clone(), post_rng));
        let rng = Rng::new(rng.next_u64());
        tasks.spawn(receive(world.clone(), rx, limits.clone(), rng));
    }
    super::join(&mut tasks).await;
}

/// Receives until there is nothing more, often slowly. At times it has enough before that.
pub(super) async fn receive(world: Arc<World>, mut rx: Rx<Note>, limits: Limits, mut rng: Rng) {
    let mut left = if rng.chance(0.2) {
        1 + rng.below(8)
    } else {
        u64::MAX
    };
    while left > 0 {
        left -= 1;
        let first = rx.recv().await;
        let is_last = first.is_err();
        take_all(&world, &limits, &mut rx, Some(first)).await;
        if is_last {
            return;
        }
        if world.calm.is_cancelled() || rng.chance(0.6) {
            continue;
        }
        let idle = match rng.below(8) {
            0 => Duration::from_secs(rng.below(300)),
            1 => Duration::from_secs(rng.below(20)),
            _ => Duration::from_millis(rng.below(200)),
        };
        world.pause(idle).await;
    }
    // What was acknowledged is not thrown away.
    rx.close().await;
    let first = rx.recv().await;
    take_all(&world, &limits, &mut rx, Some(first)).await;
}

/// Posts on a way back, and checks that it comes to rest (INV-5).
async fn post(world: Arc<World>, tx: Tx<Note>, limits: Limits, mut rng: Rng) {
    let link = world.ledger.link();
    for _ in 0..STEPS {
        if world.calm.is_cancelled() || tx.status().is_closed() {
            break;
        }
        match rng.below(8) {
            0..=3 => {
                for _ in 0..rng.below(8) {
                    post_one(&world, &tx, link, &limits, &mut rng).await;
                }
            }
            4 => _ = timeout(Duration::from_millis(rng.below(3_000)), tx.ready()).await,
            5 => _ = tx.flush(Duration::from_millis(rng.below(2_000))).await,
            6 => world.pause(Duration::from_millis(rng.below(100))).await,
            _ => world.pause(Duration::from_millis(rng.below(20_000))).await,
        }
    }
    if rng.chance(0.7) {
        // Otherwise it closes while there are faults.
        world.calm.cancelled().await;
        let began = Instant::now();
        let left = tx.flush(PATIENCE).await;
        let status = tx.status();
        assert_eq!(left, 0, "INV-5: after {:?}, {status:?}", began.elapsed());
    }
    if rng.chance(0.7) {
        tx.close(Duration::from_millis(rng.below(20_000))).await;
    }
}

async fn post_one(world: &World, tx: &Tx<Note>, link: usize, limits: &Limits, rng: &mut Rng) {
    let most = limits.message as usize;
    let rest = match rng.below(16) {
        0 => most + 1,
        1 => rng.below(most as u64) as usize,
        _ => rng.below(200) as usize,
    };
    let ledger = &world.ledger;
    let number = ledger.silent(link, rest);
    let note = (link as u64, number as u64, filling(number, rest));
    if rng.chance(0.5) {
        if let Err(error) = tx.post(note) {
            ledger.complete(link, number, outcome(Err(error)));
        }
        return;
    }
    let limit = Duration::from_millis(rng.below(5_000));
    if let Ok(sent) = timeout(limit, tx.send(note)).await {
        ledger.complete(link, number, outcome(sent));
    }
}
