//! What holds for any text that is read as an id: for a fuzz target and for tests.

use std::fmt::Display;

use super::*;

/// The longest text of an error, in bytes: it shows a part of what it refuses.
const MAX_ERROR_LEN: usize = 2048;

/// Checks that nothing panics, that a text is read as one kind of id at most and that an id has no other text, and that
/// errors are short. Returns whether the bytes are the text of an id.
///
/// # Panics
///
/// If that does not hold.
pub fn id_property(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let kinds = [
        is_read::<ProcId>(text),
        is_read::<ActorId>(text),
        is_read::<PortId>(text),
    ];
    let n_kinds = kinds.into_iter().filter(|is_read| *is_read).count();
    assert!(n_kinds <= 1, "{text:?} is {n_kinds} kinds of id");
    n_kinds == 1
}

fn is_read<Id: FromStr<Err = ParseIdError> + Display>(text: &str) -> bool {
    match text.parse::<Id>() {
        Ok(id) => {
            assert!(text.len() <= MAX_ID_TEXT);
            assert_eq!(id.to_string(), text);
            true
        }
        Err(error) => {
            assert!(error.to_string().len() <= MAX_ERROR_LEN, "{error}");
            false
        }
    }
}
