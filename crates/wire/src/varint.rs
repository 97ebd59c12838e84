//! Integers in as few bytes as they need, seven bits each, low bits first.
//!
//! An integer of up to 64 bits is written and read eight bytes at a time; the tests compare with the
//! loop over single bytes.

/// The most bytes that an integer of 128 bits takes.
pub(crate) const MAX_WIDE: usize = 19;

/// The bits of eight bytes that say "more follows".
const MORE: u64 = 0x8080_8080_8080_8080;

/// Why bytes are not an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// The bytes end within the integer.
    End,
    /// The integer has more bits than its type, or more bytes than it needs.
    OverLong,
}

/// Returns how many bytes `value` takes.
#[inline]
pub(crate) fn len(value: u64) -> usize {
    (63 - (value | 1).leading_zeros() as usize) / 7 + 1
}

/// Returns the bytes of `value`, of which the first `len` count, as a little-endian number.
#[inline]
pub(crate) fn write(value: u64, len: usize) -> u128 {
    let low = spread(value);
    if len <= 8 {
        let more = MORE & ((1 << (8 * (len - 1))) - 1);
        return u128::from(low | more);
    }
    let (ninth, tenth) = match len {
        9 => (value >> 56, 0),
        _ => (value >> 56, 1),
    };
    u128::from(low | MORE) | u128::from(ninth | tenth << 8) << 64
}

/// Reads one byte after the other.
macro_rules! read_bytes {
    ($unsigned:ident, $input:ident, $bits:ident) => {{
        let last = ($bits as usize - 1) / 7;
        let mut value = 0;
        for (idx, byte) in $input.iter().enumerate().take(last + 1) {
            value |= $unsigned::from(byte & 0x7f) << (7 * idx);
            if *byte < 0x80 {
                let fits = idx < last || byte >> ($bits - 7 * last as u32) == 0;
                let shortest = *byte != 0 || idx == 0;
                return if fits && shortest {
                    Ok((value, idx + 1))
                } else {
                    Err(ReadError::OverLong)
                };
            }
        }
        Err(if $input.len() > last {
            ReadError::OverLong
        } else {
            ReadError::End
        })
    }};
}

/// Distributes the low 56 bits of `value` over eight bytes, seven in each.
#[inline]
fn spread(value: u64) -> u64 {
    let fours = (value & 0x0fff_ffff) | ((value << 4) & 0x0fff_ffff_0000_0000);
    let twos = (fours & 0x0000_3fff_0000_3fff) | ((fours << 2) & 0x3fff_0000_3fff_0000);
    (twos & 0x007f_007f_007f_007f) | ((twos << 1) & 0x7f00_7f00_7f00_7f00)
}

/// The reverse of [`spread`]; the high bit of each byte is ignored.
#[inline]
fn gather(word: u64) -> u64 {
    let twos = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
    let fours = (twos & 0x0000_3fff_0000_3fff) | ((twos & 0x3fff_0000_3fff_0000) >> 2);
    (fours & 0x0fff_ffff) | ((fours & 0x0fff_ffff_0000_0000) >> 4)
}

/// Writes `value` into `buffer` and returns the bytes that it takes.
pub(crate) fn write_wide(mut value: u128, buffer: &mut [u8; MAX_WIDE]) -> &[u8] {
    let mut len = 0;
    while value >= 0x80 {
        buffer[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    buffer[len] = value as u8;
    &buffer[..=len]
}

/// Reads an integer of at most `BITS` bits and returns it with the number of bytes it took.
///
/// There is one encoding per value: a longer one is refused.
#[inline]
pub(crate) fn read<const BITS: u32>(input: &[u8]) -> Result<(u64, usize), ReadError> {
    let Some(bytes) = input.first_chunk() else {
        return read_slow::<BITS>(input);
    };
    let word = u64::from_le_bytes(*bytes);
    let ends = !word & MORE;
    if ends == 0 {
        let value = |ninth: u8| gather(word) | u64::from(ninth) << 56;
        return match &input[8..] {
            _ if BITS < 64 => Err(ReadError::OverLong),
            [ninth @ 1..0x80, ..] => Ok((value(*ninth), 9)),
            [ninth @ 0x80..=0xff, 1, ..] => Ok((value(*ninth), 10)),
            [] | [0x80..=0xff] => Err(ReadError::End),
            _ => Err(ReadError::OverLong),
        };
    }
    let len = ends.trailing_zeros() as usize / 8 + 1;
    let value = gather(word & (ends ^ (ends - 1)));
    let shortest = len == 1 || value >> (7 * (len - 1)) != 0;
    if !shortest || (BITS < 64 && value >> BITS != 0) {
        return Err(ReadError::OverLong);
    }
    Ok((value, len))
}

/// Near the end of the input.
#[inline(never)]
fn read_slow<const BITS: u32>(input: &[u8]) -> Result<(u64, usize), ReadError> {
    read_bytes!(u64, input, BITS)
}

/// Like [`read`], for integers of up to 128 bits.
pub(crate) fn read_wide<const BITS: u32>(input: &[u8]) -> Result<(u128, usize), ReadError> {
    read_bytes!(u128, input, BITS)
}

macro_rules! zigzag {
    ($unsigned:ident, $signed:ident, $zigzag:ident, $unzigzag:ident) => {
        /// Maps signed to unsigned so that numbers near zero stay short.
        #[inline]
        pub(crate) fn $zigzag(value: $signed) -> $unsigned {
            ((value << 1) ^ (value >> ($signed::BITS - 1))) as $unsigned
        }

        /// Maps unsigned back to signed.
        #[inline]
        pub(crate) fn $unzigzag(value: $unsigned) -> $signed {
            (value >> 1) as $signed ^ -((value & 1) as $signed)
        }
    };
}

zigzag!(u64, i64, zigzag, unzigzag);
zigzag!(u128, i128, zigzag_wide, unzigzag_wide);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check<const BITS: u32>(input: &[u8], expected: Result<(u64, usize), ReadError>) {
        let wide = read_wide::<BITS>(input).map(|(value, len)| (value as u64, len));
        assert_eq!(wide, expected, "{input:x?} in single bytes");
        assert_eq!(read::<BITS>(input), expected, "{input:x?}");
    }

    #[test]
    fn there_is_one_encoding_per_value() {
        check::<16>(&[0], Ok((0, 1)));
        check::<16>(&[0x7f, 9], Ok((127, 1)));
        check::<16>(&[0x80, 1], Ok((128, 2)));
        check::<16>(&[0xff, 0xff, 3], Ok((65_535, 3)));
        check::<16>(&[0xff, 0xff, 4], Err(ReadError::OverLong));
        check::<16>(&[0x80, 0], Err(ReadError::OverLong));
        check::<16>(&[0x80, 0x80, 0x80, 1], Err(ReadError::OverLong));
        check::<64>(&[0xff; 10], Err(ReadError::OverLong));
        check::<16>(&[], Err(ReadError::End));
        check::<16>(&[0x80], Err(ReadError::End));
    }

    #[test]
    fn extremes_round_trip() {
        for bit in 0..64 {
            for value in [1 << bit, (1 << bit) - 1, u64::MAX >> bit] {
                let len = len(value);
                let mut bytes = write(value, len).to_le_bytes()[..len].to_vec();
                assert_eq!(bytes, write_wide(value.into(), &mut [0; MAX_WIDE]));
                assert_eq!(read::<64>(&bytes), Ok((value, len)));
                bytes.extend([0x55; 10]);
                assert_eq!(read::<64>(&bytes), Ok((value, len)));
            }
        }
        let mut buffer = [0; MAX_WIDE];
        let bytes = write_wide(u128::MAX, &mut buffer).to_vec();
        assert_eq!(read_wide::<128>(&bytes), Ok((u128::MAX, MAX_WIDE)));
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        for value in [0, -1, 1, i128::MIN, i128::MAX] {
            assert_eq!(unzigzag_wide(zigzag_wide(value)), value);
        }
    }

    /// Bytes of which most say "more follows".
    fn long() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![4 => 0x80..=0xff_u8, 1 => any::<u8>(), 1 => 0..2_u8];
        prop::collection::vec(byte, 0..14)
    }

    proptest! {
        #[test]
        fn eight_bytes_at_a_time_read_as_single_ones_do(mut input in long()) {
            // What follows the integer does not matter, but with it more bytes are read at a time.
            for _ in 0..2 {
                check::<16>(&input, read_slow::<16>(&input));
                check::<32>(&input, read_slow::<32>(&input));
                check::<64>(&input, read_slow::<64>(&input));
                input.extend([0x55; 10]);
            }
        }
    }
}
