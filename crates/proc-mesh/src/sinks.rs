//! Where the bounces of the global root client go: to the mesh they were addressed to, else to the
//! newest one.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use hypermesh_alloc::actor::mailbox::Undelivered;

use crate::board::Board;

/// The meshes of this process, in the order they were made. The root client belongs to the process as
/// a whole, and so does this list.
static SINKS: Sinks = Sinks {
    boards: Mutex::new(Vec::new()),
};

/// Lets bounces go to `board` as long as it lives.
pub(crate) fn install(board: &Arc<Board>) {
    SINKS.install(board);
}

/// Hands a bounce to the mesh it concerns; false if there is none at all.
pub(crate) fn route(undelivered: Undelivered) -> bool {
    match SINKS.of(undelivered.header.dst.actor.proc.world) {
        Some(board) => {
            board.on_undelivered(undelivered);
            true
        }
        None => false,
    }
}

struct Sinks {
    boards: Mutex<Vec<Weak<Board>>>,
}

impl Sinks {
    fn install(&self, board: &Arc<Board>) {
        let mut boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        boards.retain(|board| 0 < board.strong_count());
        boards.push(Arc::downgrade(board));
    }

    /// The mesh whose procs are `world`, else the newest.
    fn of(&self, world: u64) -> Option<Arc<Board>> {
        let boards = self
            .boards
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut newest_first = boards.iter().rev().filter_map(Weak::upgrade).peekable();
        let newest = newest_first.peek().cloned();
        newest_first.find(|board| board.world() == world).or(newest)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use hypermesh_alloc::actor::mailbox::WorldId;

    use super::Sinks;
    use crate::board::Board;

    fn board(world: u64) -> Arc<Board> {
        Arc::new(Board::new(&WorldId::with_id(world, "test"), []))
    }

    #[test]
    fn a_bounce_goes_to_its_mesh_and_else_to_the_newest() {
        let sinks = Sinks {
            boards: Mutex::new(Vec::new()),
        };
        let [one, two] = [board(1), board(2)];
        assert!(sinks.of(1).is_none());
        sinks.install(&one);
        sinks.install(&two);
        assert_eq!(sinks.of(1).map(|board| board.world()), Some(1));
        assert_eq!(sinks.of(7).map(|board| board.world()), Some(2));
        drop(two);
        assert_eq!(sinks.of(7).map(|board| board.world()), Some(1));
    }
}
