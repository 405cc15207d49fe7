//! Whether public inputs are those of a batch.
//!
//! A proof says what its public inputs say; that they are about this batch, and that an honest batch
//! can have them, is checked here, word by word.

use dn_core::api::Bytes32;
use dn_core::statement::{self, Score, INPUTS_AT};

/// What the registry says about batches of a model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Slots of a batch.
    pub(super) slots: u32,
    /// Input commitment of a slot without a task.
    pub(super) null_input: Bytes32,
}

/// The first thing in which `instances` differ from those of a batch under `header` whose tasks have
/// these `inputs`.
pub(super) fn statement_flaw(
    shape: Shape,
    header: Bytes32,
    inputs: &[Bytes32],
    instances: &[Bytes32],
) -> Option<String> {
    let slots = shape.slots as usize;
    let expected = statement::len(slots);
    if instances.len() != expected {
        return Some(format!("{} public inputs, expected {expected}", instances.len()));
    }
    if inputs.is_empty() || inputs.len() > slots {
        return Some(format!("{} tasks in {slots} slots", inputs.len()));
    }
    let head = [number(statement::VERSION), header, number(inputs.len() as u128)];
    if let Some(at) = head.iter().zip(instances).position(|(a, b)| a != b) {
        return Some(format!("public input {at} is another one"));
    }
    let padding = std::iter::repeat(&shape.null_input);
    let all = inputs.iter().chain(padding).zip(&instances[INPUTS_AT..][..slots]);
    if let Some(at) = all.into_iter().position(|(a, b)| a != b) {
        return Some(format!("input commitment {at} is another one"));
    }
    score_flaw(inputs.len(), &instances[statement::score_at(slots)..][..3])
        .or_else(|| outputs_flaw(inputs.len(), &instances[statement::outputs_at(slots)..]))
}

/// Three numbers can be a score without being one that a batch of `count` tasks has.
fn score_flaw(count: usize, words: &[Bytes32]) -> Option<String> {
    let numbers: Option<Vec<u32>> = words.iter().map(small).collect();
    let score = match numbers.as_deref() {
        Some(&[probe_count, probe_correct, margin_sum]) => {
            Score { probe_count, probe_correct, margin_sum }
        }
        _ => return Some("the score is out of range".into()),
    };
    let is_possible = u32::try_from(count).is_ok_and(|count| score.is_possible(count));
    (!is_possible).then(|| format!("no batch of {count} tasks has the score {score:?}"))
}

/// Every task has an answer. Slots without a task have the same input, so the same output.
fn outputs_flaw(count: usize, outputs: &[Bytes32]) -> Option<String> {
    let (answers, unused) = outputs.split_at(count);
    if let Some(at) = answers.iter().position(|output| *output == Bytes32::default()) {
        return Some(format!("output commitment {at} is zero"));
    }
    let differs = unused.windows(2).position(|w| w[0] != w[1]);
    differs.map(|at| format!("output commitment {} is not that of an unused slot", count + at + 1))
}

/// A word as a number of 32 bits.
fn small(word: &Bytes32) -> Option<u32> {
    let (high, low) = word.0.split_at(28);
    let low = low.try_into().ok()?;
    high.iter().all(|b| *b == 0).then(|| u32::from_be_bytes(low))
}

fn number(x: u128) -> Bytes32 {
    let mut bytes = [0; 32];
    bytes[16..].copy_from_slice(&x.to_be_bytes());
    Bytes32(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOTS: usize = 8;
    const TASKS: usize = 5;
    const HEADER: Bytes32 = Bytes32([9; 32]);
    const SHAPE: Shape = Shape { slots: SLOTS as u32, null_input: Bytes32([1; 32]) };

    fn word(x: u8) -> Bytes32 {
        Bytes32([x; 32])
    }

    fn inputs() -> Vec<Bytes32> {
        (20..).take(TASKS).map(word).collect()
    }

    fn honest() -> Vec<Bytes32> {
        let mut all = vec![number(statement::VERSION), HEADER, number(TASKS as u128)];
        all.extend(inputs());
        all.extend([SHAPE.null_input; SLOTS - TASKS]);
        all.extend([3, 2, 510].map(number));
        all.extend((40..).take(TASKS).map(word));
        all.extend([word(2); SLOTS - TASKS]);
        all
    }

    fn flaw(instances: &[Bytes32]) -> Option<String> {
        statement_flaw(SHAPE, HEADER, &inputs(), instances)
    }

    #[test]
    fn an_honest_statement_has_no_flaw() {
        assert_eq!(flaw(&honest()), None);
        let mut no_probes = honest();
        no_probes[statement::score_at(SLOTS)..][..3].copy_from_slice(&[number(0); 3]);
        assert_eq!(flaw(&no_probes), None);
    }

    #[test]
    fn a_full_batch_has_no_unused_slots() {
        let inputs: Vec<Bytes32> = (20..).take(SLOTS).map(word).collect();
        let mut all = vec![number(statement::VERSION), HEADER, number(SLOTS as u128)];
        all.extend(&inputs);
        all.extend([number(0); 3]);
        all.extend((40..).take(SLOTS).map(word));
        assert_eq!(statement_flaw(SHAPE, HEADER, &inputs, &all), None);
    }

    #[test]
    fn another_length_is_a_flaw() {
        let (honest, longer) = (honest(), [&honest()[..], &[number(0)]].concat());
        for instances in [&honest[..0], &honest[..1], &honest[..honest.len() - 1], &longer] {
            assert!(flaw(instances).is_some_and(|f| f.contains("public inputs")));
        }
        // The length of another number of slots.
        assert!(flaw(&honest[..statement::len(SLOTS - 1)]).is_some());
    }

    #[test]
    fn another_number_of_tasks_is_a_flaw() {
        let honest = honest();
        assert!(statement_flaw(SHAPE, HEADER, &[], &honest).is_some());
        assert!(statement_flaw(SHAPE, HEADER, &[word(1); SLOTS + 1], &honest).is_some());
        assert!(statement_flaw(SHAPE, HEADER, &inputs()[1..], &honest).is_some());
    }

    #[test]
    fn every_forged_word_of_head_and_inputs_is_a_flaw() {
        for at in 0..INPUTS_AT + SLOTS {
            let mut forged = honest();
            forged[at].0[31] ^= 1;
            assert!(flaw(&forged).is_some(), "public input {at}");
        }
        let mut moved = honest();
        moved.swap(INPUTS_AT, INPUTS_AT + 1);
        assert!(flaw(&moved).is_some());
    }

    #[test]
    fn a_score_that_no_honest_batch_has_is_a_flaw() {
        let above = TASKS as u128 + 1;
        let forged =
            [[above, 0, 0], [3, 4, 0], [3, 2, 511], [0, 0, 1], [1 << 16, 0, 0], [1 << 32, 0, 0]];
        for score in forged {
            let mut instances = honest();
            instances[statement::score_at(SLOTS)..][..3].copy_from_slice(&score.map(number));
            assert!(flaw(&instances).is_some(), "{score:?}");
        }
        let mut huge = honest();
        huge[statement::score_at(SLOTS) + 2] = word(0xff);
        assert!(flaw(&huge).is_some_and(|f| f.contains("out of range")));
    }

    #[test]
    fn forged_outputs_are_flaws() {
        let at = statement::outputs_at(SLOTS);
        let mut zero = honest();
        zero[at + 2] = Bytes32::default();
        assert!(flaw(&zero).is_some_and(|f| f.contains("commitment 2 is zero")));
        for slot in TASKS..SLOTS {
            let mut other = honest();
            other[at + slot].0[31] ^= 1;
            assert!(flaw(&other).is_some(), "slot {slot}");
        }
    }
}
