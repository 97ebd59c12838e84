//! The serde side of the decoder: which bytes each kind of value is made of.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::{DecodeError, Decoder, Fault};
use crate::blob::{BLOB, MARKED};
use crate::encode::MAX_EMPTY;
use crate::varint;

impl<'de> Decoder<'de> {
    /// Decodes a tuple or struct: its type says how many elements it has.
    #[inline]
    fn visit_fields<V: Visitor<'de>>(
        &mut self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.nested(|decoder| visitor.visit_seq(Fields { decoder, left }))
    }
}

macro_rules! integers {
    ($($method:ident => $visit:ident($type:ty, $bits:literal) |$value:ident| $narrow:expr;)*) => { $(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let $value = self.varint::<$bits>()?;
            visitor.$visit($narrow as $type)
        }
    )* };
}

impl<'de> de::Deserializer<'de> for &mut Decoder<'de> {
    type Error = Fault;

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

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Fault> {
        Err(Fault::new(DecodeError::NotSelfDescribing))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(Fault::new(DecodeError::NotSelfDescribing))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(Fault::new(DecodeError::NotSelfDescribing))
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            found => Err(self.bad_byte(found, "bool")),
        }
    }

    #[inline]
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_u8(self.byte()?)
    }

    #[inline]
    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_i8(i8::from_le_bytes(self.array()?))
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_u128(self.wide_varint()?)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_i128(varint::unzigzag_wide(self.wide_varint()?))
    }

    #[inline]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_f32(f32::from_le_bytes(self.array()?))
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_f64(f64::from_le_bytes(self.array()?))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let text = self.text("character")?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(character), None) => visitor.visit_char(character),
            _ => Err(self.bad_text("character")),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_borrowed_str(self.text("string")?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.byte()? {
            0 => visitor.visit_none(),
            1 => self.nested(|decoder| visitor.visit_some(decoder)),
            found => Err(self.bad_byte(found, "option")),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match name {
            BLOB | MARKED => self.byte_string(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let left = self.varint::<64>()?;
        self.nested(|decoder| visitor.visit_seq(Elements::new(decoder, left)))
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.visit_fields(len, visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.visit_fields(len, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let left = self.varint::<64>()?;
        self.nested(|decoder| {
            let left_before = decoder.rest.len();
            visitor.visit_map(Entries {
                elements: Elements::new(decoder, left),
                left_before,
            })
        })
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.visit_fields(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.nested(|decoder| visitor.visit_enum(Variant(decoder)))
    }
}

/// The fields that are left of a tuple or struct.
struct Fields<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(self.decoder.rest.len()))
    }
}

/// The elements that are left of a sequence: their number came with the data.
struct Elements<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: u64,
    /// For how many to make room (INV-2).
    room: usize,
}

impl<'a, 'de> Elements<'a, 'de> {
    #[inline]
    fn new(decoder: &'a mut Decoder<'de>, left: u64) -> Self {
        let room = decoder.reserve(left);
        Self {
            decoder,
            left,
            room,
        }
    }

    /// Returns how many elements to make room for, to a visitor that asks before it reads (INV-2).
    #[inline]
    fn hint(&self) -> usize {
        self.left.min(self.room as u64) as usize
    }

    /// Ends the element before which `left_before` bytes were left, and counts it if it took no byte (INV-3).
    #[inline]
    fn count(&mut self, left_before: usize) -> Result<(), Fault> {
        self.left -= 1;
        if self.decoder.rest.len() == left_before {
            self.decoder.n_empty += 1;
            if self.decoder.n_empty > MAX_EMPTY {
                return Err(too_many_empty());
            }
        }
        Ok(())
    }
}

impl<'de> de::SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        if self.left == 0 {
            return Ok(None);
        }
        let left_before = self.decoder.rest.len();
        let element = seed.deserialize(&mut *self.decoder)?;
        self.count(left_before)?;
        Ok(Some(element))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

/// The entries that are left of a map.
struct Entries<'a, 'de> {
    elements: Elements<'a, 'de>,
    /// How many bytes were left before the current entry.
    left_before: usize,
}

impl<'de> de::MapAccess<'de> for Entries<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        if self.elements.left == 0 {
            return Ok(None);
        }
        self.left_before = self.elements.decoder.rest.len();
        seed.deserialize(&mut *self.elements.decoder).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let value = seed.deserialize(&mut *self.elements.decoder)?;
        self.elements.count(self.left_before)?;
        Ok(value)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.hint())
    }
}

/// An enum value whose variant comes next. Its nesting is already counted.
struct Variant<'a, 'de>(&'a mut Decoder<'de>);

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Fault;
    type Variant = Self;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let variant_idx = self.0.varint::<32>()? as u32;
        let deserializer: de::value::U32Deserializer<Fault> = variant_idx.into_deserializer();
        Ok((seed.deserialize(deserializer)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self.0)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(Fields {
            decoder: self.0,
            left: len,
        })
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.tuple_variant(fields.len(), visitor)
    }
}

#[cold]
fn too_many_empty() -> Fault {
    Fault::new(DecodeError::TooManyEmpty { max: MAX_EMPTY })
}
