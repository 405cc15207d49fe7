//! What a validator says of the workers of an epoch, in the layout of `contracts/src/Metrics.sol`.

use std::collections::BTreeMap;

use alloy::primitives::{keccak256, Address, B256};
use alloy::sol_types::SolValue as _;
use dn_core::api::{NodeView, Role};
use dn_core::units::Fraction;

/// Bytes of a page: 32 seats of 12 bytes.
const PAGE_BYTES: usize = 32 * 12;

/// Looks at a worker, and its last figures.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    looks: u32,
    alive: u32,
    completion: u32,
    speed: u32,
}

/// What was seen of each worker since the epoch began.
#[derive(Clone, Debug, Default)]
pub(super) struct Observations {
    looks: u32,
    workers: BTreeMap<[u8; 20], Seen>,
}

impl Observations {
    /// One more look at the sequencer's nodes.
    pub(super) fn look(&mut self, nodes: &[NodeView]) {
        self.looks += 1;
        for node in nodes.iter().filter(|n| n.role == Role::Worker) {
            let seen = self.workers.entry(node.node.0).or_default();
            seen.looks += 1;
            seen.alive += u32::from(node.is_alive);
            (seen.completion, seen.speed) = (node.trust.completion, node.trust.speed);
        }
    }

    /// Whether there is nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.looks == 0
    }

    /// Completion, uptime and speed of a worker; zeros for one that nobody has heard of. Who was not
    /// listed at every look was not there at the others.
    fn entry(&self, worker: Address) -> [u8; 12] {
        let seen = self.workers.get(&worker.into_array()).copied().unwrap_or_default();
        let looks = u128::from(self.looks.max(1));
        let uptime = Fraction::of_down(u128::from(seen.alive), looks).unwrap_or_default();
        let mut entry = [0; 12];
        for (bytes, value) in entry.chunks_mut(4).zip([seen.completion, uptime.0, seen.speed]) {
            bytes.copy_from_slice(&value.to_be_bytes());
        }
        entry
    }

    /// The entries of the workers in these seats.
    pub(super) fn table(&self, seats: &[Address]) -> Vec<u8> {
        seats.iter().flat_map(|worker| self.entry(*worker)).collect()
    }
}

/// Hashes of a table's pages.
pub(super) fn page_hashes(table: &[u8]) -> Vec<B256> {
    table.chunks(PAGE_BYTES).map(keccak256).collect()
}

/// A table's page; empty where it has none.
pub(super) fn page(table: &[u8], page: usize) -> &[u8] {
    table.chunks(PAGE_BYTES).nth(page).unwrap_or_default()
}

/// What a validator commits to.
pub(super) fn commitment(
    validator: Address,
    registered: u32,
    epoch: u32,
    table: &[u8],
    salt: B256,
) -> B256 {
    let hash = keccak256(page_hashes(table).abi_encode_packed());
    keccak256((validator, registered, epoch, hash, salt).abi_encode())
}

#[cfg(test)]
mod tests {
    use dn_core::api::{Address as Node, TrustView};
    use dn_core::units::ONE;

    use super::*;

    fn node(id: u8, is_alive: bool) -> NodeView {
        let trust =
            TrustView { completion: 7, accuracy: 0, uptime: 0, speed: 9, history: 0, weight: 0 };
        NodeView {
            node: Node([id; 20]),
            role: Role::Worker,
            last_seen_ms: 0,
            is_alive,
            completed: 0,
            trust,
            held: 0,
            allowance: 0,
            is_barred: false,
        }
    }

    #[test]
    fn who_is_not_listed_was_not_there() {
        let mut seen = Observations::default();
        assert!(seen.is_empty());
        seen.look(&[node(1, true), node(2, false)]);
        seen.look(&[node(1, true)]);
        seen.look(&[node(1, false)]);
        let table = seen.table(&[1, 2, 3].map(|id| Address::from([id; 20])));
        let uptime = u32::try_from(u64::from(ONE) * 2 / 3).unwrap().to_be_bytes();
        assert_eq!(table[..4], 7u32.to_be_bytes());
        assert_eq!(table[4..8], uptime);
        assert_eq!(table[8..12], 9u32.to_be_bytes());
        assert_eq!(table[16..20], [0; 4], "listed once, never alive");
        assert_eq!(table[24..], [0; 12], "never listed");
    }

    #[test]
    fn pages_are_of_32_seats() {
        let table = vec![1; 70 * 12];
        assert_eq!(page_hashes(&table).len(), 3);
        assert_eq!(page(&table, 2).len(), 6 * 12);
        assert_eq!(page_hashes(&table)[2], keccak256(page(&table, 2)));
        assert!(page_hashes(&[]).is_empty() && page(&[], 0).is_empty());
    }
}
