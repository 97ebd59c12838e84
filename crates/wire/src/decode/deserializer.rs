//! The serde side of the decoder: which bytes each kind of value is made of.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::{DecodeError, Decoder};
use crate::blob::{BLOB, MARKED};
use crate::encode::MAX_EMPTY;
use crate::varint;

impl<'de> Decoder<'de> {
    /// Decodes a tuple or struct: its type says how many elements it has.
    fn visit_fields<V: Visitor<'de>>(
        &mut self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.nested(|decoder| visitor.visit_seq(Elements::fixed(decoder, len)))
    }
}

macro_rules! integers {
    ($($method:ident => $visit:ident($type:ty, $bits:literal) |$value:ident| $narrow:expr;)*) => { $(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            let $value = self.varint($bits)?;
            visitor.$visit($narrow as $type)
        }
    )* };
}

impl<'de> de::Deserializer<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    integers! {
        deserialize_u16 => visit_u16(u16, 16) |value| value;
        deserialize_u32 => visit_u32(u32, 32) |value| value;
        deserialize_u64 => visit_u64(u64, 64) |value| value;
        deserialize_i16 => visit_i16(i16, 16) |value| varint::unzigzag(value);
        deserialize_i32 => visit_i32(i32, 32) |value| varint::unzigzag(value);
        deserialize_i64 => visit_i64(i64, 64) |value| varint::unzigzag(value);
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::NotSelfDescribing)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::NotSelfDescribing)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::NotSelfDescribing)
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            found => Err(DecodeError::BadByte {
                offset: self.at - 1,
                found,
                expected: "bool",
            }),
        }
    }

    #[inline]
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_u8(self.byte()?)
    }

    #[inline]
    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_i8(i8::from_le_bytes(self.array()?))
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let (value, len) = varint::read_wide(&self.body[self.at..], 128)
            .map_err(|error| self.bad_varint(error, 128))?;
        self.at += len;
        visitor.visit_u128(value)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let (value, len) = varint::read_wide(&self.body[self.at..], 128)
            .map_err(|error| self.bad_varint(error, 128))?;
        self.at += len;
        visitor.visit_i128(varint::unzigzag_wide(value))
    }

    #[inline]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_f32(f32::from_le_bytes(self.array()?))
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_f64(f64::from_le_bytes(self.array()?))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let text = self.text("character")?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(character), None) => visitor.visit_char(character),
            _ => Err(DecodeError::BadText {
                offset: self.at,
                expected: "character",
            }),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_str(self.text("string")?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.byte()? {
            0 => visitor.visit_none(),
            1 => self.nested(|decoder| visitor.visit_some(decoder)),
            found => Err(DecodeError::BadByte {
                offset: self.at - 1,
                found,
                expected: "option",
            }),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match name {
            BLOB | MARKED => self.byte_string(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let left = self.varint(64)?;
        self.nested(|decoder| {
            visitor.visit_seq(Elements {
                decoder,
                left,
                counted: true,
            })
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.visit_fields(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.visit_fields(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let left = self.varint(64)?;
        self.nested(|decoder| {
            let start = decoder.at;
            visitor.visit_map(Entries {
                elements: Elements {
                    decoder,
                    left,
                    counted: true,
                },
                start,
            })
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.visit_fields(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.nested(|decoder| visitor.visit_enum(Variant(decoder)))
    }
}

/// The elements that are left of a sequence, tuple or struct.
struct Elements<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: u64,
    /// Whether the number of elements came with the data, so that empty ones are counted.
    counted: bool,
}

impl<'a, 'de> Elements<'a, 'de> {
    fn fixed(decoder: &'a mut Decoder<'de>, len: usize) -> Self {
        Self {
            decoder,
            left: len as u64,
            counted: false,
        }
    }

    /// Returns how many elements to make room for (INV-2).
    fn hint(&self) -> usize {
        self.left.min(self.decoder.left() as u64) as usize
    }

    /// Ends the element that began at `start`, and counts it if it took no byte (INV-3).
    #[inline]
    fn count(&mut self, start: usize) -> Result<(), DecodeError> {
        self.left -= 1;
        if self.counted && self.decoder.at == start {
            self.decoder.n_empty += 1;
            if self.decoder.n_empty > MAX_EMPTY {
                return Err(DecodeError::TooManyEmpty { max: MAX_EMPTY });
            }
        }
        Ok(())
    }
}

impl<'de> de::SeqAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        let start = self.decoder.at;
        let element = seed.deserialize(&mut *self.decoder)?;
        self.count(start)?;
        Ok(Some(element))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

/// The entries that are left of a map.
struct Entries<'a, 'de> {
    elements: Elements<'a, 'de>,
    start: usize,
}

impl<'de> de::MapAccess<'de> for Entries<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        if self.elements.left == 0 {
            return Ok(None);
        }
        self.start = self.elements.decoder.at;
        seed.deserialize(&mut *self.elements.decoder).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let value = seed.deserialize(&mut *self.elements.decoder)?;
        self.elements.count(self.start)?;
        Ok(value)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.hint())
    }
}

/// An enum value whose variant comes next. Its nesting is already counted.
struct Variant<'a, 'de>(&'a mut Decoder<'de>);

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), DecodeError> {
        let variant_idx = self.0.varint(32)? as u32;
        let deserializer: de::value::U32Deserializer<DecodeError> = variant_idx.into_deserializer();
        Ok((seed.deserialize(deserializer)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(Elements::fixed(self.0, len))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.tuple_variant(fields.len(), visitor)
    }
}
