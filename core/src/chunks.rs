//! How the slots of a batch are divided for settlement: each chunk is settled once, by itself.
//!
//! ```text
//! chunk j      slots 60 j .. 60 (j + 1), words of labels 4 j .. 4 (j + 1)
//! the last     up to 64 slots, so that a batch of 64 is one chunk
//! ```
//!
//! Sixty slots have four whole words of labels ([`crate::labels`]). `contracts/src/Chunks.sol` says the same.

use std::ops::Range;

use crate::labels::LABELS_PER_WORD;

/// Slots of every chunk but the last.
pub const CHUNK_SLOTS: usize = 60;
/// Most slots of the last chunk.
pub const MAX_CHUNK_SLOTS: usize = 64;

/// Chunks of a batch with so many slots.
#[must_use]
pub const fn count(batch_slots: usize) -> usize {
    if batch_slots <= MAX_CHUNK_SLOTS {
        return 1;
    }
    (batch_slots - (MAX_CHUNK_SLOTS - CHUNK_SLOTS)).div_ceil(CHUNK_SLOTS)
}

/// The slots of a chunk.
#[must_use]
pub fn slots(batch_slots: usize, chunk: usize) -> Range<usize> {
    let from = chunk * CHUNK_SLOTS;
    let to = if chunk + 1 == count(batch_slots) { batch_slots } else { from + CHUNK_SLOTS };
    from..to
}

/// The words of labels of a chunk.
#[must_use]
pub fn words(batch_slots: usize, chunk: usize) -> Range<usize> {
    let Range { start, end } = slots(batch_slots, chunk);
    start / LABELS_PER_WORD..end.div_ceil(LABELS_PER_WORD)
}

/// The chunks that have tasks, where the first `tasks` slots have one.
#[must_use]
pub fn used(batch_slots: usize, tasks: usize) -> usize {
    (0..count(batch_slots)).filter(|chunk| slots(batch_slots, *chunk).start < tasks).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_slot_and_every_label_once() {
        for batch in 1..=1_024 {
            let chunks = count(batch);
            let mut at = (0, 0);
            for chunk in 0..chunks {
                let (slots, words) = (slots(batch, chunk), words(batch, chunk));
                assert_eq!((slots.start, words.start), at);
                assert!(!slots.is_empty() && slots.len() <= MAX_CHUNK_SLOTS);
                at = (slots.end, words.end);
            }
            assert_eq!(at, (batch, crate::labels::words(batch)), "{batch}");
            assert_eq!(used(batch, batch), chunks);
        }
        assert_eq!([1, 4, 64, 65, 124, 125, 1_024].map(count), [1, 1, 1, 2, 2, 3, 17]);
        assert_eq!([1, 60, 61, 130].map(|tasks| used(130, tasks)), [1, 1, 2, 3]);
    }
}
