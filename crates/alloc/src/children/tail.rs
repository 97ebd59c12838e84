//! A child's stderr as lines, and the last of them. Holds no pipe.
//!
//! # Invariants
//!
//! - **INV-1**: a line comes out once and whole, or cut at `MAX_LINE` bytes with a mark.
//! - **INV-2**: the tail holds at most `MAX_LINES` lines and `MAX_BYTES` bytes, whatever the child
//!   writes.

use std::{collections::VecDeque, mem};

/// The longest line that is kept; the rest of a longer one is dropped.
const MAX_LINE: usize = 4096;
/// The most lines in a tail.
const MAX_LINES: usize = 100;
/// The most bytes in a tail.
const MAX_BYTES: usize = 16 * 1024;
/// What stands at the end of a line that was cut.
const CUT: &str = " [cut]";

/// The stderr of one child.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    n_bytes: usize,
    /// The line that has no end yet.
    open: Vec<u8>,
    /// Whether the open line was longer than `MAX_LINE`.
    is_cut: bool,
}

impl Tail {
    /// Takes in what was read and calls `on_line` with each line that is complete by it.
    pub(super) fn push(&mut self, bytes: &[u8], mut on_line: impl FnMut(&str)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&b| b == b'\n') {
            self.extend(&rest[..end]);
            self.end_line(&mut on_line);
            rest = &rest[end + 1..];
        }
        self.extend(rest);
    }

    /// Takes in that nothing more will be read: a line without an end is one all the same.
    pub(super) fn finish(&mut self, mut on_line: impl FnMut(&str)) {
        if !self.open.is_empty() {
            self.end_line(&mut on_line);
        }
    }

    /// Returns the last lines, joined by line ends.
    pub(super) fn text(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        lines.join("\n")
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = MAX_LINE - self.open.len();
        self.is_cut |= room < bytes.len();
        self.open.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self, on_line: &mut impl FnMut(&str)) {
        let open = mem::take(&mut self.open);
        let is_cut = mem::take(&mut self.is_cut);
        let mut line = if is_cut {
            whole_chars(&open)
        } else {
            let open = open.strip_suffix(b"\r").unwrap_or(&open);
            String::from_utf8_lossy(open).into_owned()
        };
        if is_cut {
            line.push_str(CUT);
        }
        on_line(&line);
        self.n_bytes += line.len();
        self.lines.push_back(line);
        while MAX_LINES < self.lines.len() || MAX_BYTES < self.n_bytes {
            let first = self
                .lines
                .pop_front()
                .expect("INV-2: bytes are counted by line");
            self.n_bytes -= first.len();
        }
    }
}

/// Returns `bytes` as text without the character that the cut went through, if it went through one.
fn whole_chars(bytes: &[u8]) -> String {
    let end = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes `reads` and returns the lines that came out, and the tail.
    fn run(reads: &[&[u8]]) -> (Vec<String>, Tail) {
        let (mut tail, mut lines) = (Tail::default(), Vec::new());
        for bytes in reads {
            tail.push(bytes, |line| lines.push(line.to_owned()));
        }
        tail.finish(|line| lines.push(line.to_owned()));
        (lines, tail)
    }

    #[track_caller]
    fn check(reads: &[&str], lines: &[&str]) {
        let reads: Vec<&[u8]> = reads.iter().map(|read| read.as_bytes()).collect();
        let (seen, tail) = run(&reads);
        assert_eq!(seen, lines);
        assert_eq!(tail.text(), lines.join("\n"));
    }

    #[test]
    fn inv1_lines_come_out_whole_however_they_are_read() {
        check(&["one\ntwo\n"], &["one", "two"]);
        check(&["on", "e\nt", "wo"], &["one", "two"]);
        check(&["\n\n"], &["", ""]);
        check(&["a\r\nb\r", "\nc"], &["a", "b", "c"]);
        check(&[], &[]);
    }

    #[test]
    fn inv1_a_long_line_is_cut_between_characters_and_marked() {
        let long = format!("x{}\nnext\n", "é".repeat(3000));
        let (lines, _) = run(&[long.as_bytes()]);
        assert_eq!(
            lines,
            [format!("x{}{CUT}", "é".repeat(2047)), "next".into()]
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let (lines, _) = run(&[b"a\xff\xfeb\n"]);
        assert_eq!(lines, ["a\u{fffd}\u{fffd}b"]);
    }

    #[test]
    fn inv2_the_tail_is_bounded_in_lines_and_bytes() {
        let many: String = (0..250).map(|n| format!("{n}\n")).collect();
        let (lines, tail) = run(&[many.as_bytes()]);
        assert_eq!(lines.len(), 250);
        assert_eq!(tail.text().lines().next(), Some("150"));
        assert_eq!(tail.text().lines().count(), MAX_LINES);

        let wide = format!("{}\n", "y".repeat(4000)).repeat(50);
        let (_, tail) = run(&[wide.as_bytes()]);
        assert_eq!(tail.text().lines().count(), 4);
    }
}
