//! What peers make an endpoint warn of is few lines, with counts.

use hypermesh_channel::SimNetwork;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    log::{Log, sum},
    rig::*,
};

/// The words of the line for a connection that broke.
const BROKE: &str = "a peer broke the protocol";

/// Connects, introduces itself and says a frame that is none.
async fn break_protocol(network: &SimNetwork) {
    let stream = network.node("m").connect("s").await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut hello = b"\x89hmesh\r\n\x01\0\x0a\0".to_vec();
    hello.extend([7, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    hello.extend([0xff; 16]);
    writer.write_all(&hello).await.unwrap();
    // Until the server has had enough of it.
    let _ = reader.read_to_end(&mut Vec::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_connections_that_break_the_protocol_are_ten_lines_a_minute_that_count_them() {
    let (log, _listening) = Log::listen();
    let network = network(1);
    let far = endpoint(&network, "b");
    let server = far.serve_sink(addr("s"), Keeper::new(usize::MAX)).unwrap();
    let lines = || {
        let lines = log.lines();
        lines.iter().filter(|line| line.contains(BROKE)).count()
    };
    // Within a few seconds: each of them takes some milliseconds.
    for _ in 0..999 {
        break_protocol(&network).await;
    }
    assert_eq!(server.stats().broken, 999);
    assert_eq!(lines(), 10);
    pass(60 * SECOND).await;
    break_protocol(&network).await;
    assert_eq!(lines(), 11);
    assert_eq!(sum(&log.lines(), BROKE, "left_out="), 989);
    // What is left out at the end is told when the endpoint goes.
    for _ in 0..100 {
        break_protocol(&network).await;
    }
    assert_eq!(lines(), 20);
    drop(server);
    far.shutdown(SECOND).await;
    drop(far);
    let left_out = sum(&log.lines(), "warnings were left out", "left_out=");
    assert_eq!(left_out, 91, "{:#?}", log.lines());
}
