//! Evaluating a selection: a stack machine over disjoint regions, or over sets of ranks.

use super::program::{operands, starts};
use super::{MAX_REGIONS, Node, Selection, SelectionError};
use crate::range::Range;
use crate::rank_set::RankSet;
use crate::region::Region;

/// How many pairs of regions are compared before the selection is evaluated as sets of ranks.
const MAX_PAIRS: usize = 1 << 22;

impl Selection {
    /// Returns what the selection selects of `region`, as disjoint regions with the dims of
    /// `region`; none if it selects nothing.
    ///
    /// # Errors
    ///
    /// [`SelectionError::TooDeep`]; [`SelectionError::Shape`] when an index or a range does not fit
    /// its dim; [`SelectionError::Unseeded`]; [`SelectionError::TooManyRegions`].
    pub fn eval(&self, region: &Region) -> Result<Vec<Region>, SelectionError> {
        self.boxes(region, None)
    }

    /// Returns what the selection selects of `region`, with every `?` picked by `seed`: the same
    /// seed picks the same indices.
    ///
    /// # Errors
    ///
    /// As [`Selection::eval`], but for the missing seed.
    pub fn eval_seeded(&self, region: &Region, seed: u64) -> Result<Vec<Region>, SelectionError> {
        self.boxes(region, Some(seed))
    }

    /// Returns the ranks that the selection selects of `region`, in the base of `region`.
    ///
    /// # Errors
    ///
    /// As [`Selection::eval`], but for the number of regions.
    pub fn ranks(&self, region: &Region) -> Result<RankSet, SelectionError> {
        self.ranks_by(region, None)
    }

    /// Returns the ranks that the selection selects of `region`, with every `?` picked by `seed`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_ndslice::{sel, shape};
    ///
    /// let shape = shape!(zone = 2, host = 4, gpu = 8);
    /// let one = sel!(?, ?, ?).ranks_seeded(&shape, 7)?;
    /// assert_eq!(one.count(), 1);
    /// assert_eq!(sel!(?, ?, ?).ranks_seeded(&shape, 7)?, one);
    /// # Ok::<(), hypermesh_ndslice::SelectionError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Selection::eval`], but for the number of regions and the missing seed.
    pub fn ranks_seeded(&self, region: &Region, seed: u64) -> Result<RankSet, SelectionError> {
        self.ranks_by(region, Some(seed))
    }

    /// Disjoint regions, if they are few enough.
    pub(super) fn boxes(
        &self,
        region: &Region,
        seed: Option<u64>,
    ) -> Result<Vec<Region>, SelectionError> {
        let pairs_left = MAX_PAIRS;
        self.run(region, seed, Boxes { pairs_left })
    }

    pub(super) fn ranks_by(
        &self,
        region: &Region,
        seed: Option<u64>,
    ) -> Result<RankSet, SelectionError> {
        match self.boxes(region, seed) {
            Ok(regions) => Ok(RankSet::from_ranges(regions.iter().flat_map(Region::runs))),
            Err(SelectionError::TooManyRegions { .. }) => self.run(region, seed, Sets),
            Err(error) => Err(error),
        }
    }

    fn run<A: Algebra>(
        &self,
        region: &Region,
        seed: Option<u64>,
        mut algebra: A,
    ) -> Result<A::Set, SelectionError> {
        let nodes = self.nodes()?;
        let dims = first_dims(nodes, region.ndim())?;
        let mut stack: Vec<A::Set> = Vec::new();
        let mut n_picks = 0;
        for (node, dim) in nodes.iter().zip(dims) {
            let range = match *node {
                Node::Index(index) => Range::from(index as usize),
                Node::Range { start, end, step } => Range {
                    start: start as usize,
                    end: end.map(|end| end as usize),
                    step: step as usize,
                },
                Node::Pick => {
                    n_picks += 1;
                    let seed = seed.ok_or(SelectionError::Unseeded)?;
                    let size = region.sizes().nth(dim).unwrap_or(1);
                    Range::from(pick(seed, n_picks, size))
                }
                Node::All => {
                    stack.push(A::whole(region.clone()));
                    continue;
                }
                Node::Chain(_) | Node::Union | Node::Minus | Node::Inter => {
                    let operands = stack.split_off(stack.len() - node.n_operands());
                    stack.push(join(&mut algebra, *node, operands)?);
                    continue;
                }
            };
            stack.push(A::whole(region.range_at(dim, range)?));
        }
        Ok(stack.pop().expect("INV-1: a program leaves one value"))
    }
}

/// The value of an operator. A chain is an intersection, because each of its factors constrains
/// dims of its own.
fn join<A: Algebra>(
    algebra: &mut A,
    operator: Node,
    operands: Vec<A::Set>,
) -> Result<A::Set, SelectionError> {
    let mut operands = operands.into_iter();
    let mut joined = operands.next().expect("INV-1: an operator has operands");
    for operand in operands {
        joined = match operator {
            Node::Union => algebra.union(joined, operand)?,
            Node::Minus => algebra.minus(joined, &operand)?,
            _ => algebra.inter(&joined, &operand)?,
        };
    }
    Ok(joined)
}

/// The dim that each node begins at, if all of them fit.
fn first_dims(nodes: &[Node], ndim: usize) -> Result<Vec<usize>, SelectionError> {
    let starts = starts(nodes);
    // How many dims a node needs; `*` alone needs none, but as a factor it stands for one.
    let mut needs: Vec<usize> = Vec::with_capacity(nodes.len());
    for (idx, node) in nodes.iter().enumerate() {
        let operands = operands(nodes, &starts, idx).map(|operand| needs[operand]);
        let need = match node {
            Node::All => 0,
            Node::Pick | Node::Index(_) | Node::Range { .. } => 1,
            Node::Chain(_) => operands.map(|need| need.max(1)).sum(),
            Node::Union | Node::Minus | Node::Inter => operands.max().unwrap_or(0),
        };
        needs.push(need);
    }
    let found = needs.last().copied().unwrap_or(0);
    if ndim < found {
        return Err(SelectionError::TooDeep { dims: ndim, found });
    }
    // From the root, which is last, to the leaves.
    let mut dims = vec![0; nodes.len()];
    for (idx, node) in nodes.iter().enumerate().rev() {
        let is_chain = matches!(node, Node::Chain(_));
        let mut end = dims[idx] + needs[idx];
        for operand in operands(nodes, &starts, idx) {
            dims[operand] = dims[idx];
            if is_chain {
                end -= needs[operand].max(1);
                dims[operand] = end;
            }
        }
    }
    Ok(dims)
}

/// The index that the `n_picks`-th `?` picks of `size`.
fn pick(seed: u64, n_picks: u64, size: usize) -> usize {
    // Distinct odd multiples of the golden ratio give each `?` a stream of its own; the rest
    // spreads every bit of the seed over the whole number.
    let mut bits = seed.wrapping_add(n_picks.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    ((u128::from(bits) * size as u128) >> 64) as usize
}

/// What a selection is evaluated in.
trait Algebra {
    type Set;

    fn whole(region: Region) -> Self::Set;
    fn union(&mut self, left: Self::Set, right: Self::Set) -> Result<Self::Set, SelectionError>;
    fn inter(&mut self, left: &Self::Set, right: &Self::Set) -> Result<Self::Set, SelectionError>;
    fn minus(&mut self, left: Self::Set, right: &Self::Set) -> Result<Self::Set, SelectionError>;
}

/// Lists of disjoint regions.
struct Boxes {
    pairs_left: usize,
}

impl Boxes {
    /// Accounts for the work done and the regions made.
    fn check(&mut self, n_pairs: usize, n_regions: usize) -> Result<(), SelectionError> {
        let too_many = SelectionError::TooManyRegions { max: MAX_REGIONS };
        match self.pairs_left.checked_sub(n_pairs) {
            Some(left) if n_regions <= MAX_REGIONS => self.pairs_left = left,
            _ => return Err(too_many),
        }
        Ok(())
    }
}

impl Algebra for Boxes {
    type Set = Vec<Region>;

    fn whole(region: Region) -> Vec<Region> {
        vec![region]
    }

    fn union(
        &mut self,
        mut left: Vec<Region>,
        right: Vec<Region>,
    ) -> Result<Vec<Region>, SelectionError> {
        let new = self.minus(right, &left)?;
        left.extend(new);
        self.check(0, left.len())?;
        Ok(left)
    }

    fn inter(
        &mut self,
        left: &Vec<Region>,
        right: &Vec<Region>,
    ) -> Result<Vec<Region>, SelectionError> {
        let mut common = Vec::new();
        for left in left {
            for right in right {
                common.extend(left.intersection(right)?);
            }
            self.check(right.len(), common.len())?;
        }
        Ok(common)
    }

    fn minus(
        &mut self,
        left: Vec<Region>,
        right: &Vec<Region>,
    ) -> Result<Vec<Region>, SelectionError> {
        let mut rest = left;
        for hole in right {
            let mut smaller = Vec::with_capacity(rest.len());
            for region in &rest {
                smaller.extend(region.difference(hole)?);
                self.check(1, smaller.len())?;
            }
            rest = smaller;
        }
        Ok(rest)
    }
}

/// Sets of ranks.
struct Sets;

impl Algebra for Sets {
    type Set = RankSet;

    fn whole(region: Region) -> RankSet {
        RankSet::from(&region)
    }

    fn union(&mut self, left: RankSet, right: RankSet) -> Result<RankSet, SelectionError> {
        Ok(left.union(&right))
    }

    fn inter(&mut self, left: &RankSet, right: &RankSet) -> Result<RankSet, SelectionError> {
        Ok(left.intersection(right))
    }

    fn minus(&mut self, left: RankSet, right: &RankSet) -> Result<RankSet, SelectionError> {
        Ok(left.difference(right))
    }
}
