//! Batches that could not be judged: a few looks in a row, then behind the others.

use std::collections::HashMap;

/// Looks in a row after which a batch waits behind the others.
const LOOKS: u32 = 5;

/// Failed looks by batch.
#[derive(Debug, Default)]
pub(super) struct Doubts(HashMap<u64, u32>);

impl Doubts {
    /// The batches to judge, in order. Of those that have failed often it is the one that has
    /// failed least, at the end, so that each look tries a single one of them.
    pub(super) fn order(&self, ended: &[u64]) -> Vec<u64> {
        let looks = |id: &u64| self.0.get(id).copied().unwrap_or(0);
        let (mut order, often): (Vec<u64>, Vec<u64>) =
            ended.iter().partition(|id| looks(id) < LOOKS);
        order.extend(often.iter().min_by_key(|id| looks(id)));
        order
    }

    /// A look has failed. Returns how many in a row.
    pub(super) fn add(&mut self, id: u64) -> u32 {
        let looks = self.0.entry(id).or_default();
        *looks = looks.saturating_add(1);
        *looks
    }

    /// The batch has been judged.
    pub(super) fn clear(&mut self, id: u64) {
        self.0.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_often_waits_behind_the_others_in_turn() {
        let mut doubts = Doubts::default();
        assert_eq!(doubts.order(&[1, 2, 3]), [1, 2, 3]);
        for id in [1, 2] {
            for _ in 0..LOOKS {
                doubts.add(id);
            }
        }
        assert_eq!(doubts.order(&[1, 2, 3]), [3, 1]);
        doubts.add(1);
        assert_eq!(doubts.order(&[1, 2, 3]), [3, 2]);
        doubts.clear(1);
        assert_eq!(doubts.order(&[1, 2, 3]), [1, 3, 2]);
    }
}
