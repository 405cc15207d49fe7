//! Whether public inputs are ones that an honest batch can have.
//!
//! A proof says what its public inputs say; the circuit leaves some of them to their reader. It binds
//! one packed sum of the score, so three other numbers could stand for it; it does not know how many
//! slots are in use, nor what an unused one holds: its label would count. Whoever relies on a proof asks here: [`read`] for
//! what can be seen from the public inputs alone, [`Canonical::is_of`] for a batch that is known.

use thiserror::Error;

use crate::commitment::{from_bytes, to_bytes, Fr};
use crate::digest;
use crate::labels::{self, entry, LABELS_PER_WORD};
use crate::protocol::Word;
use crate::statement::{self, Form, Score, INPUTS_AT};

/// Why no honest batch has these public inputs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    /// No batch has so many.
    #[error("{got} public inputs are those of no batch")]
    Length {
        /// Their number.
        got: usize,
    },
    /// The first one names no statement that is known.
    #[error("public input 0 names another statement")]
    Version,
    /// The header is another one.
    #[error("public input 1 is another header's")]
    Header,
    /// The number of tasks.
    #[error("the statement is not about {expected} of {slots} slots")]
    Count {
        /// Tasks of the batch.
        expected: usize,
        /// Its slots.
        slots: usize,
    },
    /// There is no task, or more than there are slots.
    #[error("public input 2 is no number of tasks")]
    NoCount,
    /// The score's three numbers.
    #[error("no batch of {count} tasks has the score that is stated")]
    Score {
        /// Tasks of the batch.
        count: usize,
    },
    /// The label of a slot: one of an unused slot, one that is another than the task's, or a word that is not
    /// below `2^240`.
    #[error("slot {slot} cannot have its label")]
    Label {
        /// Counted from 0.
        slot: usize,
    },
    /// The input of a slot.
    #[error("the input commitment of slot {slot} is another one")]
    Input {
        /// Counted from 0.
        slot: usize,
    },
    /// The output of a slot: zero, or not that of the other unused slots.
    #[error("slot {slot} cannot have its output commitment")]
    Output {
        /// Counted from 0.
        slot: usize,
    },
    /// The commitments are not those of the digest.
    #[error("the commitments are not those of the digest")]
    Digest,
}

/// A batch that a statement should be about.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Slots of its key.
    pub slots: usize,
    /// Public input 1.
    pub header: Word,
    /// Input commitments of its tasks, in order.
    pub inputs: &'a [Word],
    /// Their labels, to whom they are known.
    pub labels: Option<&'a [Option<u16>]>,
    /// Input commitment of a slot without a task.
    pub null_input: Word,
}

/// What is tied to the witness: commitments, labels and score.
#[derive(Clone, Copy, Debug)]
struct Listing<'a> {
    inputs: &'a [Word],
    labels: &'a [Word],
    score: Score,
    outputs: &'a [Word],
}

/// Public inputs that a batch can have.
#[derive(Clone, Copy, Debug)]
pub struct Canonical<'a> {
    header: &'a Word,
    count: usize,
    /// None where a digest stands for it.
    listing: Option<Listing<'a>>,
    digest: Option<&'a Word>,
}

/// Reads public inputs, big-endian.
///
/// # Errors
/// The first thing in which they differ from those of every honest batch.
pub fn read(words: &[Word]) -> Result<Canonical<'_>, Flaw> {
    let [version, header, count, rest @ ..] = words else {
        return Err(Flaw::Length { got: words.len() });
    };
    let is = |form: Form| *version == to_bytes(Fr::from(form.version()));
    let count = number(count).map(|count| count as usize).filter(|count| *count > 0);
    let count = count.ok_or(Flaw::NoCount)?;
    if is(Form::Digest) {
        let [digest] = rest else { return Err(Flaw::Length { got: words.len() }) };
        return Ok(Canonical { header, count, listing: None, digest: Some(digest) });
    }
    if !is(Form::Listed) {
        return Err(Flaw::Version);
    }
    let slots = statement::slots(words.len()).ok_or(Flaw::Length { got: words.len() })?;
    let at = statement::score_at(slots);
    let score = match [at, at + 1, at + 2].map(|i| number(&words[i])) {
        [Some(probe_count), Some(probe_correct), Some(margin_sum)] => {
            Score { probe_count, probe_correct, margin_sum }
        }
        _ => return Err(Flaw::Score { count }),
    };
    let labels_at = statement::labels_at(slots);
    let (inputs, labels) = (&words[INPUTS_AT..labels_at], &words[labels_at..at]);
    let listing =
        Listing { inputs, labels, score, outputs: &words[statement::outputs_at(slots)..] };
    listing.check(count)?;
    Ok(Canonical { header, count, listing: Some(listing), digest: None })
}

impl<'a> Canonical<'a> {
    /// Public input 1.
    #[must_use]
    pub fn header(&self) -> &'a Word {
        self.header
    }

    /// Tasks of the batch, at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The score, where the statement has it.
    #[must_use]
    pub fn score(&self) -> Option<Score> {
        self.listing.map(|listing| listing.score)
    }

    /// Adds what a digest stands for: the leaves of its tree.
    ///
    /// # Errors
    /// When they are other ones, or those of no honest batch.
    pub fn with_leaves(self, leaves: &'a [Word]) -> Result<Self, Flaw> {
        let Some(digest) = self.digest else { return Err(Flaw::Digest) };
        let elements: Option<Vec<Fr>> = leaves.iter().map(from_bytes).collect();
        let tree = elements.as_deref().and_then(digest::Tree::new).ok_or(Flaw::Digest)?;
        if to_bytes(tree.root()) != *digest {
            return Err(Flaw::Digest);
        }
        let slots = digest::slots(leaves.len()).ok_or(Flaw::Digest)?;
        let (inputs, rest) = leaves.split_at(slots);
        let (labels, rest) = rest.split_at(digest::label_leaves(slots));
        let [score, outputs @ ..] = rest else { return Err(Flaw::Digest) };
        let score = unpacked(score).ok_or(Flaw::Score { count: self.count })?;
        let listing = Listing { inputs, labels, score, outputs };
        listing.check(self.count)?;
        Ok(Self { listing: Some(listing), ..self })
    }

    /// Checks that the statement is about a batch. Where a digest stands for commitments, its leaves
    /// must have been added.
    ///
    /// # Errors
    /// The first thing in which they differ.
    pub fn is_of(&self, batch: &Batch<'_>) -> Result<Score, Flaw> {
        let listing = self.listing.as_ref().ok_or(Flaw::Digest)?;
        let (slots, expected) = (batch.slots, batch.inputs.len());
        if listing.inputs.len() != slots || self.count != expected {
            return Err(Flaw::Count { expected, slots });
        }
        if *self.header != batch.header {
            return Err(Flaw::Header);
        }
        let inputs = batch.inputs.iter().chain(std::iter::repeat(&batch.null_input));
        if let Some(slot) = listing.inputs.iter().zip(inputs).position(|(a, b)| a != b) {
            return Err(Flaw::Input { slot });
        }
        let labels = batch.labels.into_iter().flatten().map(|label| entry(*label));
        match listing.entries()?.iter().zip(labels).position(|(a, b)| *a != b) {
            Some(slot) => Err(Flaw::Label { slot }),
            None => Ok(listing.score),
        }
    }
}

impl Listing<'_> {
    /// What stands for the label of every slot, and for those behind them.
    fn entries(&self) -> Result<Vec<u16>, Flaw> {
        let mut all = Vec::with_capacity(self.labels.len() * LABELS_PER_WORD);
        for word in self.labels {
            all.extend(labels::unpack(word).ok_or(Flaw::Label { slot: all.len() })?);
        }
        Ok(all)
    }

    fn check(&self, count: usize) -> Result<(), Flaw> {
        if count > self.inputs.len() {
            return Err(Flaw::NoCount);
        }
        let entries = self.entries()?;
        let (used, unused) = entries.split_at(count);
        if let Some(at) = unused.iter().position(|entry| *entry != 0) {
            return Err(Flaw::Label { slot: count + at });
        }
        let labelled = used.iter().filter(|entry| **entry != 0).count();
        let is_possible = u32::try_from(count).is_ok_and(|count| self.score.is_possible(count));
        if !is_possible || labelled != self.score.probe_count as usize {
            return Err(Flaw::Score { count });
        }
        // Slots without a task have one input, and so one output.
        let differs = |words: &[Word]| words[count..].windows(2).position(|w| w[0] != w[1]);
        if let Some(at) = differs(self.inputs) {
            return Err(Flaw::Input { slot: count + at + 1 });
        }
        if let Some(at) = differs(self.outputs) {
            return Err(Flaw::Output { slot: count + at + 1 });
        }
        match self.outputs.iter().position(|output| *output == [0; 32]) {
            Some(slot) => Err(Flaw::Output { slot }),
            None => Ok(()),
        }
    }
}

/// A word as a number of 32 bits.
fn number(word: &Word) -> Option<u32> {
    let (high, low) = word.split_last_chunk::<4>()?;
    high.iter().all(|byte| *byte == 0).then(|| u32::from_be_bytes(*low))
}

/// The score that a leaf packs: `probe_count + 2^16 probe_correct + 2^32 margin_sum`, each below 2^16,
/// 2^16 and 2^32.
fn unpacked(leaf: &Word) -> Option<Score> {
    let (high, low) = leaf.split_last_chunk::<8>()?;
    let packed = u64::from_be_bytes(*low);
    let probe_correct = (packed as u32) >> 16;
    high.iter().all(|byte| *byte == 0).then_some(Score {
        probe_count: packed as u32 & 0xffff,
        probe_correct,
        margin_sum: (packed >> 32) as u32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::Statement;

    const SLOTS: usize = 8;
    const TASKS: usize = 5;

    fn word(x: u64) -> Word {
        to_bytes(Fr::from(x))
    }

    /// Slots 0, 2 and 4 have a label.
    fn label(slot: usize) -> Option<u16> {
        (slot < TASKS && slot.is_multiple_of(2)).then_some(7 + slot as u16)
    }

    fn honest(count: usize) -> Statement {
        let commitments = |from: u64, null: u64| {
            let element = |i: usize| Fr::from(if i < count { from + i as u64 } else { null });
            (0..SLOTS).map(element).collect()
        };
        let score = Score { probe_count: 3, probe_correct: 2, margin_sum: 510 };
        let (inputs, outputs) = (commitments(20, 1), commitments(40, 2));
        let header = Fr::from(9u8);
        let labels = (0..SLOTS).map(label).collect();
        Statement { header, count: count as u32, inputs, labels, score, outputs, digest: None }
    }

    fn words(statement: &Statement) -> Vec<Word> {
        statement.instances().into_iter().map(to_bytes).collect()
    }

    fn flaw(words: &[Word]) -> Option<Flaw> {
        let inputs: Vec<Word> = (20..).take(TASKS).map(word).collect();
        let labels: Vec<Option<u16>> = (0..TASKS).map(label).collect();
        let batch = Batch { labels: Some(&labels), ..batch(&inputs) };
        read(words).and_then(|read| read.is_of(&batch)).err()
    }

    /// One of whose labels nothing is known.
    fn batch(inputs: &[Word]) -> Batch<'_> {
        Batch { slots: SLOTS, header: word(9), inputs, labels: None, null_input: word(1) }
    }

    #[test]
    fn an_honest_statement_has_no_flaw() {
        let honest = honest(TASKS);
        assert_eq!(flaw(&words(&honest)), None);
        let no_probes = Statement { score: Score::default(), labels: vec![None; SLOTS], ..honest };
        let words = words(&no_probes);
        let inputs: Vec<Word> = (20..).take(TASKS).map(word).collect();
        assert!(read(&words).unwrap().is_of(&batch(&inputs)).is_ok());
        assert_eq!(flaw(&words), Some(Flaw::Label { slot: 0 }));
    }

    #[test]
    fn a_full_batch_has_no_unused_slots() {
        let words = words(&honest(SLOTS));
        assert_eq!(read(&words).unwrap().count(), SLOTS);
    }

    #[test]
    fn another_length_is_a_flaw() {
        let honest = words(&honest(TASKS));
        for length in 0..honest.len() {
            assert!(flaw(&honest[..length]).is_some(), "{length}");
        }
        assert!(flaw(&[&honest[..], &[word(0)]].concat()).is_some());
        assert!(flaw(&[&honest[..], &[word(0); 2]].concat()).is_some());
    }

    #[test]
    fn every_forged_word_that_a_batch_fixes_is_a_flaw() {
        let outputs = statement::outputs_at(SLOTS);
        for at in (0..INPUTS_AT + SLOTS).chain(outputs + TASKS..outputs + SLOTS) {
            let mut forged = words(&honest(TASKS));
            forged[at][31] ^= 1;
            assert!(flaw(&forged).is_some(), "public input {at}");
        }
        let mut moved = words(&honest(TASKS));
        moved.swap(INPUTS_AT, INPUTS_AT + 1);
        assert_eq!(flaw(&moved), Some(Flaw::Input { slot: 0 }));
        let mut zero = words(&honest(TASKS));
        zero[outputs + 2] = word(0);
        assert_eq!(flaw(&zero), Some(Flaw::Output { slot: 2 }));
    }

    #[test]
    fn no_count_that_the_slots_do_not_hold_is_read() {
        for count in [0, SLOTS as u64 + 1, 1 << 32, (1 << 32) + TASKS as u64] {
            let mut forged = words(&honest(TASKS));
            forged[2] = word(count);
            assert_eq!(read(&forged).err(), Some(Flaw::NoCount), "{count}");
        }
    }

    /// The circuit binds `count + 2^16 correct + 2^32 margin` mod r: these have the same sum as others,
    /// or are out of bounds.
    #[test]
    fn a_score_that_no_honest_batch_has_is_a_flaw() {
        let minus_one = to_bytes(-Fr::from(1u8));
        let above = TASKS as u64 + 1;
        let mut forged = vec![[word(1 << 16), minus_one, word(0)], [word(0), word(0), minus_one]];
        for score in
            [[above, 0, 0], [3, 4, 0], [3, 2, 511], [0, 0, 1], [1 << 16, 0, 0], [1 << 32, 0, 0]]
        {
            forged.push(score.map(word));
        }
        for score in forged {
            let mut words = words(&honest(TASKS));
            words[statement::score_at(SLOTS)..][..3].copy_from_slice(&score);
            assert_eq!(read(&words).err(), Some(Flaw::Score { count: TASKS }), "{score:?}");
        }
    }

    #[test]
    fn labels_that_no_honest_batch_has_are_a_flaw() {
        let at = statement::labels_at(SLOTS);
        // Of an unused slot, whether or not the count fits; of no slot; and a word of 2^240.
        for slot in [TASKS, SLOTS - 1, SLOTS, LABELS_PER_WORD - 1, LABELS_PER_WORD] {
            let mut forged = words(&honest(TASKS));
            forged[at][31 - 2 * slot] = 1;
            let first = if slot < LABELS_PER_WORD { slot } else { 0 };
            assert_eq!(read(&forged).err(), Some(Flaw::Label { slot: first }));
        }
        // Another class, and another number of labels than of probes.
        let mut forged = words(&honest(TASKS));
        forged[at][31] ^= 1;
        assert!(read(&forged).is_ok());
        assert_eq!(flaw(&forged), Some(Flaw::Label { slot: 0 }));
        let mut forged = words(&honest(TASKS));
        forged[at][31 - 2] = 1;
        assert_eq!(read(&forged).err(), Some(Flaw::Score { count: TASKS }));
    }

    #[test]
    fn a_digest_s_leaves_are_held_to_the_same() {
        let digested = |mut statement: Statement| {
            statement.digest = statement.tree().map(|tree| tree.root());
            let leaves: Vec<Word> = statement.leaves().into_iter().map(to_bytes).collect();
            (words(&statement), leaves)
        };
        let check = |(words, leaves): &(Vec<Word>, Vec<Word>)| {
            let inputs: Vec<Word> = (20..).take(TASKS).map(word).collect();
            read(words)?.with_leaves(leaves)?.is_of(&batch(&inputs))
        };
        let honest = honest(TASKS);
        let good = digested(honest.clone());
        assert_eq!(check(&good), Ok(honest.score));
        assert!(read(&good.0).unwrap().is_of(&batch(&[])).is_err());

        let score = Score { probe_count: 3, probe_correct: 2, margin_sum: 511 };
        let forged = digested(Statement { score, ..honest.clone() });
        assert_eq!(check(&forged), Err(Flaw::Score { count: TASKS }));
        let labels = [Some(9)].into_iter().chain(honest.labels[1..].iter().copied()).collect();
        let relabelled = digested(Statement { labels, ..honest.clone() });
        assert_eq!(check(&relabelled), Ok(honest.score));
        let mut labelled = honest.clone();
        labelled.labels[TASKS] = Some(0);
        assert_eq!(check(&digested(labelled)), Err(Flaw::Label { slot: TASKS }));
        let mut padded = honest.clone();
        padded.inputs[SLOTS - 1] = Fr::from(77u8);
        assert_eq!(check(&digested(padded)), Err(Flaw::Input { slot: SLOTS - 1 }));
        let mut other = good.clone();
        other.1[0] = word(7);
        assert_eq!(check(&other), Err(Flaw::Digest));
        let mut behind = digested(honest.clone());
        behind.1[SLOTS + 1] = word(1);
        assert_eq!(check(&behind), Err(Flaw::Digest));
        let short = (good.0.clone(), good.1[..3].to_vec());
        assert_eq!(check(&short), Err(Flaw::Digest));
    }
}
