//! What was measured: told as it comes, and as one table at the end.
#![expect(clippy::print_stdout, reason = "the output of a command")]

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{json, Value};

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    None,
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::None => true,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!(">= {}", number(bound)),
            Self::AtMost(bound) => format!("<= {}", number(bound)),
            Self::None => String::new(),
        }
    }
}

#[derive(Debug)]
struct Figure {
    section: String,
    what: String,
    store: &'static str,
    value: f64,
    unit: &'static str,
    target: Target,
}

/// Figures in the order in which they were measured.
#[derive(Debug, Default)]
pub(crate) struct Table {
    section: String,
    figures: Vec<Figure>,
}

/// Columns of the table.
const STORES: [&str; 2] = ["sqlite", "postgres"];

impl Table {
    /// What follows is about this.
    pub(crate) fn begin(&mut self, section: &str) {
        section.clone_into(&mut self.section);
        println!("\n{section}");
    }

    /// Tells something that is no figure.
    pub(crate) fn say(&self, text: &str) {
        println!("  {text}");
    }

    /// Tells and keeps a figure.
    pub(crate) fn add(
        &mut self,
        store: &'static str,
        what: &str,
        value: f64,
        unit: &'static str,
        target: Target,
    ) {
        let mark = if target.is_met(value) { "" } else { "  missed" };
        println!("  {store:8} {what}: {} {unit}  {}{mark}", number(value), target.text());
        let (section, what) = (self.section.clone(), what.to_owned());
        self.figures.push(Figure { section, what, store, value, unit, target });
    }

    /// Keeps median and 99th percentile of waits, in milliseconds.
    pub(crate) fn add_waits(
        &mut self,
        store: &'static str,
        what: &str,
        waits: &Waits,
        p99: Target,
    ) {
        self.add(store, &format!("{what}, p50"), waits.ms(0.5), "ms", Target::None);
        self.add(store, &format!("{what}, p99"), waits.ms(0.99), "ms", p99);
        self.add(store, &format!("{what}, slowest"), waits.ms(1.0), "ms", Target::None);
    }

    /// All figures, a line each, a column for each database.
    pub(crate) fn print(&self) {
        println!("\n{:9} {:40} {:>12} {:>12}", "section", "", STORES[0], STORES[1]);
        let mut shown: Vec<(&str, &str)> = Vec::new();
        for figure in &self.figures {
            let line = (figure.section.as_str(), figure.what.as_str());
            if shown.contains(&line) {
                continue;
            }
            shown.push(line);
            let of = |store: &str| {
                self.figures.iter().find(|f| (&*f.section, &*f.what) == line && f.store == store)
            };
            let cells = STORES.map(|s| of(s).map_or_else(|| "-".into(), |f| number(f.value)));
            let targets: Vec<String> = STORES.iter().filter_map(|s| of(s)).map(verdict).collect();
            let targets = if targets.iter().all(String::is_empty) {
                String::new()
            } else {
                targets.join(" | ")
            };
            let what = format!("{} [{}]", line.1, figure.unit);
            println!("{:9} {what:40} {:>12} {:>12}  {targets}", line.0, cells[0], cells[1]);
        }
    }

    /// Writes the figures as JSON.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let figures: Vec<Value> = self.figures.iter().map(Figure::json).collect();
        let text = serde_json::to_vec_pretty(&json!({ "figures": figures }))?;
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
    }
}

impl Figure {
    fn json(&self) -> Value {
        json!({
            "section": self.section, "what": self.what, "store": self.store, "value": self.value,
            "unit": self.unit, "target": self.target.text(), "is_met": self.target.is_met(self.value),
        })
    }
}

fn verdict(figure: &Figure) -> String {
    let mark = if figure.target.is_met(figure.value) { "" } else { " MISSED" };
    format!("{}{mark}", figure.target.text())
}

/// Three digits that count.
fn number(value: f64) -> String {
    let digits = if value >= 100.0 || value.fract() == 0.0 { 0 } else { 2 };
    format!("{value:.digits$}")
}

/// How long things took, the shortest first.
#[derive(Clone, Debug)]
pub(crate) struct Waits(Vec<Duration>);

impl Waits {
    pub(crate) fn new(mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        Self(waits)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The wait that this part of all do not exceed, in milliseconds; 0 if there was none.
    pub(crate) fn ms(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let index = (last as f64 * part).round() as usize;
        self.0.get(index).map_or(0.0, |wait| wait.as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_waits() {
        let waits = Waits::new((1..=101).rev().map(Duration::from_millis).collect());
        assert_eq!((waits.ms(0.0), waits.ms(0.5), waits.ms(1.0)), (1.0, 51.0, 101.0));
        assert_eq!(Waits::new(Vec::new()).ms(0.5), 0.0);
    }
}
