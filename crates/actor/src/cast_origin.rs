//! The header by which the receiver of a cast learns who cast, and which point of the cast it is.

use hypermesh_macros::Message;
use hypermesh_mailbox::ActorId;
use hypermesh_ndslice::Point;
use serde::{Deserialize, Serialize};

/// Who sent a cast, and the receiver's own place in it.
///
/// A relay sets it in the headers of the message for each receiver.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(serde)]
pub struct CastOrigin {
    /// The actor that cast the message, wherever it passed through.
    pub sender: ActorId,
    /// The point of the receiver in the region that was cast to.
    pub point: Point,
}
