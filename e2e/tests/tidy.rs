//! The house style that no lint knows: small files, thin programs, no test double in a program.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file, in lines.
const MAX_LINES: usize = 600;
/// Longest `main.rs`, in lines.
const MAX_MAIN_LINES: usize = 60;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Source files under the crates and the contracts, generated and fetched ones excepted.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.')
                    && !["generated", "node_modules", "target", "out"].contains(&&*name)
                {
                    folders.push(path);
                }
            } else if ["rs", "sol", "py", "sh", "js"]
                .iter()
                .any(|e| path.extension().is_some_and(|x| x == *e))
            {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 100, "the walk does not find the sources");
    found
}

#[test]
fn files_are_small() {
    for path in sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
        let is_main = path.file_name().is_some_and(|n| n == "main.rs");
        let is_demo = path.components().any(|c| c.as_os_str() == "demo");
        assert!(
            !is_main || is_demo || lines <= MAX_MAIN_LINES,
            "{} has {lines} lines: move the logic into the library",
            path.display()
        );
    }
}

#[test]
fn programs_hold_no_test_double() {
    let words = ["Fake", "Stub", "MockProver", "todo!(", "unimplemented!("];
    for path in sources().iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        let name = path.display().to_string();
        if name.contains("/tests/") || name.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let program = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let program: String = program.lines().filter(is_code).collect();
        for word in words {
            assert!(!program.contains(word), "{name} contains {word} outside its tests");
        }
    }
}

#[test]
fn modules_are_named_after_what_they_hold() {
    for path in sources() {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let is_vague = ["utils", "util", "helpers", "common", "misc", "manager"].contains(&&*stem);
        assert!(!is_vague, "{} says nothing about its content", path.display());
    }
}

/// Recipes lead to files that are there.
#[test]
fn recipes_name_files_that_exist() {
    let text = fs::read_to_string(root().join("docs/how-to.md")).unwrap();
    let is_path = |word: &&str| word.contains('.') && !word.contains([' ', '(', '=']);
    let (mut named, mut fenced) = (0, false);
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        for path in line.split('`').skip(1).step_by(2).filter(|_| !fenced).filter(is_path) {
            let is_field = path.starts_with("ABOUT.");
            assert!(is_field || root().join(path).exists(), "docs/how-to.md names {path}");
            named += 1;
        }
    }
    assert!(named > 25, "the recipes are written in another way");
}
