//! The verifier's memory: a fixed address for everything, from 0x80 on.

use std::collections::HashMap;

use dn_core::protocol::{Protocol, Query};
use dn_core::vk_data::HEAD_WORDS;

use super::line;

/// Where Solidity's own memory ends and ours begins.
const START: usize = 0x80;
/// Words in which the verifier adds points and pairs them.
const POINT_WORDS: usize = 16;
/// Openings whose columns one word of the order holds.
pub(super) const ORDER_PER_WORD: usize = 32;

/// A named word.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) name: String,
    at: usize,
}

/// Addresses of the regions and of single words.
#[derive(Debug)]
pub(super) struct Map {
    regions: Vec<(&'static str, usize, &'static str)>,
    values: Vec<Slot>,
    challenges: Vec<Slot>,
    temporaries: Vec<Slot>,
    next: usize,
}

impl Map {
    pub(super) fn new(p: &Protocol) -> Self {
        let mut map = Self {
            regions: Vec::new(),
            values: Vec::new(),
            challenges: Vec::new(),
            temporaries: Vec::new(),
            next: START,
        };
        let key_words = HEAD_WORDS + 2 * p.fixed.len();
        map.region("KEY", key_words, "The key, without its first byte.");
        map.region("POINTS", POINT_WORDS, "Points that are added, multiplied or paired.");
        map.region("SCALARS", p.fixed.len(), "What each fixed commitment is multiplied by.");
        let openings = p.advice_columns() + p.fixed.len();
        let order = openings.div_ceil(ORDER_PER_WORD);
        map.region("ORDER", order, "Columns in the order of their openings, one byte each.");
        map.region("INSTANCE", 1, "Value of the instance column at x.");
        let names = (0..p.challenges()).map(|i| format!("C{i}")).collect();
        map.challenges = map.named("CHALLENGES_AT", names, "Challenges of the layout.");
        let name = |kind: char, q: &Query| {
            format!("{kind}{}{}", q.column, if q.rotation == 0 { "" } else { "P" })
        };
        let advice = p.advice_queries.iter().map(|q| name('A', q));
        let names = advice.chain(p.fixed_queries.iter().map(|q| name('F', q))).collect();
        map.values = map.named("VALUES_AT", names, "Values of the columns, as the proof has them.");
        map
    }

    fn region(&mut self, name: &'static str, words: usize, text: &'static str) {
        self.regions.push((name, self.next, text));
        self.next += 32 * words;
    }

    fn named(&mut self, name: &'static str, names: Vec<String>, text: &'static str) -> Vec<Slot> {
        let first = self.next;
        self.region(name, names.len(), text);
        let at = (first..).step_by(32);
        names.into_iter().zip(at).map(|(name, at)| Slot { name, at }).collect()
    }

    /// Value `i` of the proof: advice queries, then fixed queries.
    pub(super) fn value(&self, i: usize) -> &str {
        &self.values[i].name
    }

    pub(super) fn challenge(&self, i: usize) -> &str {
        &self.challenges[i].name
    }

    /// Another word for a shared result.
    pub(super) fn temporary(&mut self) -> String {
        let name = format!("T{}", self.temporaries.len());
        self.temporaries.push(Slot { name: name.clone(), at: self.next });
        self.next += 32;
        name
    }

    /// Declares every address.
    pub(super) fn write(&self, out: &mut String) {
        line(out, format_args!("    // Memory: regions."));
        for (name, at, text) in &self.regions {
            line(out, format_args!("    /// @dev {text}"));
            line(out, format_args!("    uint256 internal constant {name} = 0x{at:04x};"));
        }
        line(out, format_args!("    /// @dev End of the fixed addresses."));
        line(
            out,
            format_args!("    uint256 internal constant MEMORY_END = 0x{:04x};\n", self.next),
        );
        let mut seen = HashMap::new();
        line(out, format_args!("    // Memory: words."));
        for slot in self.challenges.iter().chain(&self.values).chain(&self.temporaries) {
            assert!(seen.insert(&slot.name, slot.at).is_none(), "a name is taken");
            let Slot { name, at } = slot;
            line(out, format_args!("    uint256 private constant {name} = 0x{at:04x};"));
        }
        out.push('\n');
    }
}
