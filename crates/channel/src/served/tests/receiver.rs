//! A receiving end without a connection, and what it says.

use super::*;

/// What a receiving end said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) opened: Option<(bool, Ack)>,
    pub(super) nacks: Vec<u64>,
    pub(super) ack: Option<Ack>,
    pub(super) is_over: bool,
}

/// A state, and a receiver that takes what it is given when it is told to.
pub(super) struct Receiver {
    pub(super) state: State,
    /// What is being delivered.
    pub(super) active: Option<Batch>,
    /// What a sink did not take, and when.
    pub(super) paused: Option<(u64, Vec<Payload>)>,
    /// The numbers of what was delivered, in order.
    pub(super) delivered: Vec<u64>,
    /// Whether messages wait in a queue: their bytes, if they were not received yet.
    pub(super) queue: Option<VecDeque<u64>>,
    /// Whether a fill is asked for.
    pub(super) is_scheduled: bool,
    /// Whether it wants to hear of the time.
    pub(super) is_late: bool,
}

impl Receiver {
    pub(super) fn new(first: u64, limits: &Limits, has_queue: bool) -> Self {
        Self {
            state: State::new(first, limits),
            active: None,
            paused: None,
            delivered: Vec::new(),
            queue: has_queue.then(VecDeque::new),
            is_scheduled: false,
            is_late: false,
        }
    }

    /// Begins on a connection, and forgets the one before.
    pub(super) fn open(&mut self, sent: u64, acked: u64) {
        self.state.begin(SESSION, sent, acked);
        self.is_scheduled = true;
    }

    pub(super) fn take(&mut self, turn: Turn) {
        match turn {
            Turn::Deliver(batch) => {
                assert!(self.active.is_none(), "INV-3: one delivers at a time");
                self.active = Some(batch);
            }
            Turn::Held => {}
            Turn::Repeated => self.is_scheduled = true,
        }
    }

    /// Takes all of the batch that is being delivered.
    pub(super) fn finish(&mut self) {
        let Some(batch) = self.active.take() else {
            return;
        };
        let (messages, load) = batch.size();
        let is_void = matches!(batch, Batch::Void(_));
        let payloads = batch.into_payloads();
        self.delivered.extend(payloads.iter().map(number_of));
        let waits = match &mut self.queue {
            Some(queue) if !is_void => {
                queue.extend(payloads.iter().map(|payload| payload.len() as u64));
                true
            }
            _ => false,
        };
        self.active = self.state.commit(messages, load, !waits);
        if self.active.is_none() {
            self.wish(false);
        }
    }

    /// Takes at most `taken` of the batch that is being delivered.
    pub(super) fn pause(&mut self, taken: usize) {
        match self.active.take() {
            Some(batch) if self.queue.is_none() && (taken as u64) < batch.size().0 => {
                if let Batch::Void(_) = batch {
                    self.active = Some(batch);
                    return self.finish();
                }
                let mut payloads = batch.into_payloads();
                let left = payloads.split_off(taken);
                self.delivered.extend(payloads.iter().map(number_of));
                let (taken, load) = size(&payloads);
                if let Some(epoch) = self.state.pause(taken, load) {
                    self.paused = Some((epoch, left));
                }
                self.wish(false);
            }
            batch => {
                self.active = batch;
                self.finish();
            }
        }
    }

    /// Goes on where the sink paused, if that still is where it is.
    pub(super) fn resume(&mut self) {
        if let Some((epoch, left)) = self.paused.take()
            && self.state.resume_turn(epoch)
        {
            assert!(self.active.is_none(), "INV-3: one delivers at a time");
            self.active = Some(Batch::Payloads(left));
        }
    }

    /// Receives one message of the queue.
    pub(super) fn consume(&mut self) {
        let load = self.queue.as_mut().and_then(VecDeque::pop_front);
        if let Some(load) = load {
            self.is_scheduled |= self.state.on_consumed(1, load);
        }
    }

    pub(super) fn wish(&mut self, asked: bool) {
        match self.state.wish(asked) {
            None => self.is_scheduled = true,
            Some(Wish::AckLater) => self.is_late = true,
            Some(_) => {}
        }
    }

    /// Frames what is to be said.
    pub(super) fn fill(&mut self, image: &mut Image) -> bool {
        self.is_scheduled = false;
        if let Some((number, resumed, ack)) = self.state.answer(image) {
            let opened = opened(resumed, ack).encode();
            image.copy(&Header::control(Kind::Opened, number, opened.len()).encode());
            image.copy(&opened);
        }
        self.state.say(image)
    }

    /// Says what is to be said, and returns what that is.
    pub(super) fn say(&mut self) -> Said {
        let mut image = Image::default();
        let is_over = self.fill(&mut image);
        let mut listener = Listener::default();
        let slices = image.slices();
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        Demux::new(0).feed(&bytes, None, &mut listener).unwrap();
        let mut said = Said {
            is_over,
            ..Said::default()
        };
        for heard in listener.heard {
            let Heard::Control(header, body) = heard else {
                panic!("a receiver sends no messages");
            };
            assert_eq!(header.session, SESSION);
            match header.kind {
                Kind::Opened => {
                    let opened = Opened::decode(&body).unwrap();
                    said.opened = Some((opened.resumed, opened.ack));
                }
                Kind::Nack => {
                    assert_eq!(said.ack, None, "a refusal comes before its acknowledgement");
                    assert_eq!(said.opened, None, "and before an answer that counts it");
                    said.nacks.push(Nack::decode(&body).unwrap().seq);
                }
                Kind::Ack | Kind::Closed => said.ack = Some(Ack::decode(&body).unwrap()),
                kind => panic!("{kind:?} is not said"),
            }
        }
        said
    }
}
