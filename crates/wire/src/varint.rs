//! Integers in as few bytes as they need, seven bits each, low bits first.

/// The most bytes that an integer of 128 bits takes.
pub(crate) const MAX_BYTES: usize = 19;

/// Why bytes are not an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// The bytes end within the integer.
    End,
    /// The integer has more bits than its type, or more bytes than it needs.
    OverLong,
}

macro_rules! varint {
    ($unsigned:ident, $signed:ident, $read:ident, $write:ident, $zigzag:ident, $unzigzag:ident) => {
        /// Writes `value` into `buffer` and returns the bytes that it takes.
        #[inline]
        pub(crate) fn $write(mut value: $unsigned, buffer: &mut [u8; MAX_BYTES]) -> &[u8] {
            let mut len = 0;
            while value >= 0x80 {
                buffer[len] = value as u8 | 0x80;
                value >>= 7;
                len += 1;
            }
            buffer[len] = value as u8;
            &buffer[..=len]
        }

        /// Reads an integer of at most `bits` bits and returns it with the number of bytes it took.
        ///
        /// There is one encoding per value: a longer one is refused.
        #[inline]
        pub(crate) fn $read(input: &[u8], bits: u32) -> Result<($unsigned, usize), ReadError> {
            let mut value = 0;
            for (idx, byte) in input.iter().enumerate() {
                let shift = 7 * idx as u32;
                let low = $unsigned::from(byte & 0x7f);
                if shift >= bits || (bits - shift < 7 && low >> (bits - shift) != 0) {
                    return Err(ReadError::OverLong);
                }
                value |= low << shift;
                if *byte < 0x80 {
                    let shortest = *byte != 0 || idx == 0;
                    return if shortest {
                        Ok((value, idx + 1))
                    } else {
                        Err(ReadError::OverLong)
                    };
                }
            }
            Err(ReadError::End)
        }

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

varint!(u64, i64, read, write, zigzag, unzigzag);
varint!(
    u128,
    i128,
    read_wide,
    write_wide,
    zigzag_wide,
    unzigzag_wide
);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &[u8], bits: u32, expected: Result<(u128, usize), ReadError>) {
        assert_eq!(read_wide(input, bits), expected);
        if bits <= 64 {
            assert_eq!(read(input, bits).map(|(v, n)| (u128::from(v), n)), expected);
        }
    }

    #[test]
    fn there_is_one_encoding_per_value() {
        check(&[0], 16, Ok((0, 1)));
        check(&[0x7f, 9], 16, Ok((127, 1)));
        check(&[0x80, 1], 16, Ok((128, 2)));
        check(&[0xff, 0xff, 3], 16, Ok((65_535, 3)));
        check(&[0xff, 0xff, 4], 16, Err(ReadError::OverLong));
        check(&[0x80, 0], 16, Err(ReadError::OverLong));
        check(&[0x80, 0x80, 0x80, 1], 16, Err(ReadError::OverLong));
        check(&[0xff; 10], 64, Err(ReadError::OverLong));
        check(&[], 16, Err(ReadError::End));
        check(&[0x80], 16, Err(ReadError::End));
    }

    #[test]
    fn extremes_round_trip() {
        let mut buffer = [0; MAX_BYTES];
        for value in [0, 1, 127, 128, u64::from(u32::MAX), u64::MAX] {
            let bytes = write(value, &mut buffer).to_vec();
            assert_eq!(read(&bytes, 64), Ok((value, bytes.len())));
        }
        let bytes = write_wide(u128::MAX, &mut buffer).to_vec();
        assert_eq!(read_wide(&bytes, 128), Ok((u128::MAX, MAX_BYTES)));
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        for value in [0, -1, 1, i128::MIN, i128::MAX] {
            assert_eq!(unzigzag_wide(zigzag_wide(value)), value);
        }
    }
}
