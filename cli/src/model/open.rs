//! `deepnode model open`

use dn_core::commitment::{from_bytes, to_bytes, Fr};
use dn_core::digest::{score_leaf, Tree};
use dn_core::labels::LABELS_PER_WORD;
use dn_core::proof_file::ProofFile;
use dn_core::statement::DIGEST_AT;
use dn_service::Report;
use serde_json::{json, Value};

use super::{id_text, read};
use crate::args::Open;
use crate::error::Failure;

/// Prints what shows that the commitments of a slot belong to a proof's digest.
pub(crate) fn open(args: &Open) -> Result<Report, Failure> {
    let file = ProofFile::from_bytes(&read(&args.proof)?)?;
    if args.slot >= file.batch {
        return Err(Failure::new(
            "slot",
            format!("slot {} of a batch with {} inferences", args.slot, file.batch),
            "slots count from 0",
        ));
    }
    let leaves: Option<Vec<Fr>> = file.leaves.iter().map(from_bytes).collect();
    let Some(tree) = leaves.and_then(|leaves| Tree::new(&leaves)) else {
        return Err(Failure::new(
            "no_digest",
            "the proof lists its commitments, so there is nothing to open",
            "prove with --digest, or read the commitments among the public inputs",
        ));
    };
    let opening = |leaf: usize| -> Value {
        let text = |x: &Fr| id_text(&to_bytes(*x));
        let path = tree.path(leaf).unwrap_or_default();
        let path: Vec<Vec<String>> = path.iter().map(|p| p.iter().map(text).collect()).collect();
        json!({ "leaf": leaf, "value": id_text(&file.leaves[leaf]), "path": path })
    };
    let mut report = Report::default();
    report
        .set("digest", id_text(&file.instances[DIGEST_AT]))
        .set("slots", file.slots)
        .set("slot", args.slot)
        .set("input", opening(args.slot))
        .set("labels", opening(file.slots + args.slot / LABELS_PER_WORD))
        .set("score", opening(score_leaf(file.slots)))
        .set("output", opening(score_leaf(file.slots) + 1 + args.slot));
    Ok(report)
}
