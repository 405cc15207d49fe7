//! Rows of the soundness checklist (`docs/book/soundness.md`) that need a real proof. Every verdict
//! is that of halo2's verifier, this crate's and, with the feature `evm`, the contract's.

mod case;

use std::collections::HashSet;
use std::sync::OnceLock;

use ark_bn254::Fq;
use ark_ff::{BigInteger, PrimeField};
use case::{graph, is_exhaustive, prover, tasks, Case};
use dn_circuits::field::{from_core, CoreFr};
use dn_circuits::{Slot, Witness};
use dn_core::canonical::Flaw;
use dn_core::commitment::{from_bytes, to_bytes};
use dn_core::proof_file::ProofFile;
use dn_core::protocol::{Protocol, Word};
use dn_core::quant::execute;
use dn_core::statement::Score;
use dn_verifier::{verify, VerifyError};

/// One proof for all tests.
fn case() -> &'static Case {
    static CASE: OnceLock<Case> = OnceLock::new();
    CASE.get_or_init(|| Case::alone("soundness"))
}

/// Big-endian sum of a word and a number; `None` when it leaves 256 bits.
fn plus(word: &Word, modulus: &[u8]) -> Option<Word> {
    let mut sum = *word;
    let mut carry = 0u16;
    for (to, x) in sum.iter_mut().zip(modulus).rev() {
        let total = u16::from(*to) + u16::from(*x) + carry;
        *to = (total & 0xff) as u8;
        carry = total >> 8;
    }
    (carry == 0).then_some(sum)
}

fn order<F: PrimeField>() -> Vec<u8> {
    F::MODULUS.to_bytes_be()
}

/// Byte offsets of the proof's points and scalars.
fn layout(p: &Protocol) -> (Vec<usize>, Vec<usize>) {
    let head = p.advice_columns() + 1 + p.quotient_pieces as usize;
    let scalars = p.advice_queries.len() + p.fixed_queries.len() + 1;
    let mut points: Vec<usize> = (0..head).map(|i| 64 * i).collect();
    let tail = 64 * head + 32 * scalars;
    points.extend([tail, tail + 64]);
    (points, (0..scalars).map(|i| 64 * head + 32 * i).collect())
}

#[test]
fn soundness_row_11_the_key_and_every_public_input_are_in_the_transcript() {
    let case = case();
    assert!(case.accepts(&case.instances, &case.proof));
    let mut other = case.protocol.clone();
    other.digest[31] ^= 1;
    let verdict = verify(&other, &case.instances, &case.proof);
    assert!(matches!(verdict, Err(VerifyError::Pairing)));
    for at in 0..case.instances.len() {
        let mut forged = case.instances.clone();
        forged[at] = to_bytes(from_bytes(&forged[at]).expect("canonical") + CoreFr::from(1u8));
        assert!(!case.accepts(&forged, &case.proof), "public input {at}");
    }
}

/// The circuit ties nothing to version, header and count: the transcript alone does.
#[test]
fn soundness_row_11_inputs_without_a_gate_are_bound_too() {
    let case = case();
    for at in 0..3 {
        for word in [[0; 32], to_bytes(CoreFr::from(-1)), case.instances[(at + 1) % 3]] {
            let mut forged = case.instances.clone();
            forged[at] = word;
            assert!(!case.accepts(&forged, &case.proof), "public input {at}");
        }
    }
}

/// The circuit binds one packed sum of the score: three other numbers with that sum have a proof, which
/// the constraint system cannot tell from an honest one.
#[test]
fn soundness_row_11_a_score_packed_another_way_is_refused() {
    let case = case();
    let plan = &case.prover.keys().plan;
    let mut tasks = tasks(0);
    for task in &mut tasks {
        let output = execute(&graph(3), &task.input);
        let best = (0..output.len()).max_by_key(|i| output[*i]).expect("three classes");
        task.label = Some(best as u16);
    }
    let honest = Witness::new(&graph(3), plan, &tasks, CoreFr::from(5u8)).expect("a witness");
    let score = honest.statement.score;
    assert!(score.probe_correct > 0 && score.margin_sum > 0);
    let moved = [
        Score {
            probe_count: score.probe_count + (1 << 16),
            probe_correct: score.probe_correct - 1,
            ..score
        },
        Score {
            probe_correct: score.probe_correct + (1 << 16),
            margin_sum: score.margin_sum - 1,
            ..score
        },
    ];
    for score in moved {
        let mut witness = honest.clone();
        witness.statement.score = score;
        let instances: Vec<CoreFr> = witness.statement.instances();
        let words: Vec<Word> = instances.iter().copied().map(to_bytes).collect();
        let proof = case.prover.prove_witness(witness).expect("a proof");
        assert!(case
            .prover
            .verify(&instances.into_iter().map(from_core).collect::<Vec<_>>(), &proof));
        let verdict = verify(&case.protocol, &words, &proof);
        assert!(matches!(verdict, Err(VerifyError::Statement(Flaw::Score { .. }))), "{verdict:?}");
        assert_ne!(case.on_chain(&words, &proof), Some(true), "the contract takes {score:?}");
    }
}

/// Slots without a task are proven like all others, with a label too: who reads the statement refuses it.
#[test]
fn soundness_row_11_a_label_of_an_unused_slot_is_refused() {
    let case = case();
    let plan = &case.prover.keys().plan;
    let mut all = tasks(0);
    all.push(Slot::null(8));
    all.push(Slot { label: Some(2), ..Slot::null(8) });
    let mut witness = Witness::new(&graph(3), plan, &all, CoreFr::from(5u8)).expect("a witness");
    witness.statement.count = 6;
    let instances: Vec<CoreFr> = witness.statement.instances();
    let words: Vec<Word> = instances.iter().copied().map(to_bytes).collect();
    let proof = case.prover.prove_witness(witness).expect("a proof");
    let instances: Vec<_> = instances.into_iter().map(from_core).collect();
    assert!(case.prover.verify(&instances, &proof));
    let verdict = verify(&case.protocol, &words, &proof);
    assert!(matches!(verdict, Err(VerifyError::Statement(Flaw::Label { slot: 7 }))), "{verdict:?}");
    assert_ne!(case.on_chain(&words, &proof), Some(true), "the contract takes the label");
}

/// Messages in another order give other challenges, even where they are equally long.
#[test]
fn soundness_row_11_the_order_of_messages_counts() {
    let case = case();
    let (points, scalars) = layout(&case.protocol);
    let swaps = [(64, points), (32, scalars)];
    for (len, offsets) in swaps {
        let step = if is_exhaustive() { 1 } else { 5 };
        for pair in offsets.windows(2).step_by(step) {
            let mut forged = case.proof.clone();
            forged[pair[0]..pair[0] + len].copy_from_slice(&case.proof[pair[1]..pair[1] + len]);
            forged[pair[1]..pair[1] + len].copy_from_slice(&case.proof[pair[0]..pair[0] + len]);
            let same = forged == case.proof;
            assert_eq!(case.accepts(&case.instances, &forged), same, "{pair:?}");
        }
    }
    let mut phases = case.protocol.clone();
    phases.phases[0].advice.swap(0, 1);
    assert!(verify(&phases, &case.instances, &case.proof).is_err());
    let mut phases = case.protocol.clone();
    phases.phases[0].challenges.swap(0, 1);
    assert!(verify(&phases, &case.instances, &case.proof).is_err());
}

#[test]
fn soundness_row_12_no_query_stands_twice() {
    let case = case();
    for queries in [&case.protocol.advice_queries, &case.protocol.fixed_queries] {
        let distinct: HashSet<_> = queries.iter().map(|q| (q.column, q.rotation)).collect();
        assert_eq!(distinct.len(), queries.len());
        assert!(queries.iter().all(|q| [-1, 0].contains(&q.rotation)));
    }
    // A key that repeats a query has no proof: two values at one point would be separate claims.
    let mut twice = case.protocol.clone();
    twice.advice_queries.push(twice.advice_queries[0]);
    let (_, scalars) = layout(&case.protocol);
    let at = scalars[case.protocol.advice_queries.len()];
    let mut proof = case.proof.clone();
    let value: Vec<u8> = proof[scalars[0]..scalars[0] + 32].to_vec();
    proof.splice(at..at, value);
    assert_eq!(proof.len(), twice.proof_len());
    assert!(verify(&twice, &case.instances, &proof).is_err());
}

#[test]
fn soundness_row_13_challenges_follow_every_cell_of_a_look_up() {
    let p = &case().protocol;
    assert_eq!(p.phases.len(), 2);
    assert_eq!(
        p.phases[0].advice.len(),
        dn_circuits::columns::cells(dn_circuits::Width::Default) + 1
    );
    assert_eq!(p.phases[0].challenges.len(), dn_circuits::columns::CHALLENGES);
    assert!(p.phases[1].challenges.is_empty());
    // A key that draws them before the cells reads another transcript.
    let mut early = p.clone();
    let advice = std::mem::take(&mut early.phases[0].advice);
    early.phases[1].advice.splice(0..0, advice);
    assert!(verify(&early, &case().instances, &case().proof).is_err());
}

#[test]
fn soundness_row_15_every_missing_or_extra_part_is_an_error() {
    let case = case();
    let (points, scalars) = layout(&case.protocol);
    let parts = points.into_iter().map(|at| (at, 64)).chain(scalars.into_iter().map(|at| (at, 32)));
    for (at, len) in parts {
        let short = [&case.proof[..at], &case.proof[at + len..]].concat();
        let verdict = verify(&case.protocol, &case.instances, &short);
        assert!(matches!(verdict, Err(VerifyError::ProofLength { .. })), "{at}");
        let long = [&case.proof[..at + len], &case.proof[at..]].concat();
        let verdict = verify(&case.protocol, &case.instances, &long);
        assert!(matches!(verdict, Err(VerifyError::ProofLength { .. })), "{at}");
    }
    for proof in [&[][..], &[0; 32], &case.proof[..case.proof.len() - 64]] {
        assert!(!case.accepts(&case.instances, proof));
    }
    for instances in [&[][..], &case.instances[1..], &case.instances.repeat(2)] {
        let verdict = verify(&case.protocol, instances, &case.proof);
        assert!(matches!(verdict, Err(VerifyError::InstanceCount { .. })));
        assert!(!case.accepts(instances, &case.proof));
    }
}

/// Keys that lack a part say so, or do not fit the proof.
#[test]
fn soundness_row_15_keys_without_a_part_reject() {
    let case = case();
    let changes: [fn(&mut Protocol); 10] = [
        |p| p.phases.clear(),
        |p| p.phases[0].advice.clear(),
        |p| p.phases[1].advice.truncate(1),
        |p| p.phases[0].challenges.clear(),
        |p| p.fixed.clear(),
        |p| p.advice_queries.clear(),
        |p| p.fixed_queries.truncate(1),
        |p| p.quotient_pieces = 0,
        |p| p.constraints.clear(),
        |p| p.ops.clear(),
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut broken = case.protocol.clone();
        change(&mut broken);
        assert!(verify(&broken, &case.instances, &case.proof).is_err(), "change {i}");
    }
}

#[test]
fn soundness_row_16_no_check_is_a_debug_assertion() {
    let sources = [
        include_str!("../src/field.rs"),
        include_str!("../src/gates.rs"),
        include_str!("../src/merged.rs"),
        include_str!("../src/shplonk.rs"),
        include_str!("../src/transcript.rs"),
        include_str!("../src/verify.rs"),
    ];
    assert!(sources.iter().all(|s| !s.contains("debug_assert") && !s.contains("debug_assertions")));
}

/// A model of the same shape with another bias has another key.
#[test]
fn soundness_row_18_a_proof_of_another_model_is_rejected() {
    let case = case();
    let other = prover(4, "soundness-other");
    let proof = other.prove(&tasks(0), CoreFr::from(5u8)).expect("a proof");
    let instances: Vec<Word> = proof.statement.instances().into_iter().map(to_bytes).collect();
    let keys = other.keys();
    let own = keys.protocol().clone();
    assert!(verify(&own, &instances, &proof.bytes).is_ok());
    assert_eq!(proof.bytes.len(), case.proof.len());
    assert_ne!(own.digest, case.protocol.digest);
    assert!(!case.accepts(&instances, &proof.bytes));
    assert!(!case.accepts(&case.instances, &proof.bytes));
    // Neither half of the key helps: the digest alone, the commitments alone.
    let mut mixed = case.protocol.clone();
    mixed.digest = own.digest;
    assert!(verify(&mixed, &instances, &proof.bytes).is_err());
    let mut mixed = own;
    mixed.fixed = case.protocol.fixed.clone();
    assert!(verify(&mixed, &instances, &proof.bytes).is_err());
}

#[test]
fn soundness_row_21_batches_prove_and_verify() {
    let case = case();
    let runs: i8 = if is_exhaustive() { 40 } else { 2 };
    for run in 0..runs {
        let proof = case.prover.prove(&tasks(run * 3 - 50), CoreFr::from(run.unsigned_abs()));
        let proof = proof.unwrap_or_else(|e| panic!("run {run}: {e}"));
        let instances: Vec<Word> = proof.statement.instances().into_iter().map(to_bytes).collect();
        assert!(case.accepts(&instances, &proof.bytes), "run {run}");
    }
}

#[test]
fn soundness_row_22_points_off_the_curve_or_not_canonical() {
    let case = case();
    let (points, scalars) = layout(&case.protocol);
    for (i, at) in points.iter().copied().enumerate() {
        let mut forgeries: Vec<[Word; 2]> = vec![[[0xff; 32]; 2]];
        let read = |at: usize| -> Word { case.proof[at..at + 32].try_into().expect("a word") };
        let (x, y) = (read(at), read(at + 32));
        forgeries.push([y, x]);
        forgeries.extend(plus(&x, &order::<Fq>()).map(|x| [x, y]));
        forgeries.extend(plus(&y, &order::<Fq>()).map(|y| [x, y]));
        for forged in forgeries {
            let mut proof = case.proof.clone();
            proof[at..at + 64].copy_from_slice(forged.as_flattened());
            let verdict = verify(&case.protocol, &case.instances, &proof);
            assert!(matches!(verdict, Err(VerifyError::Point { offset }) if offset == at), "{at}");
            if i % 16 == 0 || is_exhaustive() {
                assert!(!case.accepts(&case.instances, &proof), "{at}");
            }
        }
    }
    for at in scalars {
        let word: Word = case.proof[at..at + 32].try_into().expect("a word");
        let Some(forged) = plus(&word, &order::<CoreFr>()) else { continue };
        let mut proof = case.proof.clone();
        proof[at..at + 32].copy_from_slice(&forged);
        let verdict = verify(&case.protocol, &case.instances, &proof);
        assert!(matches!(verdict, Err(VerifyError::Scalar { offset }) if offset == at), "{at}");
    }
}

/// Each change makes a key that no proof is verified under.
fn refuses_keys(case: &Case, changes: &[fn(&mut Protocol)]) {
    for (i, change) in changes.iter().enumerate() {
        let mut broken = case.protocol.clone();
        change(&mut broken);
        let verdict = verify(&broken, &case.instances, &case.proof);
        assert!(matches!(verdict, Err(VerifyError::Key { .. })), "change {i}: {verdict:?}");
    }
}

/// Points of the key: off the curve, or on the curve of G2 but outside of its subgroup.
#[test]
fn soundness_row_22_keys_have_valid_points() {
    let case = case();
    let changes: [fn(&mut Protocol); 4] = [
        |p| p.g1[0][31] ^= 1,
        |p| p.g2[1][31] ^= 1,
        |p| p.s_g2[3][31] ^= 1,
        |p| p.fixed[0][1][31] ^= 1,
    ];
    refuses_keys(case, &changes);
}

/// Zeros are how libraries write the point at infinity: it is in the group, but in no proof.
#[test]
fn soundness_row_22_points_at_infinity() {
    let case = case();
    // A key without gates and with columns of zeros, and a proof of zeros only.
    let mut empty = case.protocol.clone();
    empty.constraints.clear();
    empty.fixed.fill([[0; 32]; 2]);
    let verdict = verify(&empty, &case.instances, &vec![0; case.proof.len()]);
    assert!(matches!(verdict, Err(VerifyError::Point { offset: 0 })), "{verdict:?}");
    let (points, _) = layout(&case.protocol);
    for (i, at) in points.into_iter().enumerate() {
        let mut proof = case.proof.clone();
        proof[at..at + 64].fill(0);
        if i % 16 == 0 || is_exhaustive() {
            assert!(!case.accepts(&case.instances, &proof), "{at}");
        }
        let verdict = verify(&case.protocol, &case.instances, &proof);
        assert!(matches!(verdict, Err(VerifyError::Point { offset }) if offset == at), "{at}");
    }
    let changes: [fn(&mut Protocol); 3] =
        [|p| p.g1 = [[0; 32]; 2], |p| p.g2 = [[0; 32]; 4], |p| p.s_g2 = [[0; 32]; 4]];
    refuses_keys(case, &changes);
}

/// The honest proof, unchanged, beside commitments to other outputs.
#[test]
fn soundness_row_24_an_honest_proof_with_other_outputs_is_rejected() {
    let case = case();
    let outputs_at = case.instances.len() - 8;
    for slot in 0..6 {
        for change in [1, -1, 127] {
            let mut output = execute(&graph(3), &tasks(0)[slot].input);
            output[slot % 3] = output[slot % 3].wrapping_add(change);
            let salt = tasks(0)[slot].salt;
            let mut forged = case.instances.clone();
            forged[outputs_at + slot] = to_bytes(dn_core::commitment::output(&output, salt));
            assert!(!case.accepts(&forged, &case.proof), "slot {slot}");
        }
    }
    for at in 0..case.instances.len() {
        if let Some(forged) = plus(&case.instances[at], &order::<CoreFr>()) {
            let mut instances = case.instances.clone();
            instances[at] = forged;
            let verdict = verify(&case.protocol, &instances, &case.proof);
            assert!(matches!(verdict, Err(VerifyError::Instance { index }) if index == at));
            assert!(!case.accepts(&instances, &case.proof), "public input {at} + r");
        }
    }
}

#[test]
fn soundness_row_25_a_proof_file_reads_back_and_malformed_ones_are_errors() {
    let case = case();
    let path = std::env::temp_dir().join(format!("dn-proof-{}.proof", std::process::id()));
    let (instances, proof) = (case.instances.clone(), case.proof.clone());
    let leaves = Vec::new();
    let file = ProofFile { model_id: [7; 32], slots: 8, batch: 6, instances, leaves, proof };
    std::fs::write(&path, file.to_bytes()).expect("write the proof");
    let bytes = std::fs::read(&path).expect("read the proof");
    std::fs::remove_file(&path).expect("remove the proof");
    let read = ProofFile::from_bytes(&bytes).expect("a proof file");
    assert!(read == file);
    assert!(case.accepts(&read.instances, &read.proof));

    let step = if is_exhaustive() { 1 } else { 7 };
    for at in (0..bytes.len()).step_by(step) {
        assert!(ProofFile::from_bytes(&bytes[..at]).is_err(), "length {at}");
        let mut forged = bytes.clone();
        forged[at] ^= 1 << (at % 8);
        // The header's numbers are not hashed: what still reads has the same proof, and another
        // statement, unless only the case of a digit changed.
        if let Ok(other) = ProofFile::from_bytes(&forged) {
            assert!(other.proof == file.proof, "byte {at}");
            let same = other.instances == file.instances;
            let accepted = verify(&case.protocol, &other.instances, &other.proof).is_ok();
            assert_eq!(accepted, same, "byte {at}");
        }
    }
    for bytes in [&b""[..], b"\n", b"{}\n", b"null\n\n", &[0xff; 100]] {
        assert!(ProofFile::from_bytes(bytes).is_err());
    }
    let key = case.protocol.to_bytes();
    for at in (0..key.len()).step_by(977) {
        assert!(Protocol::from_bytes(&key[..at]).is_err(), "key of length {at}");
    }
    assert!(Protocol::from_bytes(&key).expect("a key") == case.protocol);
}

/// halo2's verifier, given the same malformed transcripts, returns instead of panicking.
#[test]
fn soundness_row_25_the_library_does_not_panic_on_malformed_proofs() {
    let case = case();
    let decoded: Vec<_> =
        case.instances.iter().map(|i| from_core(from_bytes(i).expect("canonical"))).collect();
    for len in (0..case.proof.len()).step_by(331) {
        assert!(!case.prover.verify(&decoded, &case.proof[..len]), "length {len}");
    }
}
