//! Selections.

use hypermesh_ndslice::{Region, Selection, SelectionError};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::region::{Axis, axis};

/// Returns selections of up to four levels with indices below 256; they may fit no region.
pub fn selections() -> impl Strategy<Value = Selection> {
    expressions().prop_map(|expression| expression.fitted(0, &[256; 64]).selection)
}

/// Returns selections that fit `region`, `?` among them.
pub fn selections_of(region: &Region) -> impl Strategy<Value = Selection> + use<> {
    let sizes = Vec::from_iter(region.sizes());
    expressions().prop_map(move |expression| expression.fitted(0, &sizes).selection)
}

/// A selection of a shape that is not known yet.
#[derive(Clone, Debug)]
enum Expression {
    All,
    Pick,
    Index(Index),
    Range(Axis),
    Chain(Vec<Expression>),
    Join(Join, Box<[Expression; 2]>),
}

type Join = fn(&Selection, &Selection) -> Result<Selection, SelectionError>;

fn expressions() -> impl Strategy<Value = Expression> {
    let leaf = prop_oneof![
        Just(Expression::All),
        Just(Expression::Pick),
        any::<Index>().prop_map(Expression::Index),
        axis().prop_map(Expression::Range),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        let joins: [Join; 3] = [
            Selection::union,
            Selection::intersection,
            Selection::difference,
        ];
        prop_oneof![
            vec(inner.clone(), 2..5).prop_map(Expression::Chain),
            (prop::sample::select(joins.to_vec()), inner.clone(), inner)
                .prop_map(|(join, left, right)| Expression::Join(join, Box::new([left, right]))),
        ]
    })
}

/// A selection, and how many dims it needs.
struct Fitted {
    selection: Selection,
    need: usize,
}

impl Expression {
    /// The expression for the dims from `dim` on of a shape of these sizes.
    fn fitted(&self, dim: usize, sizes: &[usize]) -> Fitted {
        let one = |selection: Result<Selection, SelectionError>| Fitted {
            selection: selection.expect("an index of a dim"),
            need: 1,
        };
        let Some(&size) = sizes.get(dim) else {
            return Fitted {
                selection: Selection::all(),
                need: 0,
            };
        };
        match self {
            Self::All => Fitted {
                selection: Selection::all(),
                need: 0,
            },
            Self::Pick => one(Ok(Selection::pick())),
            Self::Index(index) => one(Selection::index(index.index(size))),
            Self::Range(axis) => one(Selection::range(axis.range(size))),
            Self::Chain(factors) => {
                let mut need = 0;
                let mut fitted = Vec::new();
                for factor in factors {
                    if sizes.len() <= dim + need {
                        break;
                    }
                    let factor = factor.fitted(dim + need, sizes);
                    need += factor.need.max(1);
                    fitted.push(factor.selection);
                }
                let selection = Selection::chain(fitted).expect("a short chain of few levels");
                Fitted { selection, need }
            }
            Self::Join(join, operands) => {
                let [left, right] = operands
                    .each_ref()
                    .map(|operand| operand.fitted(dim, sizes));
                let selection = join(&left.selection, &right.selection);
                Fitted {
                    selection: selection.expect("a short text of few levels"),
                    need: left.need.max(right.need),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regions;

    proptest! {
        #[test]
        fn selections_of_a_region_fit_it((region, selection) in regions().prop_flat_map(|region| {
            let selections = selections_of(&region);
            (Just(region), selections)
        })) {
            prop_assert!(selection.ranks_seeded(&region, 1).is_ok(), "{selection}");
        }

        #[test]
        fn selections_have_a_text(selection in selections()) {
            prop_assert_eq!(selection.to_string().parse(), Ok(selection));
        }
    }
}
