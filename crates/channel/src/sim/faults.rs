//! Conditions and faults of a simulated network: what its state does when it is struck.

use std::mem;

use tokio::time::Instant;

use super::{
    conditions::SimConditions,
    connection::{Connection, Side, Wakers},
    fabric::{NodeLife, State},
};

impl State {
    pub(super) fn set_default_conditions(&mut self, conditions: SimConditions) {
        for path in self.paths.values_mut().filter(|path| !path.is_set) {
            path.conditions = conditions.clone();
        }
        self.default_conditions = conditions;
    }

    pub(super) fn set_conditions(
        &mut self,
        from: usize,
        to: usize,
        conditions: SimConditions,
        now: Instant,
    ) {
        let path = self.path(from, to, now);
        path.conditions = conditions;
        path.is_set = true;
    }

    /// Does `fault` to all connections between two nodes.
    pub(super) fn strike(
        &mut self,
        (one, other): (usize, usize),
        fault: impl Fn(&mut Connection, &mut Wakers),
    ) {
        for connection in self.connections.values_mut() {
            if connection.sides_from(one, other).next().is_some()
                || connection.sides_from(other, one).next().is_some()
            {
                fault(connection, &mut self.wakers);
            }
        }
    }

    pub(super) fn block(&mut self, from: usize, to: usize, now: Instant) {
        let path = self.path(from, to, now);
        if mem::replace(&mut path.is_blocked, true) {
            return;
        }
        for connection in self.connections.values_mut() {
            for side in connection.sides_from(from, to) {
                connection.hold(side, now);
            }
        }
    }

    pub(super) fn unblock(&mut self, from: usize, to: usize, now: Instant) {
        let path = self
            .paths
            .get_mut(&(from, to))
            .filter(|path| path.is_blocked);
        let Some(path) = path else {
            return;
        };
        path.is_blocked = false;
        for connection in self.connections.values_mut() {
            for side in connection.sides_from(from, to) {
                connection.release(side, now, path, &mut self.wakers);
            }
        }
    }

    /// Returns the ways that a partition blocks.
    pub(super) fn blocked(&self) -> Vec<(usize, usize)> {
        let blocked = self.paths.iter().filter(|(_, path)| path.is_blocked);
        blocked.map(|(&way, _)| way).collect()
    }

    pub(super) fn set_frozen(&mut self, node: usize, is_frozen: bool) {
        self.nodes[node].is_frozen = is_frozen;
        let (services, wakers) = (&mut self.services, &mut self.wakers);
        for connection in self.connections.values_mut() {
            if Side::BOTH
                .into_iter()
                .any(|side| connection.node(side) == node)
            {
                connection.wake(wakers);
            }
        }
        let services = services.values_mut().filter(|service| service.node == node);
        for listening in services.filter_map(|service| service.listening.as_mut()) {
            wakers.wake(&mut listening.waker);
        }
    }

    /// Ends all that the node has, and returns its next life.
    pub(super) fn restart(&mut self, node: usize, now: Instant) -> NodeLife {
        let numbers: Vec<u64> = self.connections.keys().copied().collect();
        for number in numbers {
            for side in Side::BOTH {
                if self.connections[&number].node(side) == node {
                    self.with_path(number, side, now, |connection, path, rng, wakers| {
                        connection.crash(side, now, path, rng, wakers);
                    });
                }
            }
        }
        let listeners: Vec<(String, u64)> = self
            .services
            .iter()
            .filter(|(_, service)| service.node == node)
            .filter_map(|(name, service)| {
                let listening = service.listening.as_ref()?;
                Some((name.clone(), listening.number))
            })
            .collect();
        for (name, number) in listeners {
            self.unlisten(&name, number, now);
        }
        self.nodes[node].is_frozen = false;
        self.nodes[node].life += 1;
        let life = self.nodes[node].life;
        NodeLife { node, life }
    }
}
