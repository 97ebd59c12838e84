//! One connection of a link: writes what is queued, reads what the peer acknowledges.

use std::{collections::VecDeque, io, mem};

use hypermesh_wire::Payload;
use tokio::{io::AsyncReadExt, select};

use crate::{
    frame::{Control, ControlDecoder, MAX_PARTS},
    link::{LinkCore, dial::Dialled, outgoing::Outgoing, task::sleep_until},
    outcome::{CloseReason, FailReason, Outcome, Parcel, ProtocolError},
    queue::{Load, Stage},
    stream::Reader,
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
    /// Works on the connection until it or the link ends. Parcels of which no whole frame was written are
    /// then at the front of the backlog, unless the link ended.
    pub(crate) async fn run(
        core: &'a LinkCore<P>,
        backlog: &'a mut VecDeque<P>,
        dialled: Dialled,
    ) -> Ended {
        let Dialled {
            reader,
            writer,
            accepted,
        } = dialled;
        let max_message = accepted.max_message.min(core.max_message);
        let out = Box::new(Outgoing::new(writer, max_message));
        let connection = Self {
            core,
            backlog,
            reader,
            gone: Load::default(),
            control: ControlDecoder::default(),
        };
        connection.work(out).await
    }

    async fn work(mut self, mut out: Box<Outgoing<P>>) -> Ended {
        let mut buffer = [0; CONTROL_BUFFER];
        loop {
            let stage = if out.image.is_empty() {
                self.fill(&mut out)
            } else {
                self.core.queue.stage()
            };
            match stage {
                Stage::Open => {}
                Stage::Closing(_) if out.sending.is_empty() => {
                    return Ended::Closed(CloseReason::Closed);
                }
                Stage::Closing(_) => {}
                Stage::Killed => return self.give_up(&mut out),
            }
            let event;
            (out, event) = self.next(stage, out, &mut buffer).await;
            match event {
                Event::Read(Ok(0)) => {
                    return self.lose(&mut out, io::ErrorKind::UnexpectedEof.into());
                }
                Event::Read(Ok(n)) => match self.take_control(&mut out, &buffer[..n]) {
                    Ok(None) => {}
                    Ok(Some(reason)) => return Ended::Closed(reason),
                    Err(error) => return self.end(&mut out, CloseReason::Protocol(error)),
                },
                Event::Wrote(Ok(n)) => out.on_written(n),
                Event::Read(Err(error)) | Event::Wrote(Err(error)) => {
                    return self.lose(&mut out, error);
                }
                Event::News => {}
                Event::Deadline => return self.give_up(&mut out),
            }
        }
    }

    /// Waits for what happens next. Acknowledgements come first: they make room. While there is nothing
    /// to write, whoever posts may write.
    async fn next(
        &mut self,
        stage: Stage,
        mut out: Box<Outgoing<P>>,
        buffer: &mut [u8],
    ) -> (Box<Outgoing<P>>, Event) {
        let Self { core, reader, .. } = self;
        let deadline = match stage {
            Stage::Closing(deadline) => Some(deadline),
            Stage::Open | Stage::Killed => None,
        };
        if !out.image.is_empty() {
            let event = select! {
                biased;
                read = reader.read(buffer) => Event::Read(read),
                wrote = out.write() => Event::Wrote(wrote),
                () = core.queue.news(stage, false) => Event::News,
                () = sleep_until(deadline) => Event::Deadline,
            };
            return (out, event);
        }
        core.queue.lend(out);
        let event = select! {
            biased;
            read = reader.read(buffer) => Event::Read(read),
            () = core.queue.news(stage, true) => Event::News,
            () = sleep_until(deadline) => Event::Deadline,
        };
        (core.queue.reclaim().await, event)
    }

    /// Makes the next batch of what is queued, and returns the stage of the link.
    fn fill(&mut self, out: &mut Outgoing<P>) -> Stage {
        loop {
            let stage = self
                .core
                .queue
                .exchange(self.backlog, mem::take(&mut self.gone));
            let mut is_awaited = self.core.is_flushing() || matches!(stage, Stage::Closing(_));
            if self.backlog.is_empty() {
                out.ask_if(is_awaited);
                return stage;
            }
            while out.image.frames() < BATCH_FRAMES && out.image.len() < BATCH_BYTES {
                let Some(parcel) = self.backlog.pop_front() else {
                    break;
                };
                self.gone.add(Load::of(&parcel));
                match check(parcel.payload(), out.max_message) {
                    Ok(()) => {
                        is_awaited |= parcel.is_awaited();
                        out.push(parcel);
                    }
                    Err(reason) => {
                        let core = self.core;
                        let mut done = |parcel, outcome| core.complete(parcel, outcome);
                        out.sending.push_failed(parcel, reason, &mut done);
                        core.told();
                    }
                }
            }
            if !out.image.is_empty() {
                out.ask_if(is_awaited);
                return stage;
            }
        }
    }

    /// Takes what the peer said, and returns the reason if the link ends with it.
    fn take_control(
        &mut self,
        out: &mut Outgoing<P>,
        bytes: &[u8],
    ) -> Result<Option<CloseReason>, ProtocolError> {
        let core = self.core;
        let mut done = |parcel, outcome: Outcome| core.complete(parcel, outcome);
        let mut closed = None;
        let result = self.control.feed(bytes, |control| match control {
            Control::Ack(count) => out.sending.on_ack(count, &mut done),
            Control::Closed(count) => {
                closed = Some(CloseReason::PeerClosed);
                out.sending.on_peer_closed(count, &mut done)
            }
        });
        core.told();
        result.map(|()| closed)
    }

    fn lose(self, out: &mut Outgoing<P>, error: io::Error) -> Ended {
        let core = self.core;
        let back = out
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

    fn give_up(self, out: &mut Outgoing<P>) -> Ended {
        self.end(out, CloseReason::Closed)
    }

    fn end(self, out: &mut Outgoing<P>, reason: CloseReason) -> Ended {
        let core = self.core;
        let why = FailReason::from(reason.clone());
        out.sending
            .on_end(&why, &mut |parcel, outcome| core.complete(parcel, outcome));
        core.told();
        Ended::Closed(reason)
    }
}
