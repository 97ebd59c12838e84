//! A peer that speaks the protocol by hand: it opens sessions, pings and answers pings, and acknowledges
//! nothing.

use hypermesh_channel::SimNode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    select,
    sync::mpsc,
    time::interval,
};

use crate::rig::SECOND;

const OPEN: u8 = 8;
const OPENED: u8 = 9;
const PING: u8 = 14;
const PONG: u8 = 15;
const NEXT: u8 = 16;

/// Accepts one connection at `name` and carries its sessions. Messages have short bodies and no parts.
pub(crate) async fn serve(node: SimNode, name: &str) {
    let mut listener = node.listen(name).unwrap();
    let (mut reader, mut writer) = listener.accept().await.unwrap().split();
    let mut preamble = [0; 12];
    reader.read_exact(&mut preamble).await.unwrap();
    let rest = u16::from_le_bytes([preamble[10], preamble[11]]);
    reader.read_exact(&mut vec![0; rest.into()]).await.unwrap();
    // It accepts, and gives its incarnation.
    let mut answer = preamble[..10].to_vec();
    answer.extend([9, 0, 0]);
    answer.extend(7u64.to_le_bytes());
    writer.write_all(&answer).await.unwrap();
    // As many as there are frames.
    let (answers, mut said) = mpsc::unbounded_channel();
    let reading = async {
        let mut header = [0; 16];
        // Until the other end has enough of it.
        while reader.read_exact(&mut header[..4]).await.is_ok() {
            if header[0] == NEXT {
                let len = u32::from_le_bytes(header[..4].try_into().unwrap()) >> 8;
                if reader.read_exact(&mut vec![0; len as usize]).await.is_err() {
                    break;
                }
                continue;
            }
            if reader.read_exact(&mut header[4..]).await.is_err() {
                break;
            }
            let len = u32::from_le_bytes(header[4..8].try_into().unwrap());
            let mut body = vec![0; len as usize];
            if reader.read_exact(&mut body).await.is_err() {
                break;
            }
            let session = u32::from_le_bytes(header[8..12].try_into().unwrap());
            match header[0] {
                OPEN => answers.send(frame(OPENED, session, &opened())).unwrap(),
                PING => answers.send(frame(PONG, 0, &[])).unwrap(),
                _ => {}
            }
        }
    };
    let writing = async {
        let mut asking = interval(5 * SECOND);
        loop {
            let frame = select! {
                biased;
                frame = said.recv() => frame.unwrap(),
                _ = asking.tick() => frame(PING, 0, &[]),
            };
            // An end that is gone is no loss.
            let _ = writer.write_all(&frame).await;
        }
    };
    select! {
        () = reading => {}
        () = writing => {}
    }
}

fn frame(kind: u8, session: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind, 0, 0, 0];
    frame.extend((body.len() as u32).to_le_bytes());
    frame.extend(session.to_le_bytes());
    frame.extend([0; 4]);
    frame.extend(body);
    frame
}

/// Returns the body of a frame that opens a new session with much credit.
fn opened() -> Vec<u8> {
    let mut body = 7u64.to_le_bytes().to_vec();
    body.push(0);
    // Nothing is taken; so many messages and bytes may come; a message has so many bytes at most.
    for number in [0u64, 1000, 1 << 20, 1 << 20] {
        body.extend(number.to_le_bytes());
    }
    body.extend([0, 0]);
    body
}
