//! When a batch is closed, and which tasks it takes.

/// A task is committed only while its order is good for so much longer: the block comes later.
pub(crate) const COMMIT_MARGIN_S: u64 = 30;
/// How much longer a batch waits than usual while gas is dear.
const PATIENCE: u64 = 4;

/// What is known of the tasks that wait for a batch of one model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Tasks that wait.
    pub(crate) ready: usize,
    /// Slots of a batch.
    pub(crate) slots: usize,
    /// How long the oldest has waited.
    pub(crate) waited_ms: u64,
    /// How long the order is good that ends first.
    pub(crate) shortest_s: u64,
    /// Gas price now, and what it is usually; 0 when unknown.
    pub(crate) gas_price: u128,
    pub(crate) usual_gas_price: u128,
    /// How long a batch waits to be filled.
    pub(crate) wait_ms: u64,
}

/// Whether a batch is closed now: it is full, its oldest task has waited long enough, or an order
/// is about to end. While gas costs twice what it does usually, only a full batch is not worth
/// waiting for.
pub(crate) fn is_due(facts: &Facts) -> bool {
    if facts.ready == 0 {
        return false;
    }
    let is_dear = facts.gas_price > facts.usual_gas_price.saturating_mul(2);
    let wait_ms = if is_dear { facts.wait_ms.saturating_mul(PATIENCE) } else { facts.wait_ms };
    facts.ready >= facts.slots
        || facts.waited_ms >= wait_ms
        || facts.shortest_s <= 2 * COMMIT_MARGIN_S
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            ready: 3,
            slots: 64,
            waited_ms: 100,
            shortest_s: 3_600,
            gas_price: 10,
            usual_gas_price: 10,
            wait_ms: 5_000,
        }
    }

    #[test]
    fn a_batch_closes_when_it_is_full_old_or_pressed() {
        assert!(!is_due(&facts()));
        assert!(is_due(&Facts { ready: 64, ..facts() }));
        assert!(is_due(&Facts { waited_ms: 5_000, ..facts() }));
        assert!(is_due(&Facts { shortest_s: 60, ..facts() }));
        assert!(!is_due(&Facts { ready: 0, waited_ms: 9_999, ..facts() }));
    }

    #[test]
    fn it_waits_longer_while_gas_is_dear() {
        let dear = Facts { gas_price: 21, waited_ms: 5_000, ..facts() };
        assert!(!is_due(&dear));
        assert!(is_due(&Facts { waited_ms: 20_000, ..dear }));
        assert!(is_due(&Facts { ready: 64, ..dear }));
    }
}
