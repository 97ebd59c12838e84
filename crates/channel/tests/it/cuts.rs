//! Links over connections that are cut again and again. The clock is paused, so that nobody waits for the pauses between
//! the attempts; what counts is the outcome.

use std::time::Duration;

use bytes::Bytes;
use hypermesh_channel::{ChannelTransport, Payload};
use hypermesh_testkit::Seed;
use tokio::task::yield_now;

use crate::{
    proxy::{Fate, Proxy},
    rig::*,
};

#[tokio::test(start_paused = true)]
async fn ten_thousand_messages_over_many_cut_connections_arrive_once_and_in_order() {
    const COUNT: usize = 10_000;
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let (here, there) = (endpoint(), endpoint());
    let keeper = Keeper::new();
    let server = there
        .serve_sink(ChannelTransport::Tcp, keeper.clone())
        .unwrap();
    // A message is about 8 bytes: some hundred of them come through, and of some no acknowledgement.
    let proxy = Proxy::new(&server, move || Fate {
        cut_after: 1_000 + rng.below(8_000) as usize,
        is_mute: rng.chance(0.3),
    })
    .await;
    let link = here.dial_link(&proxy.addr).unwrap();
    let mut clerk = Clerk::new();
    (0..COUNT).for_each(|i| clerk.post(&link, payload(&i.to_string())));
    for i in 0..COUNT {
        assert_eq!(keeper.next_text().await, i.to_string());
    }
    clerk.assert_acked(COUNT).await;
    clerk.assert_no_more();
    assert_eq!(keeper.len(), 0);
    assert!(proxy.accepted() > 10, "{} connections", proxy.accepted());
    assert_eq!(server.stats().broken, 0);
    assert_eq!(keeper.peers().len(), 1, "one session");
}

#[tokio::test(start_paused = true)]
async fn long_messages_that_are_cut_in_the_middle_come_again_whole() {
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let (here, there) = (endpoint(), endpoint());
    let keeper = Keeper::new();
    let server = there
        .serve_sink(ChannelTransport::Tcp, keeper.clone())
        .unwrap();
    // Sooner or later a connection lives long enough for the next message.
    let proxy = Proxy::new(&server, move || Fate {
        cut_after: rng.below(5 << 20) as usize,
        is_mute: rng.chance(0.2),
    })
    .await;
    let link = here.dial_link(&proxy.addr).unwrap();
    let mut clerk = Clerk::new();
    let bytes = |len: usize, salt: usize| -> Bytes {
        (0..len)
            .map(|i| (i / 3 + salt) as u8)
            .collect::<Vec<_>>()
            .into()
    };
    // One frame, one in memory of its own, chunks, and chunks of many parts.
    let messages: Vec<Payload> = [
        (100, vec![]),
        (200_000, vec![]),
        (3 << 20, vec![]),
        (10, vec![1 << 20, 7, 1 << 20, 0, 300_000]),
        (5, vec![1_000; 2_000]),
        (100, vec![]),
    ]
    .into_iter()
    .enumerate()
    .map(|(salt, (body, parts))| Payload {
        body: bytes(body, salt),
        parts: parts.into_iter().map(|len| bytes(len, salt)).collect(),
    })
    .collect();
    messages
        .iter()
        .for_each(|message| clerk.post(&link, message.clone()));
    for message in &messages {
        assert!(keeper.next().await == *message, "{message}");
    }
    clerk.assert_acked(messages.len()).await;
    clerk.assert_no_more();
    assert_eq!((keeper.len(), server.stats().broken), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_over_cut_connections_gets_each_message_of_each_link_once_and_in_order() {
    const COUNT: u64 = 3_000;
    let seed = Seed::from_env();
    let (mut rng, mut pace) = (seed.rng(), seed.rng());
    let here = endpoint_with(|limits| {
        limits.sender_queue_messages = 200;
        // A connection without answers lasts until its pings are missed, and there may be many in a row.
        limits.connect_timeout = Duration::from_secs(3600);
    });
    let there = endpoint_with(|limits| {
        limits.receiver_queue_messages = 50;
        limits.receiver_queue_bytes = 2_000;
    });
    let (addr, mut numbers) = there.serve::<u64>(ChannelTransport::Tcp).unwrap();
    let (_, mut texts) = there.serve::<String>(&addr).unwrap();
    let proxy = Proxy::new(numbers.server().unwrap(), move || Fate {
        cut_after: 250 + rng.below(6_000) as usize,
        is_mute: rng.chance(0.3),
    })
    .await;
    let to_numbers = here.dial::<u64>(&proxy.addr).unwrap();
    let to_texts = here.dial::<String>(&proxy.addr).unwrap();
    let post_numbers = async {
        for i in 0..COUNT {
            to_numbers.ready().await.unwrap();
            to_numbers.post(i).unwrap();
        }
        assert_eq!(to_numbers.flush(DEADLINE * 100).await, 0);
    };
    let post_texts = async {
        for i in 0..COUNT {
            to_texts.ready().await.unwrap();
            to_texts.post(i.to_string()).unwrap();
        }
        assert_eq!(to_texts.flush(DEADLINE * 100).await, 0);
    };
    let receive = async {
        for i in 0..COUNT {
            assert_eq!(numbers.recv().await.unwrap(), i);
            assert_eq!(texts.recv().await.unwrap(), i.to_string());
            for _ in 0..pace.below(3) {
                yield_now().await;
            }
        }
    };
    tokio::join!(post_numbers, post_texts, receive);
    assert!(proxy.accepted() > 5, "{} connections", proxy.accepted());
    assert_eq!(numbers.server().unwrap().stats().broken, 0);
}

#[tokio::test(start_paused = true)]
async fn messages_over_cut_connections_of_tls_arrive_once_and_in_order() {
    const COUNT: usize = 10_000;
    let seed = Seed::from_env();
    let mut rng = seed.rng();
    let (here, there) = (endpoint(), endpoint());
    let keeper = Keeper::new();
    let server = there
        .serve_sink(ChannelTransport::Tls, keeper.clone())
        .unwrap();
    // Some are cut before the ends trust each other, and what is encrypted at once arrives at once or not at all, which is
    // up to 16 KiB. Two do not carry all the messages.
    let proxy = Proxy::new(&server, move || Fate {
        cut_after: rng.below(30_000) as usize,
        is_mute: false,
    })
    .await;
    let link = here.dial_link(&proxy.addr).unwrap();
    let mut clerk = Clerk::new();
    (0..COUNT).for_each(|i| clerk.post(&link, payload(&i.to_string())));
    for i in 0..COUNT {
        assert_eq!(keeper.next_text().await, i.to_string());
    }
    clerk.assert_acked(COUNT).await;
    clerk.assert_no_more();
    assert_eq!((keeper.len(), server.stats().broken), (0, 0));
    assert!(proxy.accepted() > 2, "{} connections", proxy.accepted());
    assert_eq!(keeper.peers().len(), 1, "one session");
}
