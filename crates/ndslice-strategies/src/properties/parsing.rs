//! The parsers: what is accepted prints back, what is not has an error within the text.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use hypermesh_ndslice::{Extent, ParseError, Point, Region, Selection, shape};

/// Ranks that are looked at of a region that may have billions.
const N_RANKS: usize = 200;

/// The text of an extent.
pub fn extent(bytes: &[u8]) -> bool {
    round_trip::<Extent>(bytes).is_some()
}

/// The text of a point.
pub fn point(bytes: &[u8]) -> bool {
    let point = round_trip::<Point>(bytes);
    if let Some(point) = &point {
        assert!(point.rank() < point.extent().count());
    }
    point.is_some()
}

/// The text of a region.
pub fn region(bytes: &[u8]) -> bool {
    let Some(region) = parsed::<Region>(bytes) else {
        return false;
    };
    // The text states no base, so the values need not be equal.
    let text = region.to_string();
    let again: Region = text.parse().expect("a printed region parses");
    assert_eq!(again.to_string(), text);
    assert!(again.labels().eq(region.labels()) && again.sizes().eq(region.sizes()));
    let first = |region: &Region| region.ranks().take(N_RANKS).collect::<Vec<_>>();
    assert_eq!(first(&again), first(&region));
    check_full(&region);
    true
}

/// The full text of a region.
pub fn full_region(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else {
        return false;
    };
    let region = Region::parse_full_text(text);
    match &region {
        Ok(region) => {
            check_full(region);
            let is_other = text.parse::<Extent>().is_ok()
                || text.parse::<Point>().is_ok()
                || text.parse::<Region>().is_ok()
                || text.parse::<Selection>().is_ok();
            assert!(!is_other, "a text of two forms");
        }
        Err(error) => check_error(text, error),
    }
    region.is_ok()
}

/// The text of a selection.
pub fn selection(bytes: &[u8]) -> bool {
    let Some(selection) = round_trip::<Selection>(bytes) else {
        return false;
    };
    let shape = shape!(a = 3, b = 4, c = 5);
    let ranks = selection.ranks_seeded(&shape, 7);
    if let Ok(regions) = selection.eval_seeded(&shape, 7) {
        let count: usize = regions.iter().map(Region::count).sum();
        assert_eq!(ranks.map(|ranks| ranks.count()), Ok(count));
    }
    if let Ok(picture) = selection.explain_seeded(&shape, 7) {
        assert!(picture.len() < 8192);
    }
    true
}

/// A region parses from its full text.
pub(super) fn check_full(region: &Region) {
    let text = region.full_text().to_string();
    assert_eq!(
        Region::parse_full_text(&text).as_ref(),
        Ok(region),
        "{text}"
    );
}

fn round_trip<T>(bytes: &[u8]) -> Option<T>
where
    T: FromStr<Err = ParseError> + Display + Debug + PartialEq,
{
    let value = parsed::<T>(bytes)?;
    let text = value.to_string();
    assert_eq!(text.parse::<T>().as_ref(), Ok(&value), "{text}");
    Some(value)
}

fn parsed<T: FromStr<Err = ParseError>>(bytes: &[u8]) -> Option<T> {
    let text = str::from_utf8(bytes).ok()?;
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            check_error(text, &error);
            None
        }
    }
}

fn check_error(text: &str, error: &ParseError) {
    assert!(text.len() < error.at || text.is_char_boundary(error.at) || 4096 < text.len());
    assert!(error.at <= text.len(), "{error:?}");
    assert!(!error.to_string().is_empty());
}
