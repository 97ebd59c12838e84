//! One relay whose two legs are driven by hand: what each of them says, and when it is over.

use tokio::{runtime::Handle, time::advance};

use super::*;
use crate::{
    endpoint::{Endpoint, EndpointOptions},
    frame::HEADER_LEN,
    pipe::pair,
    stream::{Glances, Heard, Stream},
};

/// The connection of each leg.
const NEAR: u64 = 1;
const FAR: u64 = 2;

/// What a leg says: the kind of each frame, and its body.
type Said = Vec<(Kind, Vec<u8>)>;

struct Rig {
    near: Arc<Leg>,
    far: Arc<Leg>,
    _endpoint: Endpoint,
}

impl Rig {
    /// Returns a relay of which up to 1500 bytes may wait, with both connections.
    fn connected() -> Self {
        let rig = Self::dialling();
        rig.far.clone().attach(&outlet(FAR));
        rig
    }

    /// Returns one whose far leg has no connection yet.
    fn dialling() -> Self {
        let mut options = EndpointOptions::new(Handle::current());
        options.gateway = true;
        options.limits.relay_queue_bytes = 1000;
        options.limits.message = 500;
        let endpoint = Endpoint::new(options);
        let shared = endpoint.shared();
        let place = shared.registry.place(shared).unwrap();
        let (near, far) = legs(shared, "tcp:h:1".parse().unwrap(), 5, place);
        near.attachment.replace(&outlet(NEAR));
        Self {
            near,
            far,
            _endpoint: endpoint,
        }
    }

    /// Has a leg take a frame, and returns whether it goes on.
    #[track_caller]
    fn tell(&self, leg: &Arc<Leg>, kind: Kind, body: &[u8]) -> bool {
        let connection = if Arc::ptr_eq(leg, &self.near) {
            NEAR
        } else {
            FAR
        };
        let header = Header::control(kind, leg.number, body.len());
        let body = Bytes::copy_from_slice(body);
        let wish = leg.clone().on_control(connection, header, &body);
        wish.unwrap() == Wish::None
    }
}

/// Returns the outlet of a connection on which nothing is written: what is to be said waits.
fn outlet(connection: u64) -> Arc<Outlet> {
    let (here, _) = pair(1 << 10);
    let (_, writer) = Stream::Pipe(here).split(&Heard::default()).unwrap();
    let outlet = Outlet::new(connection, writer, Glances::default().join());
    outlet.kill();
    outlet
}

fn frames(mut image: Image) -> Said {
    let mut bytes = Vec::new();
    while let Some(piece) = image.first() {
        bytes.extend_from_slice(&piece);
        image.advance(piece.len());
    }
    let mut said = Vec::new();
    let mut rest = &bytes[..];
    while let Some((head, behind)) = rest.split_first_chunk::<HEADER_LEN>() {
        let header = Header::decode(head).unwrap();
        let (body, behind) = behind.split_at(header.len as usize);
        said.push((header.kind, body.to_vec()));
        rest = behind;
    }
    said
}

/// Has a leg say what waits on its connection.
fn said(leg: &Arc<Leg>, connection: u64) -> Said {
    let mut image = Image::default();
    while leg.clone().fill(connection, 1 << 20, &mut image) {}
    frames(image)
}

fn lost(code: LostCode) -> Said {
    vec![(Kind::Lost, code.encode().to_vec())]
}

fn stages(rig: &Rig) -> (Stage, Stage) {
    (rig.near.queue().stage(), rig.far.queue().stage())
}

#[tokio::test(start_paused = true)]
async fn inv3_a_relay_takes_all_that_it_may_keep_and_then_ends() {
    let rig = Rig::connected();
    // Each of them counts 80 bytes: 18 of them are less than the limit, and 19 are more.
    for i in 0..19 {
        assert!(rig.tell(&rig.near, Kind::Ask, &[]), "{i}");
    }
    assert_eq!(stages(&rig), (Stage::Carrying, Stage::Carrying));
    assert!(!rig.tell(&rig.near, Kind::Ask, &[]));
    // INV-4: both ends learn why, and what waited comes again.
    assert_eq!(said(&rig.far, FAR), lost(LostCode::Overrun));
    assert_eq!(said(&rig.near, NEAR), lost(LostCode::Overrun));
    assert_eq!(stages(&rig), (Stage::Over, Stage::Over));
}

#[tokio::test(start_paused = true)]
async fn inv3_what_was_said_does_not_count() {
    let rig = Rig::connected();
    for _ in 0..10 {
        for _ in 0..19 {
            assert!(rig.tell(&rig.near, Kind::Ask, &[]));
        }
        assert_eq!(said(&rig.far, FAR).len(), 19);
    }
}

#[tokio::test(start_paused = true)]
async fn inv4_what_waits_for_the_serving_end_is_forgotten_when_the_other_one_is_lost() {
    let rig = Rig::connected();
    (0..3).for_each(|_| _ = rig.tell(&rig.near, Kind::Ask, &[]));
    rig.near.clone().on_lost(NEAR);
    assert_eq!(said(&rig.far, FAR), lost(LostCode::Path));
    assert_eq!(stages(&rig), (Stage::Over, Stage::Over));
}

#[tokio::test(start_paused = true)]
async fn inv4_what_waits_for_the_end_that_dialled_is_said_when_the_other_one_is_lost() {
    let rig = Rig::connected();
    let opened = (Kind::Opened, vec![1]);
    let ack = (Kind::Ack, vec![2]);
    assert!(rig.tell(&rig.far, Kind::Opened, &[1]));
    assert!(rig.tell(&rig.far, Kind::Ack, &[2]));
    rig.far.clone().on_lost(FAR);
    let expected = [vec![opened, ack], lost(LostCode::Path)].concat();
    assert_eq!(said(&rig.near, NEAR), expected);
    assert_eq!(stages(&rig), (Stage::Over, Stage::Over));
}

#[tokio::test(start_paused = true)]
async fn inv5_a_next_hop_that_is_not_there_is_said_at_once_and_nothing_is_kept_for_it() {
    let rig = Rig::dialling();
    (0..3).for_each(|_| _ = rig.tell(&rig.near, Kind::Ask, &[]));
    let error = Arc::new(Unreachable {
        addr: rig.far.first_hop().clone(),
        attempts: 1,
        tried: Vec::new(),
    });
    rig.far.clone().expire(None);
    assert_eq!(stages(&rig), (Stage::Carrying, Stage::Carrying));
    rig.far.clone().expire(Some(&error));
    let refused = encode_refused(RefusalCode::NextHop);
    assert_eq!(said(&rig.near, NEAR), [(Kind::Refused, refused)]);
    assert!(rig.far.is_over());
    let mut kept = Image::default();
    rig.far.queue().take(1 << 20, &mut kept);
    assert_eq!(frames(kept), lost(LostCode::Path));
    // A connection that comes now finds nothing to carry.
    rig.far.clone().attach(&outlet(FAR));
    assert!(!rig.far.attachment.is_attached());
}

#[tokio::test(start_paused = true)]
async fn inv4_every_last_word_is_the_end_of_both_legs() {
    for (kind, body) in [
        (Kind::Refused, encode_refused(RefusalCode::Busy)),
        (Kind::Closed, vec![4; 24]),
        (Kind::Lost, vec![3]),
    ] {
        let rig = Rig::connected();
        assert!(!rig.tell(&rig.far, kind, &body), "{kind:?}");
        assert_eq!(stages(&rig), (Stage::Last, Stage::Over), "{kind:?}");
        assert!(!rig.tell(&rig.near, Kind::Ask, &[]), "{kind:?}");
        assert_eq!(said(&rig.near, NEAR), [(kind, body)]);
        assert_eq!(stages(&rig), (Stage::Over, Stage::Over), "{kind:?}");
        assert_eq!(said(&rig.far, FAR), []);
    }
    for (kind, body) in [(Kind::Close, vec![]), (Kind::Lost, vec![3])] {
        let rig = Rig::connected();
        assert!(rig.tell(&rig.near, Kind::Ask, &[]));
        assert!(!rig.tell(&rig.near, kind, &body), "{kind:?}");
        assert_eq!(stages(&rig), (Stage::Over, Stage::Last), "{kind:?}");
        // What came before it is said before it.
        assert_eq!(said(&rig.far, FAR), [(Kind::Ask, vec![]), (kind, body)]);
        assert!(rig.far.is_over(), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn inv4_of_two_last_words_the_later_one_is_not_said() {
    // The serving end has closed, and the gateway ends before that is said.
    let rig = Rig::connected();
    rig.tell(&rig.far, Kind::Closed, &[1]);
    rig.near.break_off(LostCode::Path);
    rig.near.break_off(LostCode::Overrun);
    assert_eq!(said(&rig.near, NEAR), [(Kind::Closed, vec![1])]);
    // Both ends say theirs at once: each has said all it had to say, and learns nothing more.
    let rig = Rig::connected();
    rig.tell(&rig.near, Kind::Close, &[]);
    assert!(!rig.tell(&rig.far, Kind::Closed, &[1]));
    assert_eq!(
        (said(&rig.near, NEAR), said(&rig.far, FAR)),
        (vec![], vec![])
    );
    assert!(rig.far.is_over());
}

#[tokio::test(start_paused = true)]
async fn a_last_word_has_half_a_second_to_be_said() {
    let rig = Rig::connected();
    assert_eq!(rig.far.deadline(), None);
    rig.tell(&rig.near, Kind::Close, &[]);
    assert_eq!(rig.far.deadline(), Some(Instant::now() + LAST_WORD));
    assert!(!rig.far.is_over());
    advance(LAST_WORD - Duration::from_millis(1)).await;
    assert!(!rig.far.is_over(), "it may still be said");
    advance(Duration::from_millis(1)).await;
    assert!(rig.far.is_over());
    // Nobody waits for a connection to say it on.
    let rig = Rig::dialling();
    rig.tell(&rig.near, Kind::Close, &[]);
    assert!(rig.far.is_over());
}
