//! `deepnode model verify`

use dn_circuits::Slot;
use dn_core::canonical::{self, Batch};
use dn_core::commitment::to_bytes;
use dn_core::proof_file::ProofFile;
use dn_core::statement::{Form, DIGEST_AT};
use dn_import::Stored;
use dn_prover::Usage;
use dn_service::Report;
use dn_verifier::evm::EvmVerifier;
use dn_verifier::VerifyError;

use super::provable::Provable;
use super::{id_text, read};
use crate::args::{Global, Verify};
use crate::error::Failure;
use crate::output::{spinner, thousandths};

/// Verifies a proof against the key that the package itself yields.
pub(crate) fn verify(args: &Verify, global: &Global) -> Result<Report, Failure> {
    let provable = Provable::read(&args.package)?;
    if args.evm && matches!(provable.stored, Stored::Sequence(_)) {
        let hint = "leave --evm out: the proof is verified natively";
        return Err(Failure::new(
            "sequence_option",
            "no contract verifies proofs of sequences yet",
            hint,
        ));
    }
    let file = ProofFile::from_bytes(&read(&args.proof)?)?;
    check_header(&file, &provable)?;
    let progress = spinner("deriving the verifying key");
    let prover = provable.prover(provable.frame(file.slots, file.form()), global)?;
    let protocol = prover.keys().protocol();
    progress.set_message("verifying");
    let (verdict, usage) =
        Usage::of(|| dn_verifier::verify(protocol, &file.instances, &file.proof));
    verdict?;
    let mut report = Report::default();
    report
        .set("verified", true)
        .set("model_id", id_text(&provable.id))
        .set("batch", file.batch)
        .set("slots", file.slots)
        .set("digest", digest(&file))
        .set("cpu_s", thousandths(usage.cpu_s))
        .set("wall_s", thousandths(usage.wall_s))
        .set("k", protocol.k)
        .set("opening", protocol.scheme().name())
        .set("advice_columns", protocol.advice_columns())
        .set("proof_bytes", file.proof.len());
    if args.evm {
        let mut evm = EvmVerifier::deploy(protocol)?;
        let verdict = evm.verify(&file.instances, &file.proof)?;
        if !verdict.accepted {
            return Err(Failure::new(
                "proof_rejected",
                "the Solidity verifier rejects the proof",
                "do not rely on these answers: the proof does not hold",
            ));
        }
        report
            .set("gas", verdict.gas)
            .set("gas_above_floor", verdict.gas_above_floor)
            .set("execution_gas", verdict.execution_gas)
            .set("gas_with_floor_64", verdict.gas_with_floor(64))
            .set("gas_per_inference", verdict.gas / file.batch.max(1) as u64)
            .set("vk_bytes", evm.key_bytes)
            .set("vk_deploy_gas", evm.key_gas);
    }
    progress.finish_and_clear();
    Ok(report)
}

/// The digest of the commitments, where they are not public inputs themselves.
fn digest(file: &ProofFile) -> Option<String> {
    (file.form() == Form::Digest).then(|| id_text(&file.instances[DIGEST_AT]))
}

/// Holds the statement to the package and to the file's own header. A proof outside of a rollup
/// belongs to any header.
fn check_header(file: &ProofFile, provable: &Provable) -> Result<(), Failure> {
    if file.model_id != provable.id {
        let hint = "verify with the package that the proof was made for";
        return Err(Failure::new("proof_rejected", "the proof is for another model", hint));
    }
    let null = Slot::null(provable.input_len());
    let checked = canonical::read(&file.instances).and_then(|read| {
        let read = if file.leaves.is_empty() { read } else { read.with_leaves(&file.leaves)? };
        read.is_of(&Batch {
            slots: file.slots,
            header: *read.header(),
            inputs: &file.inputs()[..file.batch],
            labels: None,
            null_input: to_bytes(null.input_commitment()),
        })
    });
    checked.map(|_| ()).map_err(|flaw| Failure::from(VerifyError::from(flaw)))
}

#[cfg(test)]
mod tests {
    use dn_core::statement::{Score, Statement};
    use dn_core::Width;

    use super::super::sample::two_inputs;
    use super::*;

    const ID: [u8; 32] = [7; 32];

    fn provable() -> Provable {
        Provable { stored: Stored::Graph(Box::new(two_inputs(Width::Default))), id: ID }
    }

    /// A file whose slots behind the first hold this.
    fn file(behind: &Slot, form: Form) -> ProofFile {
        let mut slots = vec![behind.clone(); 8];
        slots[0] = Slot { input: vec![1, 2], ..Slot::null(2) };
        let inputs: Vec<_> = slots.iter().map(Slot::input_commitment).collect();
        let (header, outputs, score) = (0u64.into(), inputs.clone(), Score::default());
        let labels = slots.iter().map(|slot| slot.label).collect();
        let mut statement =
            Statement { header, count: 1, inputs, labels, score, outputs, digest: None };
        if form == Form::Digest {
            statement.digest = statement.tree().map(|tree| tree.root());
        }
        ProofFile::new(ID, &statement, Vec::new())
    }

    #[test]
    fn slots_behind_the_batch_hold_the_null_input_without_a_label() {
        let null = Slot::null(2);
        let labelled = Slot { label: Some(0), ..null.clone() };
        let other = Slot { input: vec![0, 1], ..null.clone() };
        for form in [Form::Listed, Form::Digest] {
            assert!(check_header(&file(&null, form), &provable()).is_ok());
            assert!(check_header(&file(&labelled, form), &provable()).is_err());
            assert!(check_header(&file(&other, form), &provable()).is_err());
        }
    }

    #[test]
    fn model_version_and_count_are_those_of_the_header() {
        for form in [Form::Listed, Form::Digest] {
            let good = file(&Slot::null(2), form);
            let model = ProofFile { model_id: [8; 32], ..good.clone() };
            let count = ProofFile { batch: 2, ..good.clone() };
            let mut version = good;
            version.instances[0][31] ^= 3;
            for bad in [model, count, version] {
                assert!(check_header(&bad, &provable()).is_err());
            }
        }
    }
}
