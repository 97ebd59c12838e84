//! Programs in postfix order: which nodes are the operands of which.

use super::Node;

/// The first node of what each node joins, itself included.
pub(super) fn starts(nodes: &[Node]) -> Vec<usize> {
    let mut starts: Vec<usize> = Vec::with_capacity(nodes.len());
    for (idx, node) in nodes.iter().enumerate() {
        let mut start = idx;
        for _ in 0..node.n_operands() {
            start = starts[start - 1];
        }
        starts.push(start);
    }
    starts
}

/// The last nodes of the operands of the node at `idx`, from right to left.
pub(super) fn operands<'a>(
    nodes: &'a [Node],
    starts: &'a [usize],
    idx: usize,
) -> impl Iterator<Item = usize> + 'a {
    let mut end = idx;
    (0..nodes[idx].n_operands()).map(move |_| {
        let operand = end - 1;
        end = starts[operand];
        operand
    })
}
