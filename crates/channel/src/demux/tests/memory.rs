//! What the demultiplexer keeps: memory that grows with what has come, and no more than that.

use super::*;

#[test]
fn inv1_an_announced_length_costs_no_memory() {
    let mut header = Header::control(Kind::Data, 1, 0);
    header.len = u32::MAX;
    let announced = [&header.encode()[..], &[0; 10]].concat();
    let mut demux = Demux::new(u64::MAX);
    demux
        .feed(
            &chunk(1, 0, &announced)[..40],
            None,
            &mut Listener::default(),
        )
        .unwrap();
    assert!(demux.memory() <= 128 << 10, "{} bytes", demux.memory());
    header.len = 0;
    header.parts = MAX_PARTS as u32;
    demux = Demux::new(u64::MAX);
    demux
        .feed(&header.encode(), None, &mut Listener::default())
        .unwrap();
    assert!(demux.memory() <= 128 << 10, "{} bytes", demux.memory());
}

#[test]
fn inv1_messages_of_a_session_that_is_not_carried_take_no_memory() {
    let mut demux = Demux::new(u64::MAX);
    let mut listener = Listener::default();
    let frame = data(5000, 0, &payload(0, &[300 << 10]));
    let whole = data(5000, 0, &payload(0, &[LARGE + 1]));
    demux.feed(&whole, None, &mut listener).unwrap();
    for session in 5000..7000u32 {
        let bytes = chunk(session, 0, &frame[..100]);
        demux.feed(&bytes, None, &mut listener).unwrap();
    }
    assert_eq!(demux.memory(), 0);
    assert!(demux.end().is_ok());
}

#[test]
fn what_was_begun_in_chunks_is_forgotten_when_the_session_begins_again_or_ends() {
    let begun = data(1, 0, &payload(0, &[300 << 10]));
    for kind in [Kind::Open, Kind::Close] {
        let mut demux = Demux::new(u64::MAX);
        let mut listener = Listener::default();
        demux
            .feed(&chunk(1, 0, &begun[..1000]), None, &mut listener)
            .unwrap();
        demux
            .feed(&control(kind, 1, &[]), None, &mut listener)
            .unwrap();
        assert_eq!(demux.memory(), 0);
        let again = payload(1, &[100]);
        demux
            .feed(&chunk(1, 0, &data(1, 0, &again)), None, &mut listener)
            .unwrap();
        assert_eq!(
            listener.heard.last(),
            Some(&Heard::Message(1, 0, false, again))
        );
    }
}

#[test]
fn inv2_a_received_message_does_not_pin_a_large_buffer() {
    let small = data(1, 0, &payload(0, &[10]));
    let other = control(Kind::Open, 1, &[0; 1000]);
    let input = Bytes::from([small, other].concat());
    let mut listener = Listener::default();
    Demux::new(100)
        .feed(&input, Some(&input), &mut listener)
        .unwrap();
    let run = listener.runs.remove(0);
    let at = run.front().unwrap().body.as_ptr() as usize;
    let read = input.as_ptr() as usize..input.as_ptr() as usize + input.len();
    assert!(!read.contains(&at));
}

/// Reads a stream with one message as a connection does: into the memory of a long message where there is some. Returns
/// the message, and where each piece was read to.
fn read_directly(demux: &mut Demux, mut stream: &[u8]) -> (Payload, Vec<(usize, usize)>) {
    let (mut listener, mut places) = (Listener::default(), Vec::new());
    while !stream.is_empty() {
        let n = match demux.direct() {
            Some(memory) => {
                let n = memory.len().min(stream.len()).min(10_000);
                memory[..n].copy_from_slice(&stream[..n]);
                places.push((memory.as_ptr() as usize, n));
                demux.direct_done(n, &mut listener).unwrap();
                n
            }
            None => {
                let n = stream.len().min(100);
                demux.feed(&stream[..n], None, &mut listener).unwrap();
                n
            }
        };
        stream = &stream[n..];
    }
    match listener.heard.remove(0) {
        Heard::Message(_, _, _, payload) => (payload, places),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_long_part_stays_where_it_was_read_to_once_there_is_memory_for_it() {
    for len in [LARGE + 100, 900_000, 5 << 20] {
        let sent = payload(0, &[10, len]);
        let whole = data(1, 0, &sent);
        let n_chunks = whole.len().div_ceil(CHUNK_LEN);
        let stream = if whole.len() as u64 <= CHUNK_ABOVE {
            whole
        } else {
            let chunks = whole.chunks(CHUNK_LEN).map(|bytes| chunk(1, 0, bytes));
            chunks.collect::<Vec<_>>().concat()
        };
        let mut demux = Demux::new(u64::MAX);
        // For the first one memory grows with what has come, so that an announcement alone costs little.
        drop(read_directly(&mut demux, &stream));
        let (came, places) = read_directly(&mut demux, &stream);
        assert!(came == sent);
        let part = came.parts[0].as_ptr() as usize;
        let there = places
            .iter()
            .filter(|(at, _)| (part..part + len).contains(at));
        let there: usize = there.map(|(_, n)| n).sum();
        // All but the ends of its chunks, which come with other bytes.
        assert!(len - there < 5_000 * (n_chunks + 1), "{there} of {len}");
    }
}
