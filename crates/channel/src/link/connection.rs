//! One connection of a link: writes what is queued, reads what the peer acknowledges.

use std::{collections::VecDeque, io, mem};

use hypermesh_wire::Payload;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    select,
};

use crate::{
    frame::{ASK_FRAME, Control, ControlDecoder, MAX_PARTS, frame_len},
    image::Image,
    link::{LinkCore, dial::Dialled, task::sleep_until},
    outcome::{CloseReason, FailReason, Outcome, Parcel, ProtocolError},
    queue::{Load, Stage},
    session::Sending,
    stream::{Reader, Writer},
};

/// A batch is written when it has so many frames or so many bytes, or when no more is queued.
const BATCH_FRAMES: usize = 512;
const BATCH_BYTES: usize = 256 << 10;
/// Room for the acknowledgements that are read at once.
const CONTROL_BUFFER: usize = 512;

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// And the link with it.
    Closed(CloseReason),
    /// It broke; the link goes on with another one.
    Lost(io::Error),
}

/// Checks that a message may be sent to a peer that takes `max` bytes.
pub(crate) fn check(payload: &Payload, max: u64) -> Result<(), FailReason> {
    let len = payload.len() as u64;
    if max < len {
        return Err(FailReason::TooLarge { len, max });
    }
    let parts = payload.parts.len();
    if MAX_PARTS < parts {
        return Err(FailReason::TooManyParts {
            parts,
            max: MAX_PARTS,
        });
    }
    Ok(())
}

/// A connected link at work.
pub(crate) struct Connection<'a, P: Parcel> {
    core: &'a LinkCore<P>,
    /// What was taken from the queue and not handed to the socket.
    backlog: &'a mut VecDeque<P>,
    reader: Reader,
    writer: Writer,
    max_message: u64,
    sending: Sending<P>,
    image: Image,
    /// What left the backlog, and the queue was not told.
    gone: Load,
    control: ControlDecoder,
}

enum Event {
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
    News,
    Deadline,
}

impl<'a, P: Parcel> Connection<'a, P> {
    pub(crate) fn new(
        core: &'a LinkCore<P>,
        backlog: &'a mut VecDeque<P>,
        dialled: Dialled,
    ) -> Self {
        let Dialled {
            reader,
            writer,
            accepted,
        } = dialled;
        Self {
            core,
            backlog,
            reader,
            writer,
            max_message: accepted.max_message.min(core.max_message),
            sending: Sending::new(),
            image: Image::default(),
            gone: Load::default(),
            control: ControlDecoder::default(),
        }
    }

    /// Works until the connection or the link ends. Parcels of which no whole frame was written are
    /// then at the front of the backlog, unless the link ended.
    pub(crate) async fn run(mut self) -> Ended {
        let mut buffer = [0; CONTROL_BUFFER];
        loop {
            let stage = if self.image.is_empty() {
                self.fill()
            } else {
                self.core.queue.stage()
            };
            match stage {
                Stage::Open => {}
                Stage::Closing(_) if self.sending.is_empty() => {
                    return Ended::Closed(CloseReason::Closed);
                }
                Stage::Closing(_) => {}
                Stage::Killed => return self.give_up(),
            }
            match self.next(stage, &mut buffer).await {
                Event::Read(Ok(0)) => return self.lose(io::ErrorKind::UnexpectedEof.into()),
                Event::Read(Ok(n)) => match self.take_control(&buffer[..n]) {
                    Ok(None) => {}
                    Ok(Some(reason)) => return Ended::Closed(reason),
                    Err(error) => return self.break_off(error),
                },
                Event::Wrote(Ok(n)) => {
                    self.image.advance(n);
                    self.sending.on_written(n as u64);
                }
                Event::Read(Err(error)) | Event::Wrote(Err(error)) => return self.lose(error),
                Event::News => {}
                Event::Deadline => return self.give_up(),
            }
        }
    }

    /// Waits for what happens next. Acknowledgements come first: they make room.
    async fn next(&mut self, stage: Stage, buffer: &mut [u8]) -> Event {
        let Self {
            core,
            reader,
            writer,
            image,
            ..
        } = self;
        let slices = image.slices();
        let is_writing = !slices.is_empty();
        let deadline = match stage {
            Stage::Closing(deadline) => Some(deadline),
            Stage::Open | Stage::Killed => None,
        };
        select! {
            biased;
            read = reader.read(buffer) => Event::Read(read),
            wrote = writer.write_vectored(&slices), if is_writing => Event::Wrote(wrote),
            () = core.queue.news(stage, !is_writing) => Event::News,
            () = sleep_until(deadline) => Event::Deadline,
        }
    }

    /// Makes the next batch of what is queued, and returns the stage of the link.
    fn fill(&mut self) -> Stage {
        loop {
            let stage = self
                .core
                .queue
                .exchange(self.backlog, mem::take(&mut self.gone));
            if self.backlog.is_empty() {
                self.ask_if(self.is_waited_for(stage));
                return stage;
            }
            let mut is_awaited = self.is_waited_for(stage);
            while self.image.frames() < BATCH_FRAMES && self.image.len() < BATCH_BYTES {
                let Some(parcel) = self.backlog.pop_front() else {
                    break;
                };
                self.gone.add(Load::of(&parcel));
                match check(parcel.payload(), self.max_message) {
                    Ok(()) => {
                        is_awaited |= parcel.is_awaited();
                        self.image.push(parcel.payload());
                        let len = frame_len(parcel.payload());
                        self.sending.push(parcel, len);
                    }
                    Err(reason) => {
                        let core = self.core;
                        let mut done = |parcel, outcome| core.complete(parcel, outcome);
                        self.sending.push_failed(parcel, reason, &mut done);
                        core.told();
                    }
                }
            }
            if !self.image.is_empty() {
                self.ask_if(is_awaited);
                return stage;
            }
        }
    }

    /// Returns whether somebody waits for all that was sent.
    fn is_waited_for(&self, stage: Stage) -> bool {
        self.core.is_flushing() || matches!(stage, Stage::Closing(_))
    }

    /// Asks the peer to acknowledge what it was not asked for, if somebody waits for that.
    fn ask_if(&mut self, is_awaited: bool) {
        if is_awaited && self.sending.ask(ASK_FRAME.len() as u64) {
            self.image.push_ask();
        }
    }

    /// Takes what the peer said, and returns the reason if the link ends with it.
    fn take_control(&mut self, bytes: &[u8]) -> Result<Option<CloseReason>, ProtocolError> {
        let Self {
            core,
            sending,
            control,
            ..
        } = self;
        let mut done = |parcel, outcome: Outcome| core.complete(parcel, outcome);
        let mut closed = None;
        let result = control.feed(bytes, |control| match control {
            Control::Ack(count) => sending.on_ack(count, &mut done),
            Control::Closed(count) => {
                closed = Some(CloseReason::PeerClosed);
                sending.on_peer_closed(count, &mut done)
            }
        });
        core.told();
        result.map(|()| closed)
    }

    fn lose(mut self, error: io::Error) -> Ended {
        let core = self.core;
        let back = self
            .sending
            .on_lost(&mut |parcel, outcome| core.complete(parcel, outcome));
        core.told();
        core.queue.exchange(self.backlog, self.gone);
        for parcel in back.into_iter().rev() {
            core.queue.restore(Load::of(&parcel));
            self.backlog.push_front(parcel);
        }
        Ended::Lost(error)
    }

    fn break_off(self, error: ProtocolError) -> Ended {
        self.end(CloseReason::Protocol(error))
    }

    fn give_up(self) -> Ended {
        self.end(CloseReason::Closed)
    }

    fn end(mut self, reason: CloseReason) -> Ended {
        let core = self.core;
        let why = FailReason::from(reason.clone());
        self.sending
            .on_end(&why, &mut |parcel, outcome| core.complete(parcel, outcome));
        core.told();
        Ended::Closed(reason)
    }
}
