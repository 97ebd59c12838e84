//! The text form of a selection, written and read without recursion.

use std::fmt;
use std::str::FromStr;

use super::program::{operands, starts};
use super::syntax::{self, MAX_NESTING, SyntaxErrorKind};
use super::{Node, Selection, SelectionError};
use crate::text::{MAX_TEXT_LEN, ParseError, ParseErrorKind};

impl FromStr for Selection {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if MAX_TEXT_LEN < text.len() {
            let kind = ParseErrorKind::TooLong {
                len: text.len(),
                max: MAX_TEXT_LEN,
            };
            return Err(ParseError::new(MAX_TEXT_LEN, kind));
        }
        let mut nodes = vec![Node::All; text.len()];
        let n_nodes = syntax::parse(text.as_bytes(), &mut nodes).map_err(|error| {
            // Everything up to here was ASCII.
            let found = text[error.at..].chars().next();
            let expected = |expected| ParseErrorKind::Expected { expected, found };
            let kind = match error.kind {
                SyntaxErrorKind::Operand => expected("`*`, `?`, an index, a range or `(`"),
                SyntaxErrorKind::Operator => expected("an operator or the end of the text"),
                SyntaxErrorKind::NestedOperator => expected("an operator or `)`"),
                SyntaxErrorKind::Step => expected("a step"),
                SyntaxErrorKind::NumberTooLarge => ParseErrorKind::NumberTooLarge,
                SyntaxErrorKind::ZeroStep => ParseErrorKind::ZeroStep,
                SyntaxErrorKind::NestedTooDeep => {
                    ParseErrorKind::NestedTooDeep { max: MAX_NESTING }
                }
            };
            ParseError::new(error.at, kind)
        })?;
        nodes.truncate(n_nodes);
        Ok(Self::from_nodes(nodes))
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.nodes {
            Ok(nodes) => write_nodes(nodes, f),
            Err(error) => write!(f, "<{error}>"),
        }
    }
}

/// Checks that the program can be written as a text that can be parsed.
pub(super) fn check(nodes: &[Node]) -> Result<(), SelectionError> {
    let depth = depth(nodes);
    if MAX_NESTING < depth {
        return Err(SelectionError::NestedTooDeep {
            depth,
            max: MAX_NESTING,
        });
    }
    let mut length = Length(0);
    // Counting bytes cannot fail.
    _ = write_nodes(nodes, &mut length);
    if MAX_TEXT_LEN < length.0 {
        return Err(SelectionError::TooLong {
            len: length.0,
            max: MAX_TEXT_LEN,
        });
    }
    Ok(())
}

/// Counts what is written.
struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Whether the operand stands in parentheses; `is_first` tells the leftmost one.
fn is_in_parens(node: Node, operand: Node, is_first: bool) -> bool {
    let binding = |node| match node {
        Node::Union | Node::Minus => 1,
        Node::Inter => 2,
        Node::Chain(_) => 3,
        Node::All | Node::Pick | Node::Index(_) | Node::Range { .. } => 4,
    };
    match node {
        // Joins from left to right, so only the first operand may bind the same.
        Node::Union | Node::Minus | Node::Inter if is_first => binding(operand) < binding(node),
        _ => binding(operand) <= binding(node),
    }
}

/// The depth of parentheses in the text.
fn depth(nodes: &[Node]) -> usize {
    let starts = starts(nodes);
    let mut depths: Vec<usize> = Vec::with_capacity(nodes.len());
    for (idx, node) in nodes.iter().enumerate() {
        let depth = operands(nodes, &starts, idx).map(|operand| {
            let is_first = starts[operand] == starts[idx];
            depths[operand] + usize::from(is_in_parens(*node, nodes[operand], is_first))
        });
        let depth = depth.max().unwrap_or(0);
        depths.push(depth);
    }
    depths.last().copied().unwrap_or(0)
}

/// What is still to be written.
enum Item {
    Node(usize),
    Text(&'static str),
}

fn write_nodes(nodes: &[Node], f: &mut impl fmt::Write) -> fmt::Result {
    let starts = starts(nodes);
    let mut items = vec![Item::Node(nodes.len() - 1)];
    while let Some(item) = items.pop() {
        let idx = match item {
            Item::Text(text) => {
                f.write_str(text)?;
                continue;
            }
            Item::Node(idx) => idx,
        };
        let operator = match nodes[idx] {
            Node::All => "*",
            Node::Pick => "?",
            Node::Index(index) => {
                write!(f, "{index}")?;
                continue;
            }
            Node::Range { start, end, step } => {
                write_range(start, end, step, f)?;
                continue;
            }
            Node::Chain(_) => ",",
            Node::Union => "|",
            Node::Minus => "-",
            Node::Inter => "&",
        };
        if nodes[idx].n_operands() == 0 {
            f.write_str(operator)?;
        }
        // The items are a stack, so from right to left.
        for operand in operands(nodes, &starts, idx) {
            let is_first = starts[operand] == starts[idx];
            let is_in_parens = is_in_parens(nodes[idx], nodes[operand], is_first);
            let (open, close) = if is_in_parens { ("(", ")") } else { ("", "") };
            let before = if is_first { "" } else { operator };
            items.extend([Item::Text(close), Item::Node(operand)]);
            items.extend([Item::Text(open), Item::Text(before)]);
        }
    }
    Ok(())
}

fn write_range(start: u32, end: Option<u32>, step: u32, f: &mut impl fmt::Write) -> fmt::Result {
    if start != 0 {
        write!(f, "{start}")?;
    }
    f.write_char(':')?;
    if let Some(end) = end {
        write!(f, "{end}")?;
    }
    if step != 1 {
        write!(f, ":{step}")?;
    }
    Ok(())
}
