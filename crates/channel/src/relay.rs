//! A session of two others that this endpoint carries from one connection to the next.
//!
//! A relay has two legs, each a session of its connection: the near one towards the end that dialled, the far one
//! towards the end that serves. What comes on one leg is said on the other one.
//!
//! # Invariants
//!
//! - **INV-1**: frames go on in the order in which they came, unchanged but for the number of the session; only the
//!   open loses the hop that it comes to.
//! - **INV-2**: a relay answers nothing for the ends: it does not acknowledge, gives no credit, and puts no message
//!   together.
//! - **INV-3**: what waits on a leg is bounded; beyond that the relay ends, and no other one notices.
//! - **INV-4**: however one leg ends, the other end is told, and nothing of the relay is kept for a session that may
//!   come again.
//! - **INV-5**: a relay that finds no next hop says so at the first failure, and does not wait for one.
//! - **INV-6**: a relay counts as a session of this endpoint until its dialling end was told of its end, or is gone.

mod queue;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use tokio::time::{Duration, Instant};

use crate::{
    addr::ChannelAddr,
    attachment::Attachment,
    carried::{Carried, Wish},
    demux::Run,
    endpoint::{Joining, Shared},
    frame::{FrameError, Header, Kind},
    handshake::RefusalCode,
    image::Image,
    kept::Kept,
    link::CloseReport,
    news::{Inbox, News},
    open::{LostCode, Open, encode_refused},
    outcome::{CloseReason, ProtocolError, Unreachable},
    outlet::Outlet,
    registry::Place,
    route::MAX_GATEWAYS,
    warnings::{Cause, Warnings},
};
use queue::{Frames, Pushed, Queue, Stage};

/// How long it may take to tell an end of the end.
const LAST_WORD: Duration = Duration::from_millis(500);

/// Begins to carry the session that `open` is about, which has `number` on the connection of `outlet`, to its next
/// hop. Returns the near leg.
pub(crate) fn begin(
    endpoint: &Arc<Shared>,
    mut open: Open,
    number: u32,
    outlet: &Arc<Outlet>,
) -> Result<Arc<Leg>, RefusalCode> {
    if !endpoint.is_gateway {
        return Err(RefusalCode::NotGateway);
    }
    if MAX_GATEWAYS < open.path.len() {
        return Err(RefusalCode::HopLimit);
    }
    // What is inside of this process is nobody else's.
    if matches!(open.path[0], ChannelAddr::Local(_)) {
        return Err(RefusalCode::NextHop);
    }
    if open.path.iter().any(|hop| endpoint.is_own(hop)) {
        return Err(RefusalCode::Loop);
    }
    let next = open.path.remove(0);
    if endpoint.check_dialled(&next).is_err() {
        return Err(RefusalCode::NextHop);
    }
    let place = endpoint.registry.place(endpoint);
    let place = place.ok_or(RefusalCode::Busy)?;
    open.roams = true;
    let (near, far) = legs(endpoint, next, number, place);
    let body = Bytes::from(open.encode());
    let header = Header::control(Kind::Open, far.number, body.len());
    // It waits for the connection (INV-1).
    far.queue().push(Frames::one(header, body, far.number));
    near.attachment.replace(outlet);
    let kept: Arc<dyn Kept> = far;
    if endpoint.keep(&kept, Joining::New) {
        Ok(near)
    } else {
        Err(RefusalCode::NextHop)
    }
}

fn legs(
    endpoint: &Arc<Shared>,
    next: ChannelAddr,
    number: u32,
    place: Place,
) -> (Arc<Leg>, Arc<Leg>) {
    let limits = &endpoint.limits;
    let limit = limits.relay_queue_bytes.saturating_add(limits.message);
    let relay = Arc::new(Relay {
        next,
        give_up: Instant::now() + limits.connect_timeout,
        is_open: AtomicBool::new(false),
        warnings: endpoint.warnings.clone(),
    });
    let leg = |side, number, other, place| Leg {
        side,
        number,
        _place: place,
        relay: relay.clone(),
        other,
        attachment: Attachment::default(),
        queue: Mutex::new(Queue::new(limit)),
        news: News::default(),
        ended: OnceLock::new(),
    };
    let mut far = None;
    let near = Arc::new_cyclic(|near| {
        let number_there = endpoint.next_session();
        let new = Arc::new(leg(Side::Far, number_there, near.clone(), None));
        let other = Arc::downgrade(&new);
        far = Some(new);
        leg(Side::Near, number, other, Some(place))
    });
    (near, far.expect("it was made with the other one"))
}

/// What both legs share.
struct Relay {
    next: ChannelAddr,
    /// When the next hop has to be connected.
    give_up: Instant,
    /// Whether the serving end has opened the session.
    is_open: AtomicBool,
    warnings: Arc<Warnings>,
}

/// Towards which end of the session a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// The one that dialled.
    Near,
    /// The one that serves.
    Far,
}

/// One of the two connections of a relay.
pub(crate) struct Leg {
    side: Side,
    /// The number of the session on the connection.
    number: u32,
    /// What the near leg counts as, as long as it is there (INV-6).
    _place: Option<Place>,
    relay: Arc<Relay>,
    other: Weak<Leg>,
    attachment: Attachment,
    /// What is to be said here.
    queue: Mutex<Queue>,
    /// The connector of the far leg.
    news: News,
    /// When there was a last word to say.
    ended: OnceLock<Instant>,
}

impl Leg {
    /// Says what came here on the other leg.
    fn pass(self: &Arc<Self>, frames: impl FnOnce(u32) -> Frames) -> Wish {
        if self.queue().stage() != Stage::Carrying {
            return Wish::Leave;
        }
        let Some(other) = self.other.upgrade() else {
            return Wish::Leave;
        };
        let pushed = other.queue().push(frames(other.number));
        match pushed {
            Pushed::Taken => {
                other.attachment.schedule(other.clone(), true);
                Wish::None
            }
            Pushed::Full => {
                if let Some(left_out) = self.relay.warnings.admit(Cause::Overrun) {
                    let next = &self.relay.next;
                    tracing::warn!(%next, left_out, "a relay ends: too much waits in it");
                }
                self.break_off(LostCode::Overrun);
                other.break_off(LostCode::Overrun);
                Wish::Leave
            }
            Pushed::Over => Wish::Leave,
        }
    }

    /// Says the last word of this end on the other leg.
    fn pass_last(&self, header: Header, body: &Bytes) -> Wish {
        if let Some(other) = self.other.upgrade() {
            let frame = Frames::one(header, body.clone(), other.number);
            other.say_last(frame);
        }
        self.finish();
        Wish::Leave
    }

    /// Tells the end of this leg that the session is not carried on.
    fn break_off(self: &Arc<Self>, code: LostCode) {
        let was_open = self.relay.is_open.load(Ordering::Acquire);
        let (kind, body) = match (self.side, code) {
            (Side::Near, LostCode::Path) if !was_open => {
                (Kind::Refused, encode_refused(RefusalCode::NextHop))
            }
            _ => (Kind::Lost, code.encode().to_vec()),
        };
        if self.queue().stage() != Stage::Carrying {
            return;
        }
        if self.side == Side::Far {
            // What was not said comes again.
            self.queue().clear();
        }
        let header = Header::control(kind, self.number, body.len());
        self.say_last(Frames::one(header, body.into(), self.number));
    }

    fn say_last(self: &Arc<Self>, frame: Frames) {
        let was_carrying = self.queue().push_last(frame);
        if !was_carrying {
            return;
        }
        let _ = self.ended.set(Instant::now());
        self.attachment.schedule(self.clone(), true);
        self.news.notify_one();
    }

    /// Says and takes nothing any more.
    fn finish(&self) {
        self.queue().end();
        self.attachment.leave();
        self.news.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the end of this leg may say that.
    fn may_say(&self, kind: Kind) -> bool {
        match self.side {
            Side::Near => matches!(kind, Kind::Ask | Kind::Void | Kind::Close | Kind::Lost),
            Side::Far => matches!(
                kind,
                Kind::Opened | Kind::Refused | Kind::Ack | Kind::Nack | Kind::Closed | Kind::Lost
            ),
        }
    }
}

impl Carried for Leg {
    fn fill(self: Arc<Self>, connection: u64, budget: usize, image: &mut Image) -> bool {
        if !self.attachment.begin_fill(connection) {
            return false;
        }
        let (more, is_over) = {
            let mut queue = self.queue();
            let more = queue.take(budget, image);
            (more, queue.stage() == Stage::Over)
        };
        if is_over {
            self.finish();
        }
        more && self.attachment.goes_on(connection)
    }

    fn passes_on(&self) -> bool {
        self.side == Side::Near
    }

    fn on_run(self: Arc<Self>, connection: u64, run: Run) -> Result<Wish, ProtocolError> {
        if self.side == Side::Far {
            return Err(FrameError::Kind(Kind::Data as u8).into());
        }
        if !self.attachment.is_at(connection) {
            return Ok(Wish::Leave);
        }
        Ok(self.pass(|number| Frames::renumbered(run, number)))
    }

    fn on_frame(
        self: Arc<Self>,
        connection: u64,
        header: Header,
        rest: Bytes,
    ) -> Result<Wish, ProtocolError> {
        if !self.attachment.is_at(connection) {
            return Ok(Wish::Leave);
        }
        Ok(self.pass(|number| Frames::one(header, rest, number)))
    }

    fn on_control(
        self: Arc<Self>,
        connection: u64,
        header: Header,
        body: &Bytes,
    ) -> Result<Wish, ProtocolError> {
        if !self.may_say(header.kind) {
            return Err(FrameError::Kind(header.kind as u8).into());
        }
        if !self.attachment.is_at(connection) {
            return Ok(Wish::Leave);
        }
        match header.kind {
            Kind::Close | Kind::Closed | Kind::Refused | Kind::Lost => {
                return Ok(self.pass_last(header, body));
            }
            Kind::Opened => self.relay.is_open.store(true, Ordering::Release),
            _ => {}
        }
        Ok(self.pass(|number| Frames::one(header, body.clone(), number)))
    }

    fn on_tick(self: Arc<Self>, _: u64) -> Wish {
        if self.queue().stage() == Stage::Over {
            Wish::Leave
        } else {
            Wish::None
        }
    }

    fn on_lost(self: Arc<Self>, connection: u64) {
        if !self.attachment.detach(connection) {
            return;
        }
        self.finish();
        if let Some(other) = self.other.upgrade() {
            other.break_off(LostCode::Path);
        }
    }
}

/// The far leg is with a connector.
impl Kept for Leg {
    fn attach(self: Arc<Self>, outlet: &Arc<Outlet>) {
        if self.queue().stage() == Stage::Carrying && self.attachment.attach(outlet) {
            self.attachment.schedule(self.clone(), true);
        }
    }

    fn first_hop(&self) -> &ChannelAddr {
        &self.relay.next
    }

    fn join(&self, inbox: &Arc<Inbox>) {
        self.news.turn_to(inbox, self.number);
    }

    fn number(&self) -> u32 {
        self.number
    }

    fn deadline(&self) -> Option<Instant> {
        match self.ended.get() {
            Some(ended) => Some(*ended + LAST_WORD),
            None => (!self.attachment.is_attached()).then_some(self.relay.give_up),
        }
    }

    fn expire(self: Arc<Self>, error: Option<&Arc<Unreachable>>) {
        let is_carrying = self.queue().stage() == Stage::Carrying;
        if !is_carrying || self.attachment.is_attached() {
            return;
        }
        // INV-5
        if let Some(error) = error {
            tracing::debug!(%error, "a relay has no next hop");
            self.end(CloseReason::Unreachable(error.clone()));
        } else if self.relay.give_up <= Instant::now() {
            self.end(CloseReason::Stalled);
        }
    }

    fn is_over(&self) -> bool {
        match self.queue().stage() {
            Stage::Carrying => false,
            Stage::Over => true,
            Stage::Last => {
                !self.attachment.is_attached()
                    || self
                        .ended
                        .get()
                        .is_some_and(|ended| LAST_WORD <= ended.elapsed())
            }
        }
    }

    fn has_work(&self) -> bool {
        true
    }

    fn connecting(&self, _: u32, _: Option<&Arc<Unreachable>>) {}

    fn fail(self: Arc<Self>, reason: CloseReason) {
        self.end(reason);
    }

    fn end(self: Arc<Self>, _: CloseReason) {
        self.break_off(LostCode::Path);
        if let Some(other) = self.other.upgrade() {
            other.break_off(LostCode::Path);
        }
    }

    fn close(self: Arc<Self>, _: Instant) {
        self.end(CloseReason::Closed);
    }

    /// The messages are not this endpoint's.
    fn report(&self) -> CloseReport {
        CloseReport::default()
    }
}
