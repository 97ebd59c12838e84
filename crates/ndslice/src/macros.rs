//! The macros: literals of extents, shapes and selections, checked at compile time.

/// Makes an [`Extent`](crate::Extent) of labels and sizes.
///
/// Labels, their number and sizes that are literals are checked at compile time. A size may be any
/// expression; use [`try_extent!`](crate::try_extent) if it may be illegal, because this macro gives
/// an extent and no `Result`.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::extent;
///
/// let n_hosts = 2;
/// let extent = extent!(replica = n_hosts, gpu = 4);
/// assert_eq!(extent.to_string(), "replica=2,gpu=4");
/// assert_eq!(extent!().count(), 1);
/// ```
///
/// A literal size of 0, a label that occurs twice and a ninth dim do not compile:
///
/// ```compile_fail
/// hypermesh_ndslice::extent!(replica = 2, gpu = 0);
/// ```
///
/// ```compile_fail
/// hypermesh_ndslice::extent!(gpu = 2, gpu = 2);
/// ```
///
/// ```compile_fail
/// hypermesh_ndslice::extent!(a = 1, b = 1, c = 1, d = 1, e = 1, f = 1, g = 1, h = 1, i = 1);
/// ```
///
/// # Panics
///
/// Panics if a size that is no literal is 0, or makes more than `u32::MAX` ranks.
#[macro_export]
macro_rules! extent {
    ($($label:ident = $size:literal),* $(,)?) => {{
        const _: () = $crate::macro_support::check_labels(&[$(::core::stringify!($label)),*]);
        const _: () = $crate::macro_support::check_sizes(&[$($size),*]);
        $crate::macro_support::extent([$((::core::stringify!($label), $size)),*])
    }};
    ($($label:ident = $size:expr),* $(,)?) => {{
        const _: () = $crate::macro_support::check_labels(&[$(::core::stringify!($label)),*]);
        $crate::macro_support::extent([$((::core::stringify!($label), $size)),*])
    }};
}

/// Makes an [`Extent`](crate::Extent) of labels and sizes that are known at run time only, or the
/// [`ExtentError`](crate::ExtentError) that says what is wrong with them.
///
/// Labels and their number are still checked at compile time.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::try_extent;
///
/// let n_hosts = 0;
/// let error = try_extent!(host = n_hosts, gpu = 8).unwrap_err();
/// assert_eq!(error.to_string(), "dim \"host\" has size 0, and the least is 1");
/// ```
///
/// ```compile_fail
/// let n_gpus = 2;
/// hypermesh_ndslice::try_extent!(gpu = n_gpus, gpu = n_gpus);
/// ```
#[macro_export]
macro_rules! try_extent {
    ($($label:ident = $size:expr),* $(,)?) => {{
        const _: () = $crate::macro_support::check_labels(&[$(::core::stringify!($label)),*]);
        $crate::Extent::new::<&'static str>([$((::core::stringify!($label), $size)),*])
    }};
}

/// Makes the [`Region`](crate::Region) of all ranks of a [`try_extent!`](crate::try_extent).
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::try_shape;
///
/// let n_gpus = 4;
/// assert_eq!(try_shape!(gpu = n_gpus)?.count(), 4);
/// # Ok::<(), hypermesh_ndslice::ExtentError>(())
/// ```
#[macro_export]
macro_rules! try_shape {
    ($($dims:tt)*) => {
        $crate::try_extent!($($dims)*).map($crate::Region::of)
    };
}

/// Makes the [`Region`](crate::Region) of all ranks of an [`extent!`](crate::extent).
///
/// # Examples
///
/// ```
/// let shape = hypermesh_ndslice::shape!(replica = 2, gpu = 4);
/// assert_eq!(shape.count(), 8);
/// ```
///
/// # Panics
///
/// As [`extent!`](crate::extent).
#[macro_export]
macro_rules! shape {
    ($($dims:tt)*) => {
        $crate::Region::of($crate::extent!($($dims)*))
    };
}

/// Makes a [`Selection`](crate::Selection), parsed at compile time.
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::sel;
///
/// assert_eq!(Ok(sel!(*, 0:4 | 6)), "*,:4|6".parse());
/// assert!(sel!(?).is_random());
/// ```
///
/// What is no selection does not compile:
///
/// ```compile_fail
/// hypermesh_ndslice::sel!(1..4);
/// ```
///
/// ```compile_fail
/// hypermesh_ndslice::sel!(* *);
/// ```
///
/// ```compile_fail
/// hypermesh_ndslice::sel!(1::0);
/// ```
///
/// ```compile_fail
/// hypermesh_ndslice::sel!();
/// ```
#[macro_export]
macro_rules! sel {
    ($($selection:tt)*) => {{
        const TEXT: &::core::primitive::str = ::core::stringify!($($selection)*);
        const PARSED: $crate::macro_support::ParsedSelection<{ TEXT.len() }> =
            $crate::macro_support::ParsedSelection::new(TEXT);
        PARSED.selection()
    }};
}

/// Makes the [`Selection`](crate::Selection) of some ranges of a shape's dims, by label.
///
/// A range is whatever [`Range`](crate::Range) is made from; a dim that is not named may have any
/// index. An unknown label or an illegal range is reported when the selection is evaluated, by
/// [`SelectionError::Shape`](crate::SelectionError::Shape).
///
/// # Examples
///
/// ```
/// use hypermesh_ndslice::{sel, sel_from_shape, shape};
///
/// let shape = shape!(replica = 2, host = 4, gpu = 8);
/// assert_eq!(sel_from_shape!(&shape, replica = 0, gpu = 2..), sel!(0, *, 2:8));
/// assert!(sel_from_shape!(&shape, rack = 0).eval(&shape).is_err());
/// ```
#[macro_export]
macro_rules! sel_from_shape {
    ($shape:expr $(, $label:ident = $range:expr)* $(,)?) => {
        $crate::Selection::from_ranges(
            &$shape,
            [$((::core::stringify!($label), $crate::Range::from($range))),*],
        )
    };
}
