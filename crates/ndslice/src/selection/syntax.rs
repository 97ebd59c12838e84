//! The grammar of selections: one parser for compile time and run time, without recursion.

/// The largest depth of parentheses.
pub const MAX_NESTING: usize = 64;

/// One step of a selection in postfix order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// `*`
    All,
    /// `?`
    Pick,
    /// One index.
    Index(u32),
    /// `start:end:step`
    Range {
        start: u32,
        end: Option<u32>,
        step: u32,
    },
    /// Joins the last so many values into a chain.
    Chain(u32),
    /// Joins the last two values with `|`.
    Union,
    /// Joins the last two values with `-`.
    Minus,
    /// Joins the last two values with `&`.
    Inter,
}

/// What is wrong with a text, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) at: usize,
    pub(crate) kind: SyntaxErrorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyntaxErrorKind {
    /// An operand is expected.
    Operand,
    /// An operator is expected, or the end of the text.
    Operator,
    /// An operator is expected, or a closing parenthesis.
    NestedOperator,
    /// A step is expected.
    Step,
    NumberTooLarge,
    ZeroStep,
    NestedTooDeep,
}

/// Parses all of `text` into `nodes` and returns their number, which is at most that of the bytes.
pub(crate) const fn parse(text: &[u8], nodes: &mut [Node]) -> Result<usize, SyntaxError> {
    let mut parser = Parser {
        text,
        at: 0,
        nodes,
        len: 0,
        pending: Pending::new(),
    };
    loop {
        if let Err(error) = parser.operand() {
            return Err(error);
        }
        match parser.operators() {
            Ok(true) => {}
            Ok(false) => return Ok(parser.len),
            Err(error) => return Err(error),
        }
    }
}

/// An operator whose right operand is not complete.
#[derive(Clone, Copy)]
enum Operator {
    Paren,
    Union,
    Minus,
    Inter,
    /// A comma, with the number of factors of the chain so far.
    Comma(u32),
}

impl Operator {
    /// What binds tighter has a higher number.
    const fn binding(self) -> u8 {
        match self {
            Self::Paren => 0,
            Self::Union | Self::Minus => 1,
            Self::Inter => 2,
            Self::Comma(_) => 3,
        }
    }
}

/// The operators that wait: at most one of each binding for each level of parentheses.
struct Pending {
    operators: [Operator; (MAX_NESTING + 1) * 4],
    len: usize,
    depth: usize,
}

impl Pending {
    const fn new() -> Self {
        Self {
            operators: [Operator::Paren; (MAX_NESTING + 1) * 4],
            len: 0,
            depth: 0,
        }
    }

    const fn push(&mut self, operator: Operator) {
        self.operators[self.len] = operator;
        self.len += 1;
    }

    /// Takes the last operator, if it binds at least that tight.
    const fn pop(&mut self, binding: u8) -> Option<Operator> {
        if self.len == 0 || self.operators[self.len - 1].binding() < binding {
            return None;
        }
        self.len -= 1;
        Some(self.operators[self.len])
    }
}

struct Parser<'a, 'b> {
    text: &'a [u8],
    at: usize,
    nodes: &'b mut [Node],
    len: usize,
    pending: Pending,
}

impl Parser<'_, '_> {
    /// Opening parentheses and one factor.
    const fn operand(&mut self) -> Result<(), SyntaxError> {
        loop {
            match self.peek() {
                Some(b'(') => {
                    if self.pending.depth == MAX_NESTING {
                        return self.error(SyntaxErrorKind::NestedTooDeep);
                    }
                    self.pending.depth += 1;
                    self.pending.push(Operator::Paren);
                    self.at += 1;
                }
                Some(b'*') => {
                    self.at += 1;
                    self.emit(Node::All);
                    return Ok(());
                }
                Some(b'?') => {
                    self.at += 1;
                    self.emit(Node::Pick);
                    return Ok(());
                }
                Some(b'0'..=b'9' | b':') => return self.indices(),
                _ => return self.error(SyntaxErrorKind::Operand),
            }
        }
    }

    /// Closing parentheses and one operator; false if the text ends instead.
    const fn operators(&mut self) -> Result<bool, SyntaxError> {
        loop {
            let operator = match self.peek() {
                Some(b')') if 0 < self.pending.depth => {
                    self.reduce(1);
                    // What is left on top binds less than any operator: the parenthesis.
                    _ = self.pending.pop(0);
                    self.pending.depth -= 1;
                    self.at += 1;
                    continue;
                }
                Some(b',') => match self.pending.pop(3) {
                    Some(Operator::Comma(n_factors)) => Operator::Comma(n_factors + 1),
                    _ => Operator::Comma(2),
                },
                Some(b'&') => Operator::Inter,
                Some(b'|') => Operator::Union,
                Some(b'-') => Operator::Minus,
                None if self.pending.depth == 0 => {
                    self.reduce(1);
                    return Ok(false);
                }
                _ if 0 < self.pending.depth => {
                    return self.error(SyntaxErrorKind::NestedOperator);
                }
                _ => return self.error(SyntaxErrorKind::Operator),
            };
            self.reduce(operator.binding());
            self.pending.push(operator);
            self.at += 1;
            return Ok(true);
        }
    }

    /// An index or a range.
    const fn indices(&mut self) -> Result<(), SyntaxError> {
        let start = match self.number() {
            Ok(start) => start,
            Err(error) => return Err(error),
        };
        if !self.eat_colon() {
            // The caller has seen a digit or a colon.
            if let Some(index) = start {
                self.emit(Node::Index(index));
            }
            return Ok(());
        }
        let end = match self.number() {
            Ok(end) => end,
            Err(error) => return Err(error),
        };
        let mut step = 1;
        if self.eat_colon() {
            _ = self.peek();
            let at = self.at;
            step = match self.number() {
                Ok(Some(0)) => {
                    return Err(SyntaxError {
                        at,
                        kind: SyntaxErrorKind::ZeroStep,
                    });
                }
                Ok(Some(step)) => step,
                Ok(None) => return self.error(SyntaxErrorKind::Step),
                Err(error) => return Err(error),
            };
        }
        let start = match start {
            Some(start) => start,
            None => 0,
        };
        self.emit(Node::range(start, end, step));
        Ok(())
    }

    const fn number(&mut self) -> Result<Option<u32>, SyntaxError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Ok(None);
        }
        let start = self.at;
        let mut number: u64 = 0;
        while self.at < self.text.len() && self.text[self.at].is_ascii_digit() {
            number = number * 10 + (self.text[self.at] - b'0') as u64;
            if (u32::MAX as u64) < number {
                return Err(SyntaxError {
                    at: start,
                    kind: SyntaxErrorKind::NumberTooLarge,
                });
            }
            self.at += 1;
        }
        Ok(Some(number as u32))
    }

    const fn eat_colon(&mut self) -> bool {
        let found = matches!(self.peek(), Some(b':'));
        if found {
            self.at += 1;
        }
        found
    }

    /// The next byte that is no blank.
    const fn peek(&mut self) -> Option<u8> {
        while self.at < self.text.len() {
            match self.text[self.at] {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
        None
    }

    /// Emits the waiting operators that bind at least that tight.
    const fn reduce(&mut self, binding: u8) {
        while let Some(operator) = self.pending.pop(binding) {
            match operator {
                Operator::Paren => {}
                Operator::Union => self.emit(Node::Union),
                Operator::Minus => self.emit(Node::Minus),
                Operator::Inter => self.emit(Node::Inter),
                Operator::Comma(n_factors) => self.emit(Node::Chain(n_factors)),
            }
        }
    }

    /// Every node has a byte of its own: a chain one of its commas.
    const fn emit(&mut self, node: Node) {
        self.nodes[self.len] = node;
        self.len += 1;
    }

    const fn error<T: Copy>(&self, kind: SyntaxErrorKind) -> Result<T, SyntaxError> {
        Err(SyntaxError { at: self.at, kind })
    }
}

impl Node {
    /// The range, which is `All` if it holds every index of any dim.
    pub(crate) const fn range(start: u32, end: Option<u32>, step: u32) -> Self {
        match (start, end, step) {
            (0, None, 1) => Self::All,
            _ => Self::Range { start, end, step },
        }
    }

    /// How many values the node joins.
    pub(crate) const fn n_operands(self) -> usize {
        match self {
            Self::All | Self::Pick | Self::Index(_) | Self::Range { .. } => 0,
            Self::Chain(n_factors) => n_factors as usize,
            Self::Union | Self::Minus | Self::Inter => 2,
        }
    }
}
