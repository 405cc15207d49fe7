//! Lazily reduced sums of the generated contracts stay within a word, and every value of a proof meets the range
//! check. The contracts are read as text, so that nothing is taken from the code that writes them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeSet, HashMap};

use dn_circuits::solidity::contracts;

/// How often the field's order fits into a word: `2^256` is more than five times the order and `2^253`.
const MOST: u64 = 5;

/// A number is at most `orders` times the field's order and `more`, or the order itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    orders: u64,
    more: u64,
    is_order: bool,
}

/// What a product or a remainder is at most.
const REDUCED: Bound = Bound { orders: 1, more: 0, is_order: false };

/// Yul of a generated function.
struct Reader<'a> {
    rest: &'a str,
    variables: &'a HashMap<String, Bound>,
    words: &'a HashMap<String, Bound>,
}

impl Reader<'_> {
    fn word(&mut self) -> String {
        let end = self.rest.find(['(', ')', ',', ' ']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn skip(&mut self, text: &str) {
        self.rest =
            self.rest.strip_prefix(text).unwrap_or_else(|| panic!("{text} in {}", self.rest));
    }

    fn arguments(&mut self) -> Vec<Result<Bound, String>> {
        self.skip("(");
        let mut all = vec![self.expression()];
        while !self.rest.starts_with(')') {
            self.skip(", ");
            all.push(self.expression());
        }
        self.skip(")");
        all
    }

    /// The bound of an expression, or what is wrong with it.
    fn expression(&mut self) -> Result<Bound, String> {
        let head = self.word();
        if !self.rest.starts_with('(') {
            return self.number(&head);
        }
        if head == "mload" {
            self.skip("(");
            let name = self.word();
            self.skip(")");
            return self.words.get(&name).copied().ok_or(format!("{name} is read and not written"));
        }
        let text = self.rest.to_owned();
        let arguments: Vec<Bound> = self.arguments().into_iter().collect::<Result<_, _>>()?;
        match (head.as_str(), arguments.as_slice()) {
            ("mulmod" | "addmod", [_, _, order]) | ("mod", [_, order]) if order.is_order => {
                Ok(REDUCED)
            }
            ("add", [a, b]) => {
                let (orders, more) = (a.orders + b.orders, a.more.saturating_add(b.more));
                let fits = orders <= MOST && more < u64::MAX;
                let sum = Bound { orders, more, is_order: false };
                fits.then_some(sum).ok_or(format!("add{text} outgrows a word"))
            }
            ("sub", [order, b]) if order.is_order && b.orders + b.more.min(1) <= 1 => Ok(REDUCED),
            _ => Err(format!("{head}{text}")),
        }
    }

    fn number(&self, name: &str) -> Result<Bound, String> {
        if let Some(bound) = self.variables.get(name) {
            return Ok(*bound);
        }
        let digits = name.strip_prefix("0x").ok_or(format!("unknown {name}"))?;
        if let Ok(small) = u64::from_str_radix(digits, 16) {
            return Ok(Bound { orders: 0, more: small, is_order: false });
        }
        let is_below = digits.len() < ORDER.len() || digits <= ORDER;
        let bound = Bound { is_order: digits == ORDER, ..REDUCED };
        is_below.then_some(bound).ok_or(format!("{name} is above the order"))
    }
}

/// The field's order.
const ORDER: &str = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";

/// What a contract's functions say about bounds.
#[derive(Default)]
struct Findings {
    checked: BTreeSet<String>,
    /// The largest bound of each function's result.
    results: HashMap<String, Bound>,
}

/// Reads a function's statements; `value` is the word that was read last into a variable.
fn read(
    name: &str,
    body: &str,
    words: &mut HashMap<String, Bound>,
    found: &mut Findings,
) -> Result<(), String> {
    // Challenges and claimed values: each below the order, or refused.
    let parameters = ["y", "u", "v", "first", "sum"].map(|p| (p.to_owned(), REDUCED));
    let mut variables: HashMap<String, Bound> = parameters.into();
    for result in ["s", "power"] {
        variables.insert(result.to_owned(), Bound { orders: 0, more: 0, is_order: false });
    }
    let mut read_last = String::new();
    for line in body.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("//")) {
        if let Some(value) = line.strip_prefix("ok := ") {
            if let Some(value) =
                value.strip_prefix("and(ok, lt(").and_then(|v| v.strip_suffix(", r))"))
            {
                assert!(value == "value" || value == "v", "{line}");
                found.checked.insert(read_last.clone());
            }
            continue;
        }
        let evaluate =
            |text: &str, variables: &HashMap<String, Bound>, words: &HashMap<String, Bound>| {
                let mut reader = Reader { rest: text, variables, words };
                let bound = reader.expression().map_err(|e| format!("{name}: {line}: {e}"))?;
                reader.rest.is_empty().then_some(bound).ok_or(format!("{name}: {line}"))
            };
        if let Some(store) = line.strip_prefix("mstore(").and_then(|l| l.strip_suffix(')')) {
            let (word, value) = store.split_once(", ").unwrap();
            let bound = evaluate(value, &variables, words)?;
            words.insert(word.to_owned(), bound);
        } else if let Some((variable, value)) = line.split_once(" := ") {
            let variable = variable.trim_start_matches("let ");
            if let Some(word) = value.strip_prefix("mload(").and_then(|v| v.strip_suffix(')')) {
                read_last = word.to_owned();
            }
            let bound = evaluate(value, &variables, words)?;
            variables.insert(variable.to_owned(), bound);
        } else {
            assert!(line.starts_with("let ") || line == "}", "{line}");
        }
    }
    let result = if name == "_raise" { "power" } else { "s" };
    found.results.insert(name.to_owned(), variables[result]);
    Ok(())
}

/// Every function of arithmetic in a contract, and the names of the words that it declares.
fn examine(source: &str) -> Result<(BTreeSet<String>, Findings), String> {
    let declared =
        source.lines().filter_map(|l| l.trim().strip_prefix("uint256 private constant "));
    let declared: BTreeSet<String> =
        declared.map(|l| l.split(' ').next().unwrap().to_owned()).collect();
    let proven = |name: &&String| !name.starts_with('T');
    let mut words: HashMap<String, Bound> =
        declared.iter().filter(proven).map(|name| (name.clone(), REDUCED)).collect();
    words.insert("INSTANCE".to_owned(), REDUCED);
    let mut found = Findings::default();
    for function in source.split("    function ").skip(1) {
        let name = function.split('(').next().unwrap();
        let is_sum = name.starts_with("_sum") || name == "_evaluateGates" || name == "_raise";
        let (_, body) = match function.split_once("assembly (\"memory-safe\") {\n") {
            Some(parts) if is_sum => parts,
            _ => continue,
        };
        read(name, body, &mut words, &mut found)?;
    }
    let values = |name: &&String| name.starts_with(['A', 'F', 'Q']);
    Ok((declared.iter().filter(values).cloned().collect(), found))
}

#[test]
fn no_sum_of_a_generated_contract_outgrows_a_word() {
    let mut verifiers = 0;
    for (file, source) in contracts().unwrap() {
        if file == "BatchMemory.sol" {
            continue;
        }
        let (values, found) = examine(&source).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(values.len() > 80 && values == found.checked, "{file}: a value is not checked");
        for (name, bound) in &found.results {
            let most = if name == "_evaluateGates" { MOST } else { 4 };
            assert!(bound.orders <= most, "{file}: {name} yields {bound:?}");
        }
        assert_eq!(found.results.len(), if file.starts_with("Merged") { 5 } else { 4 }, "{file}");
        verifiers += 1;
    }
    assert!(verifiers >= 4, "the verifiers are named in another way");
}

/// The check sees what it looks for.
#[test]
fn a_sum_that_outgrows_a_word_is_found() {
    let (_, source) =
        contracts().unwrap().into_iter().find(|(f, _)| f == "MergedDefaultVerifier.sol").unwrap();
    let once = "group := add(mulmod(group, u, r), value)";
    assert!(examine(&source).is_ok() && source.contains(once));
    let changes = [
        (once, "group := add(group, value)"),
        (once, "group := sub(group, value)"),
        (once, "group := add(mulmod(group, u, u), value)"),
        ("s := mulmod(s, v, r)", "s := mload(T9999)"),
    ];
    for (from, to) in changes {
        let first = examine(&source.replacen(from, to, 1));
        // A single sum more may fit; all of them do not.
        assert!(first.is_err() || examine(&source.replace(from, to)).is_err(), "{to}");
    }
    let (values, found) = examine(&source.replacen("ok := and(ok, lt(value, r))", "", 1)).unwrap();
    assert_eq!(values.difference(&found.checked).count(), 1);
}
