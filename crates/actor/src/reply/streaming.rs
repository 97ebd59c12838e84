//! The type of an answer that is a stream, and what its two ends tell each other.
//!
//! # Invariants
//!
//! - **INV-1**: the sink sends a value only for a credit, and the reader's port has room for as many as
//!   it gave: none is lost to a full queue.
//! - **INV-2**: whichever end goes, the other one learns it: by a note or a frame, by one that comes back,
//!   by the death of its proc, or after a silence of [`CALL_TIMEOUT`](crate::settings::CALL_TIMEOUT) by a
//!   probe that comes back.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use hypermesh_macros::Message;
use hypermesh_mailbox::{PortReceiver, PortRef};
use hypermesh_wire::{Headers, Message as WireMessage, Named, TypeKey};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::call_error::CallError;
use crate::cell::AnyCell;
use crate::context;
use crate::settings::STREAM_WINDOW;

/// The reply of a handler that answers with a stream of values.
///
/// A handler of a message whose answer is a stream takes `ReplyTo<Streaming<T>>` as its third argument
/// and turns it into a [`ReplySink`](crate::ReplySink). Who asks by `stream` gets a
/// [`ReplyStream`](crate::ReplyStream); who asks by `ask` gets an error.
pub struct Streaming<T>(pub(super) Frame<T>);

/// What a sink tells a reader.
pub(super) enum Frame<T> {
    /// Both ends are in one proc: this is the reader's.
    Here(Values<T>),
    /// Something for a reader elsewhere.
    There(Far<T>),
}

/// The reader's end of a stream inside a proc.
pub(super) struct Values<T> {
    pub(super) values: mpsc::Receiver<T>,
    /// How the sink ended, set before `values` ends.
    pub(super) end: Arc<OnceLock<Result<(), CallError>>>,
    pub(super) callee: Arc<dyn AnyCell>,
}

/// What a sink tells a reader elsewhere.
#[derive(Serialize, Deserialize)]
#[serde(rename = "StreamFrame")]
pub(super) enum Far<T> {
    /// The handler has begun, and takes notes at this port.
    Started(PortRef<Result<StreamNote, CallError>>),
    /// The next value.
    Value(T),
    /// There are no more values.
    End,
    /// Comes back if nobody reads any more.
    Probe,
}

/// What a reader elsewhere is told: a frame, or why there are no more.
pub(super) type Told<T> = Result<Streaming<T>, CallError>;

/// What a reader tells a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[message(serde)]
pub(crate) enum StreamNote {
    /// There is room for so many more values.
    Credit(u32),
    /// Nobody reads any more.
    Cancel,
}

/// Asks for a stream in a message to another proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[message(serde)]
pub(crate) struct StreamHeader {
    window: u32,
}

impl StreamHeader {
    pub(crate) fn stamp(window: u32, headers: &mut Headers) {
        let set = headers.set_as(&Self { window });
        set.expect("the other headers of a question are bounded and leave room for a number");
    }

    /// Returns how many values may be on their way to whoever sent a message; 0 if it asked for none.
    pub(crate) fn window(headers: &Headers) -> u32 {
        match headers.get_as::<Self>() {
            Ok(header) => header.map_or(0, |header| header.window),
            Err(error) => {
                tracing::warn!(%error, "a stream header cannot be read");
                0
            }
        }
    }
}

impl<T> Streaming<T> {
    /// Returns how many values may be on their way.
    pub(crate) fn window() -> u32 {
        u32::try_from(STREAM_WINDOW.get()).unwrap_or(u32::MAX)
    }

    /// Opens the port of a reader that gives `window` credits at first (INV-1).
    pub(crate) fn open_port(
        cx: &impl context::Actor,
        window: u32,
    ) -> (PortRef<Told<T>>, PortReceiver<Told<T>>)
    where
        T: WireMessage,
    {
        // Besides the values there may be a start, an end, and what comes back or dies.
        let limit = window as usize + 64;
        let (handle, receiver) = cx.mailbox().open_bounded_port(limit);
        (handle.bind(), receiver)
    }
}

impl<T: Serialize> Serialize for Streaming<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Frame::There(frame) => frame.serialize(serializer),
            Frame::Here(_) => Err(serde::ser::Error::custom(
                "the end of a stream does not leave its proc",
            )),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Streaming<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let frame = Far::deserialize(deserializer)?;
        Ok(Self(Frame::There(frame)))
    }
}

impl<T: Named> Named for Streaming<T> {
    const KEY: TypeKey = TypeKey::of("hypermesh::Streaming").with(T::KEY);

    fn name() -> Cow<'static, str> {
        format!("hypermesh::Streaming<{}>", T::name()).into()
    }
}

impl<T> std::fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.0 {
            Frame::Here(_) => "Streaming(here)",
            Frame::There(Far::Started(_)) => "Streaming(started)",
            Frame::There(Far::Value(_)) => "Streaming(value)",
            Frame::There(Far::End) => "Streaming(end)",
            Frame::There(Far::Probe) => "Streaming(probe)",
        })
    }
}
