//! Dependencies point down: the edges between crates are those of ARCHITECTURE.md, and some
//! libraries stay in their rooms.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What each crate may depend on, tests excepted.
const LAYERS: [(&str, &[&str]); 17] = [
    ("dn-core", &[]),
    ("dn-service", &[]),
    ("dn-testing", &["dn-core"]),
    ("dn-vector", &[]),
    ("dn-import", &["dn-core"]),
    ("dn-circuits", &["dn-core", "dn-vector"]),
    ("dn-sdk", &["dn-core"]),
    ("dn-sim", &["dn-core"]),
    (
        "dn-prover",
        &[
            "dn-core",
            "dn-circuits",
            "dn-import",
            "dn-sdk",
            "dn-service",
            "dn-vector",
            "dn-verifier",
        ],
    ),
    ("dn-verifier", &["dn-core", "dn-import", "dn-sdk", "dn-service"]),
    ("dn-worker", &["dn-core", "dn-import", "dn-sdk", "dn-service"]),
    ("dn-fuzz", &["dn-core", "dn-import", "dn-prover", "dn-verifier"]),
    ("dn-sequencer", &["dn-core", "dn-import", "dn-sdk", "dn-service", "dn-verifier"]),
    ("dn-gateway", &["dn-core", "dn-import", "dn-sdk", "dn-service", "dn-verifier"]),
    ("dn-devnet", &["dn-core", "dn-circuits", "dn-import", "dn-prover", "dn-sdk", "dn-service"]),
    (
        "deepnode",
        &[
            "dn-core",
            "dn-circuits",
            "dn-devnet",
            "dn-gateway",
            "dn-import",
            "dn-prover",
            "dn-sdk",
            "dn-service",
            "dn-verifier",
        ],
    ),
    (
        "dn-e2e",
        &[
            "dn-core",
            "dn-circuits",
            "dn-devnet",
            "dn-import",
            "dn-sdk",
            "dn-service",
            "dn-verifier",
        ],
    ),
];

/// Which crates may use a library, tests excepted.
const ROOMS: [(&str, &[&str]); 11] = [
    ("halo2-axiom", &["dn-circuits", "dn-prover", "dn-vector"]),
    ("tch", &["dn-worker"]),
    ("sqlx", &["dn-sequencer"]),
    ("axum", &["dn-gateway", "dn-sequencer", "dn-service"]),
    ("rmcp", &["dn-gateway"]),
    ("revm", &["dn-verifier"]),
    ("prost", &["dn-import"]),
    ("governor", &["dn-sequencer"]),
    ("chacha20poly1305", &["dn-sequencer"]),
    ("proptest", &["dn-testing"]),
    ("metrics", &["dn-service", "dn-sequencer"]),
];

/// Dependencies of each member of the workspace, tests excepted.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let all = package["dependencies"].as_array().unwrap().iter();
            let needed = all.filter(|d| d["kind"].is_null()).map(|d| text(&d["name"]));
            (text(&package["name"]), needed.collect())
        })
        .collect()
}

#[test]
fn crates_depend_on_lower_ones_only() {
    let found = dependencies();
    let members: BTreeSet<&String> = found.keys().collect();
    let listed: BTreeSet<String> = LAYERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(members, listed.iter().collect(), "a crate is missing in the table");
    for (name, allowed) in LAYERS {
        for needed in found[name].iter().filter(|d| members.contains(d)) {
            assert!(allowed.contains(&needed.as_str()), "{name} must not depend on {needed}");
        }
    }
}

#[test]
fn libraries_stay_in_their_rooms() {
    for (name, needed) in dependencies() {
        for (library, rooms) in ROOMS {
            let is_allowed = !needed.contains(library) || rooms.contains(&name.as_str());
            assert!(is_allowed, "{name} must not use {library}");
        }
    }
}

/// Rules decide by facts: they know no database, no chain, no clock and no network.
#[test]
fn rules_do_no_input_or_output() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../sequencer/src/rules");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let program = text.split("#[cfg(test)]").next().unwrap_or_default();
        let words = [
            "sqlx",
            "alloy",
            "tokio",
            "SystemTime",
            "Instant",
            "async ",
            "crate::store",
            "crate::chain",
        ];
        for word in words {
            let code = program.lines().filter(|l| !l.trim_start().starts_with("//"));
            assert!(!code.into_iter().any(|l| l.contains(word)), "{}: {word}", path.display());
        }
        read += 1;
    }
    assert!(read > 8, "the rules have moved");
}
