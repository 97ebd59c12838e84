//! Which ranks a selection means, and at which place of the result each of them stands.
//!
//! # Invariants
//!
//! - **INV-1**: `place_of` and `rank_at` are inverse: one place per selected rank, without gaps.
//! - **INV-2**: at least one rank is selected.

use std::hash::{BuildHasher, RandomState};

use hypermesh_ndslice::{
    Extent, Ordinal, Rank, RankSet, Region, Selection, SelectionError, ShapeError,
};

use crate::cast_error::CastError;

/// The label of the one dimension of a result whose ranks are no region of their own.
const SELECTED: &str = "selected";

/// The ranks that a selection means in one view.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Selected {
    /// The ranks, counted in the whole mesh.
    ranks: RankSet,
    places: Places,
}

#[derive(Debug, Clone, PartialEq)]
enum Places {
    /// The selected ranks are those of this region, in its order.
    Region(Region),
    /// The selected ranks are those at these ordinals of the view, in its order.
    List {
        view: Box<Region>,
        ordinals: RankSet,
        shape: Box<Region>,
    },
}

impl Selected {
    /// Evaluates `selection` in `view`.
    pub(crate) fn of(selection: &Selection, view: &Region) -> Result<Self, CastError> {
        let seed = RandomState::new().hash_one(0);
        let (regions, ranks) = match selection.is_random() {
            // A `?` picks for the sake of spreading; nobody has to be able to foresee or replay it.
            true => (
                selection.eval_seeded(view, seed),
                selection.ranks_seeded(view, seed),
            ),
            false => (selection.eval(view), selection.ranks(view)),
        };
        let region = match regions {
            Ok(regions) => <[Region; 1]>::try_from(regions).ok().map(|[region]| region),
            Err(SelectionError::TooManyRegions { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let ranks = ranks?;
        if ranks.is_empty() {
            return Err(CastError::NothingSelected);
        }
        let places = match region {
            Some(region) => Places::Region(region),
            None => Places::listed(&ranks, view)?,
        };
        Ok(Selected { ranks, places })
    }

    /// The ranks, counted in the whole mesh.
    pub(crate) fn ranks(&self) -> &RankSet {
        &self.ranks
    }

    /// How many ranks are selected.
    pub(crate) fn count(&self) -> usize {
        self.ranks.count()
    }

    /// The shape of a result with one value per selected rank.
    pub(crate) fn shape(&self) -> &Region {
        match &self.places {
            Places::Region(region) => region,
            Places::List { shape, .. } => shape,
        }
    }

    /// The place of `rank` in a result, if it is selected.
    pub(crate) fn place_of(&self, rank: usize) -> Option<usize> {
        match &self.places {
            Places::Region(region) => Some(region.ordinal_of(Rank(rank)).ok()?.0),
            Places::List { view, ordinals, .. } => {
                ordinals.position(view.ordinal_of(Rank(rank)).ok()?.0)
            }
        }
    }

    /// The rank whose value stands at `place` of a result.
    pub(crate) fn rank_at(&self, place: usize) -> Option<usize> {
        match &self.places {
            Places::Region(region) => Some(region.rank_at(Ordinal(place)).ok()?.0),
            Places::List { view, ordinals, .. } => {
                Some(view.rank_at(Ordinal(ordinals.select(place)?)).ok()?.0)
            }
        }
    }
}

impl Places {
    fn listed(ranks: &RankSet, view: &Region) -> Result<Self, CastError> {
        let ordinal = |rank| Ok(view.ordinal_of(Rank(rank))?.0);
        let ordinals = ranks.iter().map(ordinal).collect::<Result<_, ShapeError>>();
        let extent =
            Extent::new([(SELECTED, ranks.count())]).expect("INV-2: one dimension, not empty");
        Ok(Places::List {
            view: Box::new(view.clone()),
            ordinals: ordinals.map_err(SelectionError::from)?,
            shape: Box::new(Region::from(extent)),
        })
    }
}

#[cfg(test)]
mod tests {
    use hypermesh_ndslice::{Rank, Region, Selection, sel, shape};
    use proptest::prelude::*;

    use super::Selected;
    use crate::cast_error::CastError;

    /// Selects in `view`; the places must lead to `ranks` in this order, with this shape.
    #[track_caller]
    fn check(selection: Selection, view: &Region, ranks: &[usize], shape: &str) {
        let selected = Selected::of(&selection, view).unwrap();
        let found: Vec<usize> = (0..selected.count())
            .filter_map(|p| selected.rank_at(p))
            .collect();
        assert_eq!(found, ranks);
        assert_eq!(selected.shape().extent().to_string(), shape);
        for (place, rank) in ranks.iter().enumerate() {
            assert_eq!(selected.place_of(*rank), Some(place));
        }
    }

    #[test]
    fn inv1_one_region_keeps_its_shape_and_anything_else_becomes_a_list() {
        let view = shape!(host = 2, gpu = 4);
        check(sel!(*), &view, &[0, 1, 2, 3, 4, 5, 6, 7], "host=2,gpu=4");
        check(sel!(1, 0:2), &view, &[4, 5], "host=1,gpu=2");
        check(sel!((0, 1) | (1, 3)), &view, &[1, 7], "selected=2");
    }

    #[test]
    fn inv1_places_follow_the_view_and_ranks_the_mesh() {
        let view = shape!(host = 2, gpu = 4).range("gpu", 2..).unwrap();
        check(sel!(*), &view, &[2, 3, 6, 7], "host=2,gpu=2");
        check(sel!((0, 1) | (1, 0)), &view, &[3, 6], "selected=2");
    }

    #[test]
    fn inv2_selecting_nothing_is_an_error() {
        let view = shape!(gpu = 4);
        let nothing = Selected::of(&sel!(0 & 1), &view);
        assert_eq!(nothing, Err(CastError::NothingSelected));
        assert!(matches!(
            Selected::of(&sel!(9), &view),
            Err(CastError::Selection(_))
        ));
    }

    #[test]
    fn a_random_selection_picks_one_member() {
        let picked = Selected::of(&sel!(?), &shape!(gpu = 4)).unwrap();
        assert_eq!(picked.count(), 1);
    }

    proptest! {
        #[test]
        fn inv1_place_and_rank_are_inverse(mask in prop::collection::vec(any::<bool>(), 6..7)) {
            let view = shape!(host = 2, gpu = 3);
            let terms: Vec<String> = (0..6)
                .filter(|&rank| mask[rank])
                .map(|rank| view.coord_of(Rank(rank)).unwrap())
                .map(|mut coord| format!("({}, {})", coord.next().unwrap(), coord.next().unwrap()))
                .collect();
            prop_assume!(!terms.is_empty());
            let selected = Selected::of(&terms.join(" | ").parse().unwrap(), &view).unwrap();
            prop_assert_eq!(selected.count(), terms.len());
            prop_assert_eq!(selected.shape().count(), terms.len());
            for place in 0..selected.count() {
                let rank = selected.rank_at(place).unwrap();
                prop_assert!(mask[rank]);
                prop_assert_eq!(selected.place_of(rank), Some(place));
            }
        }
    }
}
