//! What the macros expand to. Not part of the public API.

use crate::extent::{Extent, MAX_DIMS};
use crate::selection::{Node, Selection, SyntaxErrorKind, parse};

/// The selection that `sel!` has parsed at compile time.
#[derive(Debug)]
pub struct ParsedSelection<const N: usize> {
    nodes: [Node; N],
    len: usize,
}

impl<const N: usize> ParsedSelection<N> {
    /// Parses a text of `N` bytes.
    ///
    /// # Panics
    ///
    /// Panics if the text is no selection. `sel!` calls this at compile time.
    pub const fn new(text: &str) -> Self {
        let mut nodes = [Node::All; N];
        match parse(text.as_bytes(), &mut nodes) {
            Ok(len) => Self { nodes, len },
            Err(error) => match error.kind {
                SyntaxErrorKind::Operand => {
                    panic!("expected `*`, `?`, an index, a range or `(`")
                }
                SyntaxErrorKind::Operator => panic!("expected an operator or the end"),
                SyntaxErrorKind::NestedOperator => panic!("expected an operator or `)`"),
                SyntaxErrorKind::Step => panic!("expected a step"),
                SyntaxErrorKind::NumberTooLarge => panic!("an index is too large"),
                SyntaxErrorKind::ZeroStep => panic!("the step of a range is 0"),
                SyntaxErrorKind::NestedTooDeep => panic!("parentheses are nested too deep"),
            },
        }
    }

    /// Returns the selection.
    pub fn selection(&self) -> Selection {
        Selection::from_nodes(&self.nodes[..self.len])
    }
}

/// Checks what is known of the dims of `extent!` at compile time.
///
/// # Panics
///
/// Panics if there are too many dims, two of them have the same label, or a label is too long.
pub const fn check_labels(labels: &[&str]) {
    assert!(labels.len() <= MAX_DIMS, "an extent has at most 8 dims");
    let mut i = 0;
    while i < labels.len() {
        assert!(
            labels[i].len() <= crate::extent::MAX_LABEL_LEN,
            "a label has at most 64 bytes"
        );
        let mut j = 0;
        while j < i {
            assert!(
                !is_equal(labels[i], labels[j]),
                "two dims have the same label"
            );
            j += 1;
        }
        i += 1;
    }
}

/// Checks sizes that are literals at compile time.
///
/// # Panics
///
/// Panics if a size is 0 or there are too many ranks.
pub const fn check_sizes(sizes: &[usize]) {
    let mut count: u32 = 1;
    let mut i = 0;
    while i < sizes.len() {
        assert!(sizes[i] != 0, "a dim has size 0");
        assert!(sizes[i] <= u32::MAX as usize, "there are too many ranks");
        count = match count.checked_mul(sizes[i] as u32) {
            Some(count) => count,
            None => panic!("there are too many ranks"),
        };
        i += 1;
    }
}

/// Builds the extent of `extent!`.
///
/// # Panics
///
/// Panics if a size that is no literal is 0 or makes too many ranks, as `extent!` documents.
#[track_caller]
pub fn extent<const N: usize>(dims: [(&'static str, usize); N]) -> Extent {
    match Extent::new(dims) {
        Ok(extent) => extent,
        Err(error) => panic!("invalid extent: {error}"),
    }
}

const fn is_equal(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut i = 0;
    while i < left.len() {
        if left[i] != right[i] {
            return false;
        }
        i += 1;
    }
    true
}
