//! The bytes between two ends.

use super::*;
use crate::demux::property::feed_in_steps;

/// One connection.
pub(super) struct Wire {
    /// What is handed out and not written.
    pub(super) image: Image,
    /// What was handed out at once: where it begins, and how many messages were handed out before.
    pub(super) fills: Vec<(u64, u64)>,
    pub(super) to_receiver: Vec<u8>,
    pub(super) to_sender: Vec<u8>,
    pub(super) demux_there: Demux,
    pub(super) demux_here: Demux,
    pub(super) is_open: bool,
}

impl Wire {
    pub(super) fn new(max: u64) -> Self {
        Self {
            image: Image::default(),
            fills: Vec::new(),
            to_receiver: Vec::new(),
            to_sender: Vec::new(),
            demux_there: Demux::new(max),
            demux_here: Demux::new(0),
            is_open: false,
        }
    }

    pub(super) fn write(&mut self, count: usize) {
        let slices = self.image.slices();
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        drop(slices);
        let count = count.min(bytes.len());
        self.to_receiver.extend(&bytes[..count]);
        self.image.advance(count);
    }
}

/// Reads at most `count` of `bytes`, and returns what that is.
pub(super) fn read(demux: &mut Demux, bytes: &mut Vec<u8>, count: usize) -> Listener {
    let rest = bytes.split_off(count.min(bytes.len()));
    let now = std::mem::replace(bytes, rest);
    let mut listener = Listener::default();
    feed_in_steps(demux, &now, usize::MAX, &mut listener).unwrap();
    listener
}
