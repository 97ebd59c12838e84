//! Where an endpoint draws its random numbers from.

#[cfg(feature = "sim")]
use crate::sim::SimNode;

/// A source of random numbers: the system, or the seed of a simulated network.
#[derive(Debug)]
pub(crate) enum Entropy {
    System,
    #[cfg(feature = "sim")]
    Sim(SimNode),
}

impl Entropy {
    /// Returns random bytes.
    ///
    /// # Panics
    ///
    /// If the system has none, which a running kernel does not do.
    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match self {
            Self::System => getrandom::fill(&mut bytes).expect("the kernel has random numbers"),
            #[cfg(feature = "sim")]
            Self::Sim(node) => {
                for chunk in bytes.chunks_mut(size_of::<u64>()) {
                    chunk.copy_from_slice(&node.random().to_le_bytes()[..chunk.len()]);
                }
            }
        }
        bytes
    }

    /// Returns a random number.
    pub(crate) fn number(&self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }
}
