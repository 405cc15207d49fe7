//! `deepnode model check-key`

use dn_core::commitment::{null_input, to_bytes};
use dn_core::protocol::Protocol;
use dn_core::statement::{self, Form};
use dn_core::vk_data::vk_data;
use dn_service::Report;
use sha3::{Digest as _, Keccak256};

use super::provable::Provable;
use super::{id_text, read};
use crate::args::{CheckKey, Global};
use crate::error::Failure;
use crate::output::spinner;

/// Derives the key from the package and compares it with a file. A key that is another one could
/// prove another model, or anything.
pub(crate) fn check_key(args: &CheckKey, global: &Global) -> Result<Report, Failure> {
    let provable = Provable::read(&args.package)?;
    let file = Protocol::from_bytes(&read(&args.key)?).map_err(|e| {
        let hint = "a verifying key is the .protocol file beside the package";
        Failure::new("key_malformed", format!("{}: {e}", args.key.display()), hint)
    })?;
    let instances = file.instances as usize;
    let (slots, form) = match (statement::slots(instances), args.slots) {
        (Some(slots), _) if slots > 0 => (slots, Form::Listed),
        (_, Some(slots)) if instances == Form::Digest.instances(slots) => (slots, Form::Digest),
        _ => {
            let hint = "a key for digests does not say its slots: give --slots";
            return Err(Failure::new("key_shape", "the key's batch is not known", hint));
        }
    };
    let progress = spinner("deriving the verifying key");
    let prover = provable.prover(provable.frame(slots, form), global)?;
    let own = prover.keys().protocol().clone();
    progress.finish_and_clear();
    if own != file {
        return Err(Failure::new(
            "key_mismatch",
            format!("the key's {} is not the package's", difference(&own, &file)),
            "do not serve or register this key: make it again from the package, over the same reference string",
        ));
    }
    let null = to_bytes(null_input(provable.input_len()));
    let code = vk_data(&own).ok().map(|code| id_text(&Keccak256::digest(code).into()));
    let mut report = Report::default();
    report
        .set("matches", true)
        .set("model_id", id_text(&provable.id))
        .set("layout", provable.frame(slots, form).width.name())
        .set("opening", own.scheme().name())
        .set("slots", slots)
        .set("digest", form == Form::Digest)
        .set("k", own.k)
        .set("null_input_hash", id_text(&null))
        .set("reference_string", id_text(&own.reference_string()))
        .set("code_hash", code);
    Ok(report)
}

/// The first part in which two keys differ.
fn difference(own: &Protocol, file: &Protocol) -> &'static str {
    if (own.g1, own.g2, own.s_g2) != (file.g1, file.g2, file.s_g2) {
        "reference string"
    } else if own.places != file.places {
        "opening scheme"
    } else if own.k != file.k || own.omega != file.omega {
        "domain"
    } else if own.constraints != file.constraints || own.ops != file.ops {
        "constraint system"
    } else if own.fixed != file.fixed {
        "table of fixed values"
    } else {
        "shape"
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use dn_core::{Scheme, Width};
    use dn_import::Package;

    use super::super::sample::two_inputs;
    use super::*;

    type Change = fn(&mut Protocol);

    /// Writes the package and the key of a small model.
    fn files(folder: &std::path::Path, scheme: Scheme) -> (CheckKey, Protocol, Global) {
        let package = Package { scheme, ..two_inputs(Width::Narrow) };
        let args = CheckKey {
            package: folder.join("two.dnpkg"),
            key: folder.join("two.protocol"),
            slots: None,
        };
        std::fs::write(&args.package, package.to_bytes().unwrap()).unwrap();
        let global = Global { json: true, data_dir: folder.to_owned(), srs: None::<PathBuf> };
        let provable = Provable::read(&args.package).unwrap();
        let prover = provable.prover(provable.frame(4, Form::Listed), &global).unwrap();
        (args, prover.keys().protocol().clone(), global)
    }

    #[test]
    fn only_the_package_s_own_key_matches() {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let cases = [(0, Scheme::Plain), (1, Scheme::Merged)]
            .map(|(i, scheme)| files(folders[i].path(), scheme));
        for (case, other) in [(&cases[0], &cases[1]), (&cases[1], &cases[0])] {
            let (args, own, global) = case;
            let said = |key: &Protocol| {
                std::fs::write(&args.key, key.to_bytes()).unwrap();
                check_key(args, global).map(|_| ()).map_err(|e| format!("{e:?}"))
            };
            assert_eq!(said(own), Ok(()));
            let changes: [(Change, &str); 3] = [
                (|p| p.s_g2 = p.g2, "reference string"),
                (|p| p.fixed.swap(0, 1), "fixed values"),
                (|p| p.constraints.truncate(3), "constraint system"),
            ];
            for (change, what) in changes {
                let mut key = own.clone();
                change(&mut key);
                assert!(said(&key).unwrap_err().contains(what));
            }
            assert!(said(&other.1).unwrap_err().contains("opening scheme"));
        }
    }
}
