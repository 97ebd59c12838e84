//! The text forms of ids: `world.rank.generation`, then `/actor.generation`, then `/port`.
//!
//! Worlds and actors are hexadecimal, all other numbers decimal. The number of slashes tells proc,
//! actor and port apart, so the text of one kind never parses as another. A number has no sign and no
//! leading zero: every id has exactly one text.

use std::fmt;
use std::str::FromStr;

use hypermesh_wire::TypeKey;

use crate::{ActorId, Port, PortId, ProcId};

/// The longest text that is parsed as an id, in bytes.
pub const MAX_ID_TEXT: usize = 256;

impl fmt::Display for ProcId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}.{}", self.world, self.rank, self.generation)
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:x}.{}", self.proc, self.actor, self.generation)
    }
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.actor, self.port)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Port::Handler(key) => write!(f, "handler.{key}"),
            Port::Ephemeral { slot, generation } => write!(f, "port.{slot}.{generation}"),
            Port::Control(number) => write!(f, "control.{number}"),
        }
    }
}

macro_rules! debug_as_display {
    ($($id:ident),*) => { $(
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )* };
}

debug_as_display!(ProcId, ActorId, PortId, Port);

/// Error of parsing an id from text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseIdError {
    /// The text is too long to be an id.
    #[error("the text of an id has {len} bytes, {MAX_ID_TEXT} are allowed")]
    TooLong {
        /// The length of the text in bytes.
        len: usize,
    },
    /// The text has not the form of this kind of id.
    #[error("{text:?} is not of the form {form}")]
    Form {
        /// The text that was refused.
        text: String,
        /// The form of the kind of id that was asked for.
        form: &'static str,
    },
    /// A number in the text is none: empty, with a sign, a leading zero, or too large.
    #[error("{part:?} in {text:?} is not a {what} number")]
    Number {
        /// The text that was refused.
        text: String,
        /// The part of it that should have been a number.
        part: String,
        /// What the part stands for.
        what: &'static str,
    },
}

const PROC_FORM: &str = "world.rank.generation";
const ACTOR_FORM: &str = "world.rank.generation/actor.generation";
const PORT_FORM: &str = "world.rank.generation/actor.generation/port, where port is \
                         handler.key, port.slot.generation or control.number";

impl FromStr for ProcId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parser = IdParser::new(text, PROC_FORM)?;
        let [proc] = parser.split(text, '/')?;
        parser.proc(proc)
    }
}

impl FromStr for ActorId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parser = IdParser::new(text, ACTOR_FORM)?;
        let [proc, actor] = parser.split(text, '/')?;
        parser.actor(proc, actor)
    }
}

impl FromStr for PortId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parser = IdParser::new(text, PORT_FORM)?;
        let [proc, actor, port] = parser.split(text, '/')?;
        Ok(PortId {
            actor: parser.actor(proc, actor)?,
            port: parser.port(port)?,
        })
    }
}

/// The text that is being parsed, for the errors, and the form that it should have.
struct IdParser<'a> {
    text: &'a str,
    form: &'static str,
}

impl<'a> IdParser<'a> {
    fn new(text: &'a str, form: &'static str) -> Result<Self, ParseIdError> {
        if MAX_ID_TEXT < text.len() {
            return Err(ParseIdError::TooLong { len: text.len() });
        }
        Ok(Self { text, form })
    }

    fn proc(&self, part: &str) -> Result<ProcId, ParseIdError> {
        let [world, rank, generation] = self.split(part, '.')?;
        Ok(ProcId {
            world: self.hex(world, "world")?,
            rank: self.decimal(rank, "rank")?,
            generation: self.decimal(generation, "generation")?,
        })
    }

    fn actor(&self, proc: &str, part: &str) -> Result<ActorId, ParseIdError> {
        let [actor, generation] = self.split(part, '.')?;
        Ok(ActorId {
            proc: self.proc(proc)?,
            actor: self.hex(actor, "actor")?,
            generation: self.decimal(generation, "generation")?,
        })
    }

    fn port(&self, part: &str) -> Result<Port, ParseIdError> {
        let (kind, rest) = part.split_once('.').ok_or_else(|| self.bad_form())?;
        match kind {
            "handler" => rest
                .parse::<TypeKey>()
                .map(Port::Handler)
                .map_err(|_| self.bad_form()),
            "port" => {
                let [slot, generation] = self.split(rest, '.')?;
                Ok(Port::Ephemeral {
                    slot: self.decimal(slot, "slot")?,
                    generation: self.decimal(generation, "generation")?,
                })
            }
            "control" => self.decimal(rest, "control port").map(Port::Control),
            _ => Err(self.bad_form()),
        }
    }

    /// Splits `part` into exactly `N` pieces.
    fn split<'p, const N: usize>(
        &self,
        part: &'p str,
        at: char,
    ) -> Result<[&'p str; N], ParseIdError> {
        let mut pieces = part.split(at);
        let mut found = [""; N];
        for piece in &mut found {
            *piece = pieces.next().ok_or_else(|| self.bad_form())?;
        }
        if pieces.next().is_some() {
            return Err(self.bad_form());
        }
        Ok(found)
    }

    fn hex(&self, part: &str, what: &'static str) -> Result<u64, ParseIdError> {
        let digits = part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match u64::from_str_radix(part, 16) {
            Ok(number) if digits && is_canonical(part) => Ok(number),
            _ => Err(self.bad_number(part, what)),
        }
    }

    fn decimal<N: FromStr>(&self, part: &str, what: &'static str) -> Result<N, ParseIdError> {
        let digits = part.bytes().all(|b| b.is_ascii_digit());
        match part.parse() {
            Ok(number) if digits && is_canonical(part) => Ok(number),
            _ => Err(self.bad_number(part, what)),
        }
    }

    fn bad_form(&self) -> ParseIdError {
        ParseIdError::Form {
            text: self.text.to_owned(),
            form: self.form,
        }
    }

    fn bad_number(&self, part: &str, what: &'static str) -> ParseIdError {
        ParseIdError::Number {
            text: self.text.to_owned(),
            part: part.to_owned(),
            what,
        }
    }
}

fn is_canonical(digits: &str) -> bool {
    digits.len() == 1 || !digits.starts_with('0')
}

#[cfg(any(test, feature = "properties"))]
pub(crate) mod property;
#[cfg(test)]
mod tests;
