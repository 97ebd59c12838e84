//! A cast is at every hop what it was at the one before.

use std::sync::{Arc, Mutex};

use hypermesh_alloc::actor::mailbox::channel::{ChannelAddr, ChannelTransport};
use hypermesh_alloc::actor::mailbox::{GatewayOptions, MailboxSender};
use hypermesh_ndslice::{Extent, Region};
use hypermesh_wire::{decode, encode};
use proptest::prelude::*;

use super::*;
use crate::plan::Crew;

const WORLD: u64 = 7;

fn leg(rank: u32) -> Leg {
    Leg {
        relay: ProcId::new(WORLD, rank, 0),
        addr: ChannelAddr::Local(1 + u64::from(rank)),
        crews: vec![Crew {
            ranks: [rank as usize].into_iter().collect(),
            proc_generation: 0,
            actor_generation: 2,
        }],
    }
}

fn hop(n_legs: u32, gathering: Option<u32>) -> CastHop {
    let sender = ProcId::new(WORLD + 1, 0, 0).named_actor("caster");
    let view: Region = Extent::new([("x", n_legs as usize)]).unwrap().into();
    let to = (sender.port(Port::Control(9)), Location::NONE);
    let cast = Cast {
        world: WORLD,
        actor: 5,
        key: TypeKey::of("message"),
        marks: Marks::new(),
        fan_out: 2,
        within: Duration::from_secs(1),
    };
    let mut headers = Headers::new();
    headers.set(TypeKey::of("mine"), vec![1, 2]).unwrap();
    CastHop {
        frame: CastFrame {
            cast: Arc::new(cast),
            payload: encode(&"text").unwrap(),
            fold: None,
            legs: (0..n_legs).map(leg).collect(),
        },
        sender,
        origin: CastOrigin::new(&view, gathering.map(|_| to)).unwrap(),
        headers,
        gathering,
        first: 10,
    }
}

/// Keeps what it gets.
#[derive(Default)]
struct Inbox(Mutex<Vec<Envelope>>);

impl MailboxSender for Inbox {
    fn post(&self, envelope: Envelope) {
        self.0.lock().unwrap().push(envelope);
    }
}

/// Passes a cast on and returns it as it arrives at the head of `run`.
fn pass_on(gateway: &Gateway, sent: &CastHop, run: Range<usize>) -> CastHop {
    let inbox = Arc::new(Inbox::default());
    let head = sent.frame.legs[run.start].relay;
    let attached = gateway.attach(head, inbox.clone()).unwrap();
    sent.pass_on(gateway, run);
    drop(attached);
    let mut envelope = inbox.0.lock().unwrap().pop().unwrap();
    let Some((place, origin)) = CastOrigin::of(&envelope.headers).unwrap() else {
        panic!("a cast has an origin");
    };
    assert_eq!(place.rank, None);
    let body = envelope.body.into_payload().map_err(|(_, error)| error);
    let frame = decode(&body.unwrap()).unwrap();
    CastOrigin::remove(&mut envelope.headers);
    CastHop::received(
        frame,
        envelope.header.src,
        (place, origin),
        envelope.headers,
    )
}

#[track_caller]
fn check(gathering: Option<u32>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let options = GatewayOptions::new(runtime.handle().clone(), ChannelTransport::Local);
    let gateway = Gateway::new(options);
    let mut sent = hop(9, gathering);
    for (run, first) in [(2..8, 12), (1..4, 13), (2..3, 15)] {
        let got = pass_on(&gateway, &sent, run.clone());
        assert_eq!(got.frame.legs, sent.frame.legs[run]);
        assert_eq!(got.frame.payload, sent.frame.payload);
        assert_eq!(got.frame.cast, sent.frame.cast);
        assert_eq!((got.sender, &got.origin), (sent.sender, &sent.origin));
        assert_eq!((&got.headers, got.gathering), (&sent.headers, gathering));
        assert_eq!(got.first, if gathering.is_some() { first } else { 0 });
        sent = got;
    }
    let (rank, actor) = sent.frame.cast.members(&sent.frame.legs[0]).next().unwrap();
    let member = sent.envelope(
        rank,
        actor,
        Any::wire(TypeKey::of("message"), Payload::default()),
    );
    let (place, origin) = CastOrigin::of(&member.headers).unwrap().unwrap();
    assert_eq!(place.rank, Some(5));
    assert_eq!(origin.point_of(5).unwrap().unwrap().rank(), 5);
    assert_eq!(
        member.headers.get(TypeKey::of("mine")).unwrap(),
        &[1, 2][..]
    );
    let slot = place.reply.map(ReplySlot::of_ordinal);
    assert_eq!(
        slot,
        gathering.map(|gathering| ReplySlot::of_rank(gathering, 5))
    );
    assert_eq!(
        ReplyHeader::of(&member.headers).is_some(),
        gathering.is_some()
    );
}

#[test]
fn every_hop_gets_the_cast_as_it_was_sent() {
    check(None);
    check(Some(3));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_of_a_frame_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let payload = Payload { body: bytes.into(), ..Payload::default() };
        if let Ok(frame) = decode::<CastFrame>(&payload) {
            _ = frame.branches().count();
            prop_assert_eq!(decode(&encode(&frame).unwrap()), Ok(frame));
        }
    }

    #[test]
    fn a_cut_frame_does_not_decode(cut in 1_usize..80) {
        let mut payload = encode(&hop(3, None).frame).unwrap();
        payload.body.truncate(payload.body.len().saturating_sub(cut));
        prop_assert!(decode::<CastFrame>(&payload).is_err());
    }
}
