//! Waiting for several ports at once.

use std::time::Duration;

use hypermesh_actor::Select;
use tokio::time::timeout;

use crate::fixture::{proc, within};

#[derive(Debug, PartialEq)]
enum Event {
    Word(String),
    Number(u64),
    Last(u8),
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_rounds_of_losing_branches_lose_no_message() {
    const ROUNDS: u64 = 10_000;
    let client = proc().client("client");
    let (first, mut firsts) = client.mailbox().open_port::<u64>();
    let (second, mut seconds) = client.mailbox().open_port::<u64>();
    let (mut got_first, mut got_second, mut n_lost) = (Vec::new(), Vec::new(), 0);
    for round in 0..ROUNDS {
        let mut select = Select::new()
            .with(&mut firsts, |n| (1, n))
            .with(&mut seconds, |n| (2, n));
        // It waits, and is given up.
        if round % 100 == 0
            && let Ok(Some((_, n))) = timeout(Duration::ZERO, select.next()).await
        {
            panic!("nothing was sent but {n}");
        }
        first.send(round).unwrap();
        second.send(round).unwrap();
        let mut n_got = 0;
        while n_got < 2 {
            // Which branch is asked first is up to chance.
            tokio::select! {
                got = select.next() => {
                    n_got += 1;
                    match got.unwrap() {
                        (1, n) => got_first.push(n),
                        (_, n) => got_second.push(n),
                    }
                }
                () = std::future::ready(()) => n_lost += 1,
            }
        }
    }
    let all: Vec<u64> = (0..ROUNDS).collect();
    assert_eq!(got_first, all);
    assert_eq!(got_second, all);
    assert!(ROUNDS / 2 < n_lost, "{n_lost} branches lost");
    assert_eq!((firsts.drain(), seconds.drain()), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn a_port_that_is_always_ready_does_not_starve_the_others() {
    let client = proc().client("client");
    let (busy, mut always) = client.mailbox().open_port::<u64>();
    let (rare, mut seldom) = client.mailbox().open_port::<String>();
    let mut select = Select::new()
        .with(&mut always, Event::Number)
        .with(&mut seldom, Event::Word);
    for round in 0..100 {
        (0..10).for_each(|n| busy.send(n).unwrap());
        rare.send(round.to_string()).unwrap();
        let pair = [
            within(select.next()).await.unwrap(),
            within(select.next()).await.unwrap(),
        ];
        let word = Event::Word(round.to_string());
        assert!(pair.contains(&word), "round {round}: {pair:?}");
    }
}

#[tokio::test]
async fn a_message_wakes_whoever_waits_for_several_ports() {
    let client = proc().client("client");
    let (words, mut new_words) = client.mailbox().open_port::<String>();
    let (_numbers, mut new_numbers) = client.mailbox().open_port::<u64>();
    let mut waiting = tokio::task::JoinSet::new();
    waiting.spawn(async move {
        let mut select = Select::new()
            .with(&mut new_numbers, Event::Number)
            .with(&mut new_words, Event::Word);
        select.next().await
    });
    tokio::task::yield_now().await;
    words.send("hello".to_owned()).unwrap();
    let got = within(waiting.join_next()).await.unwrap().unwrap();
    assert_eq!(got, Some(Event::Word("hello".to_owned())));
}

#[tokio::test]
async fn ports_that_are_over_are_left_out_until_none_is_left() {
    let client = proc().client("client");
    let (words, mut new_words) = client.mailbox().open_port::<String>();
    let (numbers, mut new_numbers) = client.mailbox().open_port::<u64>();
    let (last, mut the_last) = client.mailbox().open_once_port::<u8>();
    let mut select = Select::new()
        .with(&mut new_words, Event::Word)
        .with(&mut new_numbers, Event::Number)
        .with_once(&mut the_last, Event::Last);
    drop(words);
    numbers.send(1).unwrap();
    assert_eq!(within(select.next()).await, Some(Event::Number(1)));
    drop(numbers);
    last.send(9).unwrap();
    assert_eq!(within(select.next()).await, Some(Event::Last(9)));
    assert_eq!(within(select.next()).await, None);
    assert_eq!(within(select.next()).await, None, "it stays over");
}
