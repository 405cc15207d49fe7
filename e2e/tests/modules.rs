//! Modules of the crates that are read most import each other in one direction, and the constraint system
//! imports nothing of what uses it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Crates without a cycle between modules.
const CRATES: [&str; 4] = ["core", "circuits", "prover", "verifier"];
/// What the constraint system may import of its crate.
const SYSTEM: [&str; 3] = ["system", "cells", "field"];

/// A module's place in its crate, the root being empty.
type Module = Vec<String>;

/// The program text of every module: no comments, no unit tests.
fn modules(krate: &str) -> BTreeMap<Module, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(krate).join("src");
    let (mut found, mut folders) = (BTreeMap::new(), vec![source.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let place = path.strip_prefix(&source).unwrap().with_extension("");
            let mut module: Module =
                place.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && module != ["main"] {
                module.pop_if(|last| *last == "mod" || *last == "lib");
                let text = fs::read_to_string(&path).unwrap();
                let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                let code = program.lines().filter(|l| !l.trim_start().starts_with("//"));
                found.insert(module, code.map(|l| format!("{l}\n")).collect());
            }
        }
    }
    assert!(found.len() > 10, "the walk does not find {krate}");
    found
}

/// Names of a path, or of the tree of paths of a `use`, that begins `text`; returns what is behind it.
fn paths<'a>(text: &'a str, before: &[String], found: &mut Vec<Module>) -> &'a str {
    let mut text = text.trim_start();
    if let Some(list) = text.strip_prefix('{') {
        text = list.trim_start();
        while !text.is_empty() && !text.starts_with('}') {
            text = paths(text, before, found);
            text = text.trim_start_matches(|c| c != ',' && c != '}');
            text = text.trim_start_matches([',', ' ', '\n']);
        }
        return text.strip_prefix('}').unwrap_or(text);
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*');
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let path = [before, &[name.to_owned()]].concat();
    let goes_on = |c: char| c.is_alphanumeric() || "_{*".contains(c);
    match rest.strip_prefix("::") {
        Some(next) if !name.is_empty() && next.trim_start().starts_with(goes_on) => {
            paths(next, &path, found)
        }
        _ => {
            found.push(path);
            rest
        }
    }
}

/// Where paths of a module's text begin.
fn beginnings(text: &str) -> impl Iterator<Item = usize> + '_ {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices("::").filter_map(move |(at, _)| {
        let name = text[..at].trim_end_matches(is_word).len();
        (name < at && !text[..name].ends_with(':')).then_some(name)
    })
}

/// The modules that a module names, itself left out.
fn named(all: &BTreeMap<Module, String>, module: &Module) -> BTreeSet<Module> {
    let text = &all[module];
    let is_child = |name: &str| all.contains_key(&[&module[..], &[name.to_owned()]].concat());
    let mut found = BTreeSet::new();
    for at in beginnings(text) {
        let mut leaves = Vec::new();
        paths(&text[at..], &[], &mut leaves);
        for leaf in leaves {
            let ups = leaf.iter().take_while(|name| *name == "super").count();
            let (base, rest) = match leaf[0].as_str() {
                "crate" => (&[][..], &leaf[1..]),
                "self" => (&module[..], &leaf[1..]),
                "super" => (&module[..module.len() - ups], &leaf[ups..]),
                name if is_child(name) => (&module[..], &leaf[..]),
                _ => continue,
            };
            let mut to = [base, rest].concat();
            if to.first().is_some_and(|first| first == "tests") {
                continue;
            }
            while !all.contains_key(&to) {
                to.pop();
            }
            found.insert(to);
        }
    }
    found.remove(module);
    found
}

/// A path from a module back to itself, if there is one.
fn cycle(edges: &BTreeMap<Module, BTreeSet<Module>>) -> Option<String> {
    let mut left = edges.clone();
    while let Some(module) =
        left.iter().find(|(_, to)| to.iter().all(|m| !left.contains_key(m))).map(|(m, _)| m.clone())
    {
        left.remove(&module);
    }
    // Every module that is left names another one of these.
    let mut walk = vec![left.keys().next()?.clone()];
    loop {
        let next = left[walk.last()?].iter().find(|m| left.contains_key(*m))?.clone();
        if let Some(at) = walk.iter().position(|m| *m == next) {
            walk.push(next);
            let names = walk[at..].iter().map(|m| format!("crate::{}", m.join("::")));
            return Some(names.collect::<Vec<_>>().join(" -> "));
        }
        walk.push(next);
    }
}

fn edges(krate: &str) -> BTreeMap<Module, BTreeSet<Module>> {
    let all = modules(krate);
    all.keys().map(|module| (module.clone(), named(&all, module))).collect()
}

#[test]
fn modules_import_each_other_in_one_direction() {
    for krate in CRATES {
        let cycle = cycle(&edges(krate));
        assert!(cycle.is_none(), "{krate}: {}", cycle.unwrap());
    }
}

#[test]
fn the_constraint_system_stands_alone() {
    let edges = edges("circuits");
    let system = edges.iter().filter(|(module, _)| module.first().is_some_and(|m| m == "system"));
    let mut read = 0;
    for (module, to) in system {
        for to in to {
            let room = to.first().map_or("the crate's root", String::as_str);
            assert!(SYSTEM.contains(&room), "crate::{} imports {room}", module.join("::"));
        }
        read += 1;
    }
    assert!(read > 25, "the constraint system has moved");
}

/// The walk above sees what it should see.
#[test]
fn paths_are_read_from_uses_and_from_code() {
    let module = |name: &str| name.split("::").map(str::to_owned).collect::<Module>();
    let text = "use crate::{b::{B, c::C}, d};\nfn f() { super::e::g(); e::h(); x::e::i() }";
    let names = ["a", "b", "b::c", "d", "e", "a::e"];
    let mut all: BTreeMap<Module, String> =
        names.iter().map(|n| (module(n), String::new())).collect();
    all.insert(Vec::new(), String::new());
    all.insert(module("a"), text.to_owned());
    let expected = ["a::e", "b", "b::c", "d", "e"].map(module);
    assert_eq!(named(&all, &module("a")), expected.into());
    let edge = |a: &str, b: &str| (module(a), BTreeSet::from([module(b)]));
    let ring = BTreeMap::from([edge("a", "b"), edge("b", "d"), edge("d", "b")]);
    assert_eq!(cycle(&ring).unwrap(), "crate::b -> crate::d -> crate::b");
    assert_eq!(cycle(&BTreeMap::from([edge("a", "b"), edge("b", "d")])), None);
}
