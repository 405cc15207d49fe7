//! The verifiers' memory: a fixed address for everything, from 0x80 on. Regions are where they are in
//! every layout, so that the code that all share can name them.

use std::collections::HashMap;

use dn_core::protocol::{Protocol, Query};
use dn_core::vk_data::HEAD_WORDS;

use super::text::line;

/// Where Solidity's own memory ends and ours begins.
const START: usize = 0x80;
/// Words in which the verifier adds points and pairs them.
const POINT_WORDS: usize = 16;
/// Openings whose columns one word of the order holds.
pub(super) const ORDER_PER_WORD: usize = 32;

/// A named word.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) name: String,
    at: usize,
}

/// Addresses of the regions, which are large enough for every layout.
#[derive(Clone, Debug)]
pub(super) struct Regions {
    all: Vec<(&'static str, usize, &'static str)>,
    challenges_at: usize,
    values_at: usize,
}

impl Regions {
    pub(super) fn new<'a>(layouts: impl Iterator<Item = &'a Protocol> + Clone) -> Self {
        let most = |of: &dyn Fn(&Protocol) -> usize| layouts.clone().map(of).max().unwrap_or(0);
        let fixed = most(&|p| p.fixed.len());
        let openings = most(&|p| p.advice_columns() + p.fixed.len());
        let sizes = [
            ("KEY", HEAD_WORDS + 2 * fixed, "The key, without its first byte."),
            ("POINTS", POINT_WORDS, "Points that are added, multiplied or paired."),
            ("SCALARS", fixed, "What each fixed commitment is multiplied by."),
            (
                "ORDER",
                openings.div_ceil(ORDER_PER_WORD),
                "Columns in the order of their openings, one byte each.",
            ),
            ("INSTANCE", 1, "Value of the instance column at x."),
            ("CHALLENGES_AT", most(&Protocol::challenges), "Challenges of the layout."),
            (
                "VALUES_AT",
                0,
                "Values of the columns, as the proof has them; shared results behind them.",
            ),
        ];
        let (mut all, mut next) = (Vec::new(), START);
        for (name, words, text) in sizes {
            all.push((name, next, text));
            next += 32 * words;
        }
        Self { challenges_at: all[5].1, values_at: all[6].1, all }
    }

    /// Declares every address.
    pub(super) fn write(&self, out: &mut String) {
        for (name, at, text) in &self.all {
            line(out, format_args!("    /// @dev {text}"));
            line(out, format_args!("    uint256 internal constant {name} = 0x{at:04x};"));
        }
    }
}

/// Addresses of a layout's words.
#[derive(Debug)]
pub(super) struct Map {
    values: Vec<Word>,
    challenges: Vec<Word>,
    temporaries: Vec<Word>,
    next: usize,
}

impl Map {
    pub(super) fn new(p: &Protocol, regions: &Regions) -> Self {
        let named = |first: usize, names: Vec<String>| -> Vec<Word> {
            let at = (first..).step_by(32);
            names.into_iter().zip(at).map(|(name, at)| Word { name, at }).collect()
        };
        let challenges = (0..p.challenges()).map(|i| format!("C{i}")).collect();
        let name = |kind: char, q: &Query| {
            format!("{kind}{}{}", q.column, if q.rotation == 0 { "" } else { "P" })
        };
        let advice = p.advice_queries.iter().map(|q| name('A', q));
        let fixed = p.fixed_queries.iter().map(|q| name('F', q));
        // The second piece of a quotient whose first one's value follows from the gates.
        let second = p.places.map(|_| "Q1".to_owned());
        let names: Vec<_> = advice.chain(fixed).chain(second).collect();
        Self {
            next: regions.values_at + 32 * names.len(),
            values: named(regions.values_at, names),
            challenges: named(regions.challenges_at, challenges),
            temporaries: Vec::new(),
        }
    }

    /// Number of the values that have names.
    pub(super) fn values(&self) -> usize {
        self.values.len()
    }

    /// Value `i` of the proof: advice queries, then fixed queries, then the quotient's if openings are merged.
    pub(super) fn value(&self, i: usize) -> &str {
        &self.values[i].name
    }

    pub(super) fn challenge(&self, i: usize) -> &str {
        &self.challenges[i].name
    }

    /// Another word for a shared result.
    pub(super) fn temporary(&mut self) -> String {
        let name = format!("T{}", self.temporaries.len());
        self.temporaries.push(Word { name: name.clone(), at: self.next });
        self.next += 32;
        name
    }

    /// End of the fixed addresses.
    pub(super) fn end(&self) -> usize {
        self.next
    }

    /// Declares every address.
    pub(super) fn write(&self, out: &mut String) {
        let mut seen = HashMap::new();
        line(out, format_args!("    // Memory."));
        for word in self.challenges.iter().chain(&self.values).chain(&self.temporaries) {
            assert!(seen.insert(&word.name, word.at).is_none(), "a name is taken");
            let Word { name, at } = word;
            line(out, format_args!("    uint256 private constant {name} = 0x{at:04x};"));
        }
        out.push('\n');
    }
}
