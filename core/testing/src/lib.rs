//! Strategies of property tests. Only tests depend on this crate.

mod bytes;
mod graphs;
mod sequences;

pub use bytes::damaged;
pub use graphs::{graphs, Case, Random};
use proptest::test_runner::Config;

/// How many cases a property is tried on: `some` in every run, `many` where everything is tried
/// (`DN_EXHAUSTIVE`).
#[must_use]
pub fn cases(some: u32, many: u32) -> Config {
    let cases = if std::env::var_os("DN_EXHAUSTIVE").is_some() { many } else { some };
    Config { cases, failure_persistence: None, ..Config::default() }
}
