//! What holds for any text of a setting: a value whose own text means the same, or none. The bodies of the fuzz
//! targets `fuzz/config/targets`, and of the test that replays their corpora.

use std::ops::RangeInclusive;
use std::time::Duration;

use hypermesh_config::{ByteSize, Value};

/// Returns whether the input is the text of a value of any type that has a form of its own.
pub(crate) fn value(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else {
        return false;
    };
    let accepted = [
        check::<bool>(text),
        check::<Duration>(text),
        check::<ByteSize>(text),
        check::<RangeInclusive<u16>>(text),
        check::<RangeInclusive<i64>>(text),
        check::<u64>(text),
        check::<f64>(text),
    ];
    accepted.contains(&true)
}

fn check<T: Value>(text: &str) -> bool {
    let Some(value) = T::parse(text) else {
        return false;
    };
    let own = value.to_text();
    let again = T::parse(&own).map(|value| value.to_text());
    assert_eq!(again.as_ref(), Some(&own), "{text:?}");
    true
}
