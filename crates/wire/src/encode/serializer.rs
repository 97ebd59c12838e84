//! The serde side of the encoder: which bytes each kind of value is made of.

use serde::{Serialize, Serializer, ser};

use super::{EncodeError, Encoder, MAX_DEPTH, MAX_EMPTY};
use crate::blob::{BLOB, MARKED};
use crate::varint;

impl<'b> Encoder<'b> {
    /// Enters one level of nesting; the matching exit is in [`Nested::leave`].
    #[inline]
    fn enter(&mut self) -> Result<(), EncodeError> {
        if self.depth == MAX_DEPTH {
            return Err(EncodeError::TooDeep { max: MAX_DEPTH });
        }
        self.depth += 1;
        Ok(())
    }

    #[inline]
    fn nested(&mut self) -> Result<Nested<'_, 'b>, EncodeError> {
        self.enter()?;
        Ok(Nested {
            start: self.body.len(),
            encoder: self,
        })
    }

    /// Starts a sequence or map, which know their length only at run time.
    #[inline]
    fn counted(&mut self, len: Option<usize>) -> Result<Nested<'_, 'b>, EncodeError> {
        self.put_varint(len.ok_or(EncodeError::UnknownLength)? as u64);
        self.nested()
    }

    #[inline]
    fn variant(&mut self, variant_idx: u32) -> Result<Nested<'_, 'b>, EncodeError> {
        self.put_varint(variant_idx.into());
        self.nested()
    }
}

macro_rules! integers {
    ($($method:ident($type:ty) => |$value:ident| $wide:expr;)*) => { $(
        #[inline]
        fn $method(self, $value: $type) -> Result<(), EncodeError> {
            self.put_varint($wide);
            Ok(())
        }
    )* };
}

impl<'a, 'b> Serializer for &'a mut Encoder<'b> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Nested<'a, 'b>;
    type SerializeTuple = Nested<'a, 'b>;
    type SerializeTupleStruct = Nested<'a, 'b>;
    type SerializeTupleVariant = Nested<'a, 'b>;
    type SerializeMap = Nested<'a, 'b>;
    type SerializeStruct = Nested<'a, 'b>;
    type SerializeStructVariant = Nested<'a, 'b>;

    integers! {
        serialize_u16(u16) => |value| value.into();
        serialize_u32(u32) => |value| value.into();
        serialize_u64(u64) => |value| value;
        serialize_i16(i16) => |value| varint::zigzag(value.into());
        serialize_i32(i32) => |value| varint::zigzag(value.into());
        serialize_i64(i64) => |value| varint::zigzag(value);
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), EncodeError> {
        self.serialize_u8(value.into())
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), EncodeError> {
        self.put(&[value]);
        Ok(())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), EncodeError> {
        self.put(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), EncodeError> {
        self.put(varint::write_wide(value, &mut [0; varint::MAX_WIDE]));
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), EncodeError> {
        self.serialize_u128(varint::zigzag_wide(value))
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), EncodeError> {
        self.put(&value.to_bits().to_le_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), EncodeError> {
        self.put(&value.to_bits().to_le_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        self.put_bytes(value.as_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodeError> {
        self.put_bytes(value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), EncodeError> {
        self.serialize_u8(0)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        self.put(&[1]);
        self.nested()?.last(value)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), EncodeError> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), EncodeError> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        variant_idx: u32,
        _variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.variant(variant_idx)?.leave()
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        match name {
            BLOB => self.byte_string(false, value),
            MARKED => self.byte_string(true, value),
            _ => value.serialize(self),
        }
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        variant_idx: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.variant(variant_idx)?.last(value)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Nested<'a, 'b>, EncodeError> {
        self.counted(len)
    }

    #[inline]
    fn serialize_tuple(self, _len: usize) -> Result<Nested<'a, 'b>, EncodeError> {
        self.nested()
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Nested<'a, 'b>, EncodeError> {
        self.nested()
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        variant_idx: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Nested<'a, 'b>, EncodeError> {
        self.variant(variant_idx)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Nested<'a, 'b>, EncodeError> {
        self.counted(len)
    }

    #[inline]
    fn serialize_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Nested<'a, 'b>, EncodeError> {
        self.nested()
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _name: &'static str,
        variant_idx: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Nested<'a, 'b>, EncodeError> {
        self.variant(variant_idx)
    }
}

/// One level of nesting in progress.
pub(super) struct Nested<'a, 'b> {
    encoder: &'a mut Encoder<'b>,
    /// Where the current element starts.
    start: usize,
}

impl Nested<'_, '_> {
    #[inline]
    fn last<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut *self.encoder)?;
        self.leave()
    }

    #[inline]
    fn leave(self) -> Result<(), EncodeError> {
        self.encoder.depth -= 1;
        Ok(())
    }

    /// Ends one element of a sequence or map, and counts it if it took no byte.
    #[inline]
    fn count_element(&mut self) -> Result<(), EncodeError> {
        let end = self.encoder.body.len();
        if end == self.start {
            self.encoder.n_empty += 1;
            if self.encoder.n_empty > MAX_EMPTY {
                return Err(EncodeError::TooManyEmpty { max: MAX_EMPTY });
            }
        }
        self.start = end;
        Ok(())
    }
}

impl ser::SerializeSeq for Nested<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut *self.encoder)?;
        self.count_element()
    }

    #[inline]
    fn end(self) -> Result<(), EncodeError> {
        self.leave()
    }
}

impl ser::SerializeMap for Nested<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        key.serialize(&mut *self.encoder)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut *self.encoder)?;
        self.count_element()
    }

    #[inline]
    fn end(self) -> Result<(), EncodeError> {
        self.leave()
    }
}

macro_rules! fixed {
    ($($trait:ident::$method:ident($($name:ident)?);)*) => { $(
        impl ser::$trait for Nested<'_, '_> {
            type Ok = ();
            type Error = EncodeError;

            #[inline]
            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: &'static str,)?
                value: &T,
            ) -> Result<(), EncodeError> {
                value.serialize(&mut *self.encoder)
            }

            #[inline]
            fn end(self) -> Result<(), EncodeError> {
                self.leave()
            }
        }
    )* };
}

fixed! {
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
    SerializeStruct::serialize_field(_key);
    SerializeStructVariant::serialize_field(_key);
}
