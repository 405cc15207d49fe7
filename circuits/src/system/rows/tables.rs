//! The book's tables of rows and registers.

use std::fmt::Write as _;

use crate::system::columns::{Acc, ACCUMULATORS};
use crate::system::kind::Kind;

/// The tables that stand in `docs/book/circuits.md`, in Markdown: kinds of rows, and what registers take beside folds.
///
/// # Panics
/// Never: a string takes any text.
#[must_use]
pub fn tables() -> String {
    let mut text = String::from("| rows | `hi[l]` | `lo[l]` | `out[l]` |\n|---|---|---|---|\n");
    for kind in Kind::ALL {
        let about = kind.about();
        let mut cells = about.cells.to_vec();
        cells.resize(3, "");
        writeln!(text, "| {} | {} |", about.name, cells.join(" | "))
            .expect("a string takes any text");
    }
    text.push_str("\n| register | what kinds of rows add |\n|---|---|\n");
    for acc in Acc::ALL {
        let of = |kind: &Kind| {
            let registers = kind.about().registers.iter();
            let what: Vec<&str> = registers.filter(|r| r.0 == acc).map(|r| r.1).collect();
            (!what.is_empty()).then(|| format!("{}: {}", kind.about().name, what.join(", ")))
        };
        let what: Vec<String> = Kind::ALL.iter().filter_map(of).collect();
        if !what.is_empty() {
            writeln!(text, "| `{acc:?}` | {} |", what.join("; ")).expect("a string takes any text");
        }
    }
    assert_eq!(Acc::ALL.len(), ACCUMULATORS);
    text
}
