//! Durations as people write them.

use std::time::Duration;

/// The units in nanoseconds, the long names before those that they end with.
const UNITS: [(&str, u64); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Returns the duration that `text` stands for: digits, perhaps a fraction, and a unit.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (number, unit) = UNITS.iter().find_map(|(name, unit)| {
        let number = text.strip_suffix(name)?;
        number
            .ends_with(|c: char| c.is_ascii_digit())
            .then_some((number, *unit))
    })?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let unit = u128::from(unit);
    let mut nanos = whole.parse::<u128>().ok()?.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        nanos = nanos.checked_add(u128::from(digit - b'0') * place)?;
    }
    let secs = u64::try_from(nanos / 1_000_000_000).ok()?;
    Some(Duration::new(secs, (nanos % 1_000_000_000) as u32))
}

/// Returns the shortest text without a fraction, in seconds or a smaller unit.
pub(crate) fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let mut units = UNITS[..4].iter().rev();
    let fits = |unit: &&(&str, u64)| nanos.is_multiple_of(u128::from(unit.1));
    let (name, unit) = units.find(fits).unwrap_or(&UNITS[0]);
    format!("{}{name}", nanos / u128::from(*unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Duration>) {
        let duration = parse(text);
        assert_eq!(duration, expected, "{text:?}");
        if let Some(duration) = duration {
            assert_eq!(parse(&format(duration)), Some(duration));
        }
    }

    #[test]
    fn durations_have_a_unit_and_perhaps_a_fraction() {
        check("0", Some(Duration::ZERO));
        check("10s", Some(Duration::from_secs(10)));
        check("1.5s", Some(Duration::from_millis(1500)));
        check("250ms", Some(Duration::from_millis(250)));
        check("0.25ms", Some(Duration::from_micros(250)));
        check("7us", Some(Duration::from_micros(7)));
        check("3ns", Some(Duration::from_nanos(3)));
        check("1.5m", Some(Duration::from_secs(90)));
        check("2h", Some(Duration::from_secs(7200)));
        check("0.0000000019s", Some(Duration::from_nanos(1)));
        check("18446744073709551615s", Some(Duration::from_secs(u64::MAX)));
        for text in [
            "", "s", "10", "-1s", "1,5s", ".5s", "1.s", "1.2.3s", "1e3s", "10 s", "10sec", "ms",
        ] {
            check(text, None);
        }
        // In a smaller unit it has more digits.
        let long = Duration::from_secs(200_000_000_000_000_000) + Duration::from_millis(100);
        check("200000000000000000.1s", Some(long));
        check("18446744073709551615.999999999s", Some(Duration::MAX));
        check("18446744073709551615h", None);
        check(&format!("{}ns", u128::MAX), None);
        check(&format!("{}1ns", u128::MAX), None);
    }
}
