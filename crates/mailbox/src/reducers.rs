//! The reducers that every process knows.

mod low_watermark;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

use hypermesh_wire::{Message, Named, TypeKey};
use serde::{Deserialize, Serialize};

pub use self::low_watermark::{LowWatermark, Watermarks};
use crate::{ReduceError, Reducer};

macro_rules! plain_reducer {
    ($(#[$doc:meta])* $name:ident<$arg:ident>) => {
        $(#[$doc])*
        #[derive(Serialize, Deserialize)]
        #[serde(bound = "")]
        pub struct $name<$arg>(#[serde(skip)] PhantomData<fn() -> $arg>);

        impl<$arg> $name<$arg> {
            /// Returns the reducer.
            pub const fn new() -> Self {
                Self(PhantomData)
            }
        }

        impl<$arg> Default for $name<$arg> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<$arg> Clone for $name<$arg> {
            fn clone(&self) -> Self {
                Self::new()
            }
        }

        impl<$arg> fmt::Debug for $name<$arg> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        impl<$arg: Named> Named for $name<$arg> {
            const KEY: TypeKey =
                TypeKey::of(concat!("hypermesh::", stringify!($name))).with($arg::KEY);

            fn name() -> Cow<'static, str> {
                format!("hypermesh::{}<{}>", stringify!($name), $arg::name()).into()
            }
        }
    };
}

macro_rules! bool_reducer {
    ($(#[$doc:meta])* $name:ident, $unit:literal, $op:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
        pub struct $name;

        impl Named for $name {
            const KEY: TypeKey = TypeKey::of(concat!("hypermesh::", stringify!($name)));

            fn name() -> Cow<'static, str> {
                concat!("hypermesh::", stringify!($name)).into()
            }
        }

        impl Reducer for $name {
            type Input = bool;
            type Output = bool;

            fn unit(&self) -> bool {
                $unit
            }

            fn fold(&self, acc: &mut bool, input: bool) -> Result<(), ReduceError> {
                *acc $op input;
                Ok(())
            }

            fn merge(&self, acc: &mut bool, other: bool) -> Result<(), ReduceError> {
                self.fold(acc, other)
            }
        }
    };
}

plain_reducer! {
    /// Adds up. The sum of integers that does not fit their type is [`ReduceError::Overflow`]; floats
    /// are added in the order of the senders, so that one tree gives one result.
    Sum<T>
}
plain_reducer! {
    /// Keeps the smallest; `None` if there was nothing. Floats have a total order: NaN is the largest.
    Min<T>
}
plain_reducer! {
    /// Keeps the largest; `None` if there was nothing. Floats have a total order: NaN is the largest.
    Max<T>
}
plain_reducer! {
    /// Counts updates of type `T` and forgets what they are.
    Count<T>
}
plain_reducer! {
    /// Collects all updates, in the order of the senders.
    Append<T>
}
bool_reducer! {
    /// Tells whether any update was `true`.
    AnyOf, false, |=
}
bool_reducer! {
    /// Tells whether all updates were `true`.
    AllOf, true, &=
}

/// A number that [`Sum`] adds.
pub trait Summand: Message + Copy {
    /// The neutral element.
    const ZERO: Self;
    /// Whether sums depend on the order of their terms.
    const IN_ORDER: bool;

    /// Returns the sum, or `None` if it does not fit.
    fn plus(self, other: Self) -> Option<Self>;
}

macro_rules! summand {
    ($($int:ident)*; $($float:ident)*) => {
        $(impl Summand for $int {
            const ZERO: Self = 0;
            const IN_ORDER: bool = false;

            fn plus(self, other: Self) -> Option<Self> {
                self.checked_add(other)
            }
        })*
        $(impl Summand for $float {
            const ZERO: Self = 0.0;
            const IN_ORDER: bool = true;

            fn plus(self, other: Self) -> Option<Self> {
                Some(self + other)
            }
        })*
    };
}

summand!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize; f32 f64);

impl<T: Summand> Reducer for Sum<T> {
    type Input = T;
    type Output = T;
    const IN_ORDER: bool = T::IN_ORDER;

    fn unit(&self) -> T {
        T::ZERO
    }

    fn fold(&self, acc: &mut T, input: T) -> Result<(), ReduceError> {
        *acc = acc.plus(input).ok_or(ReduceError::Overflow)?;
        Ok(())
    }

    fn merge(&self, acc: &mut T, other: T) -> Result<(), ReduceError> {
        self.fold(acc, other)
    }
}

/// A type with a total order: all that is `Ord`, and the floats.
pub trait TotalOrd {
    /// Compares two values.
    fn total_cmp(&self, other: &Self) -> Ordering;
}

macro_rules! total_ord {
    ($($ord:ty),*; $($float:ident),*) => {
        $(impl TotalOrd for $ord {
            fn total_cmp(&self, other: &Self) -> Ordering {
                self.cmp(other)
            }
        })*
        $(impl TotalOrd for $float {
            /// Every NaN is one value, above all others; the two zeros are in order.
            fn total_cmp(&self, other: &Self) -> Ordering {
                match (self.is_nan(), other.is_nan()) {
                    (false, false) => $float::total_cmp(self, other),
                    (ours, theirs) => ours.cmp(&theirs),
                }
            }
        })*
    };
}

total_ord!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, bool, char, String,
    std::time::Duration; f32, f64
);

impl<A: TotalOrd, B: TotalOrd> TotalOrd for (A, B) {
    fn total_cmp(&self, other: &Self) -> Ordering {
        self.0
            .total_cmp(&other.0)
            .then_with(|| self.1.total_cmp(&other.1))
    }
}

macro_rules! extremum {
    ($name:ident, $better:pat) => {
        impl<T: Message + TotalOrd> Reducer for $name<T> {
            type Input = T;
            type Output = Option<T>;

            fn unit(&self) -> Option<T> {
                None
            }

            fn fold(&self, acc: &mut Option<T>, input: T) -> Result<(), ReduceError> {
                let better = acc
                    .as_ref()
                    .is_none_or(|old| matches!(input.total_cmp(old), $better));
                if better {
                    *acc = Some(input);
                }
                Ok(())
            }

            fn merge(&self, acc: &mut Option<T>, other: Option<T>) -> Result<(), ReduceError> {
                other.map_or(Ok(()), |other| self.fold(acc, other))
            }
        }
    };
}

extremum!(Min, Ordering::Less);
extremum!(Max, Ordering::Greater);

impl<T: Message> Reducer for Count<T> {
    type Input = T;
    type Output = u64;

    fn unit(&self) -> u64 {
        0
    }

    fn fold(&self, acc: &mut u64, _: T) -> Result<(), ReduceError> {
        self.merge(acc, 1)
    }

    fn merge(&self, acc: &mut u64, other: u64) -> Result<(), ReduceError> {
        *acc = acc.checked_add(other).ok_or(ReduceError::Overflow)?;
        Ok(())
    }
}

impl<T: Message> Reducer for Append<T> {
    type Input = T;
    type Output = Vec<T>;
    const IN_ORDER: bool = true;

    fn unit(&self) -> Vec<T> {
        Vec::new()
    }

    fn fold(&self, acc: &mut Vec<T>, input: T) -> Result<(), ReduceError> {
        acc.push(input);
        Ok(())
    }

    fn merge(&self, acc: &mut Vec<T>, mut other: Vec<T>) -> Result<(), ReduceError> {
        acc.append(&mut other);
        Ok(())
    }
}

/// Waits for all and keeps nothing.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Unit;

impl Named for Unit {
    const KEY: TypeKey = TypeKey::of("hypermesh::Unit");

    fn name() -> Cow<'static, str> {
        "hypermesh::Unit".into()
    }
}

impl Reducer for Unit {
    type Input = ();
    type Output = ();

    fn unit(&self) {}

    fn fold(&self, (): &mut (), (): ()) -> Result<(), ReduceError> {
        Ok(())
    }

    fn merge(&self, (): &mut (), (): ()) -> Result<(), ReduceError> {
        Ok(())
    }
}

/// Keeps the `k` largest updates, largest first. Equal ones stand in the order of their senders.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct TopK<T> {
    k: usize,
    #[serde(skip)]
    item: PhantomData<fn() -> T>,
}

impl<T> TopK<T> {
    /// Returns the reducer that keeps `k` updates.
    pub const fn new(k: usize) -> Self {
        Self {
            k,
            item: PhantomData,
        }
    }
}

impl<T> Clone for TopK<T> {
    fn clone(&self) -> Self {
        Self::new(self.k)
    }
}

impl<T> fmt::Debug for TopK<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopK({})", self.k)
    }
}

impl<T: Named> Named for TopK<T> {
    const KEY: TypeKey = TypeKey::of("hypermesh::TopK").with(T::KEY);

    fn name() -> Cow<'static, str> {
        format!("hypermesh::TopK<{}>", T::name()).into()
    }
}

impl<T: Message + TotalOrd> Reducer for TopK<T> {
    type Input = T;
    type Output = Vec<T>;
    const IN_ORDER: bool = true;

    fn unit(&self) -> Vec<T> {
        Vec::new()
    }

    fn fold(&self, acc: &mut Vec<T>, input: T) -> Result<(), ReduceError> {
        let idx = acc.partition_point(|old| old.total_cmp(&input) != Ordering::Less);
        if idx < self.k {
            acc.insert(idx, input);
            acc.truncate(self.k);
        }
        Ok(())
    }

    fn merge(&self, acc: &mut Vec<T>, other: Vec<T>) -> Result<(), ReduceError> {
        other.into_iter().try_for_each(|item| self.fold(acc, item))
    }
}

macro_rules! register_numbers {
    ($($number:ty),*) => { $(
        crate::register_reducer!(Sum<$number>, Min<$number>, Max<$number>, TopK<$number>);
        crate::register_reducer!(Count<$number>, Append<$number>, LowWatermark<$number>);
    )* };
}

register_numbers!(u32, u64, usize, i32, i64, f32, f64);
crate::register_reducer!(AnyOf, AllOf, Unit, Count<()>, Count<String>, Append<String>);

#[cfg(test)]
mod tests;
