//! The page of `deepnode model import --report`: everything about one import, in one file that loads
//! nothing.
//!
//! It is XHTML without scripts, so that it can be mailed and kept. All text from the model's file is
//! escaped ([`markup`]).

mod costs;
mod graph;
mod layers;
mod markup;
mod rows;

use std::fmt::Write as _;

use dn_circuits::estimate::Prices;
use dn_import::{Fidelity, Package};

use crate::error::Failure;

use markup::text;
pub(super) use rows::picture;

/// What the page shows.
pub(super) struct Page<'a> {
    /// The package.
    pub(super) package: &'a Package,
    /// Its id.
    pub(super) id: String,
    /// Integers beside floats.
    pub(super) fidelity: &'a Fidelity,
    /// Where the compared examples are from.
    pub(super) compared_on: &'static str,
    /// What was dropped or changed when the file was read.
    pub(super) notes: &'a [String],
    /// Calibration examples that did not count.
    pub(super) out_of_line: &'a [usize],
    /// The planner's batch size.
    pub(super) batch: usize,
    /// What work is worth.
    pub(super) prices: Prices,
}

impl Page<'_> {
    /// The page's bytes.
    ///
    /// # Errors
    /// When the graph does not fit the layout.
    pub(super) fn render(&self) -> Result<String, Failure> {
        let name = text(&self.package.name);
        let mut page =
            format!("{HEAD}<title>{name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n");
        page += &format!("<h1>{name}</h1>\n<p class=\"id\">{}</p>\n", text(&self.id));
        page += &self.summary();
        page += &self.dropped();
        page += &costs::section(self)?;
        page += &layers::section(self)?;
        page += &graph::section(self.package, self.fidelity);
        page += "</body>\n</html>\n";
        Ok(page)
    }

    /// How good the integers are.
    fn summary(&self) -> String {
        let f = self.fidelity;
        let mut rows = vec![
            ("error of the int8 outputs, of their spread", share(f.error)),
            ("the worst output's", share(f.outputs.iter().copied().fold(0.0, f64::max))),
        ];
        if let Some(agreement) = f.agreement {
            rows.push(("same class as in float", share(agreement)));
        }
        if let Some(accuracy) = f.accuracy {
            rows.push(("accuracy in float", share(accuracy.float)));
            rows.push(("accuracy in int8", share(accuracy.int8)));
        }
        rows.push(("input values that no code stands for", share(f.saturated_inputs)));
        rows.push(("multiply-accumulates", grouped(self.package.graph.macs() as usize)));
        let mut table = String::from("<h2>Integers beside floats</h2>\n<table>\n");
        for (what, value) in rows {
            let _ = writeln!(table, "<tr><th>{what}</th><td>{value}</td></tr>");
        }
        let examples = grouped(f.examples);
        table + &format!("</table>\n<p>On {examples} examples of {}.</p>\n", self.compared_on)
    }

    /// What of the file is not in the package.
    fn dropped(&self) -> String {
        let mut items: Vec<String> = self.notes.iter().map(|note| text(note)).collect();
        if !self.out_of_line.is_empty() {
            let rows = self.out_of_line;
            items.push(format!(
                "rows {rows:?} of the calibration data are out of line and did not count"
            ));
        }
        if items.is_empty() {
            return "<h2>Left out</h2>\n<p>Nothing.</p>\n".to_owned();
        }
        let items: String = items.iter().map(|item| format!("<li>{item}</li>\n")).collect();
        format!("<h2>Left out</h2>\n<ul>\n{items}</ul>\n")
    }
}

/// A share in per cent.
fn share(value: f64) -> String {
    format!("{:.2} %", 100.0 * value)
}

/// A number with its thousands apart.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n\
    <meta charset=\"utf-8\"/>\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n";

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b1f24; --back: #fff; --faint: #6b7480; --line: #d5dae0; --bar: #3b76c4; --bad: #c0492f; --box: #f3f5f8 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7eb; --back: #14171b; --faint: #98a1ac; --line: #363c44; --bar: #6ea4ec; --bad: #ef8468; --box: #1e2329 }
}
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin-top: 2rem }
.id, .faint { color: var(--faint) } .id { font-family: ui-monospace, monospace; overflow-wrap: anywhere; margin-top: 0 }
table { border-collapse: collapse } th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid var(--line); font-weight: normal; vertical-align: middle }
th:first-child, td.name { text-align: left } td.name { overflow-wrap: anywhere } tr.chosen { font-weight: 600 }
.wide { overflow: auto; max-height: 80vh }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif } svg .faint { fill: var(--faint) }
svg .bar { fill: var(--bar) } svg .bad { fill: var(--bad) } svg .frame { fill: none; stroke: var(--line) }
svg .box { fill: var(--box); stroke: var(--line) } svg .edge { fill: none; stroke: var(--faint) }
";

#[cfg(test)]
mod tests {
    use dn_core::Width;
    use dn_import::{Accuracy, Layer};

    use super::super::sample::two_inputs;
    use super::*;

    const HOSTILE: [&str; 3] = [
        "</td><script>alert(1)</script>",
        "\"' onload=\"x\" <img src=\"https://example.org/a.png\"/>",
        "a\u{202e}b\u{0}c&amp;]]>",
    ];

    fn page(names: [&str; 3]) -> String {
        let [name, node, note] = names;
        let package = Package { name: name.to_owned(), ..two_inputs(Width::Default) };
        let layer = |_| Layer {
            node: node.to_owned(),
            op: node.to_owned(),
            error: 0.01,
            added: 0.005,
            saturated: 0.5,
            reach: [-200.0, 90.0],
        };
        let fidelity = Fidelity {
            examples: 12_345,
            error: 0.012,
            overall: 0.01,
            outputs: vec![0.02],
            agreement: Some(0.9),
            accuracy: Some(Accuracy { float: 0.99, int8: 0.98 }),
            saturated_inputs: 0.0,
            layers: (0..package.graph.nodes.len()).map(layer).collect(),
        };
        let page = Page {
            package: &package,
            id: "0x12".to_owned(),
            fidelity: &fidelity,
            compared_on: "the calibration data",
            notes: &[note.to_owned()],
            out_of_line: &[3],
            batch: 64,
            prices: Prices::default(),
        };
        page.render().unwrap()
    }

    #[test]
    fn the_page_is_well_formed_and_loads_nothing_whatever_the_names() {
        for turn in 0..3 {
            let names = [HOSTILE[turn], HOSTILE[(turn + 1) % 3], HOSTILE[(turn + 2) % 3]];
            let page = page(names);
            let tags = markup::tags(&page).unwrap();
            assert!(tags
                .iter()
                .all(|t| !["script", "img", "link", "iframe", "object"].contains(&&*t.name)));
            for (name, value) in tags.iter().flat_map(|t| &t.attributes) {
                assert!(
                    !name.starts_with("on") && !["src", "href", "style"].contains(&&**name),
                    "{name}"
                );
                assert!(name == "xmlns" || !value.contains("://"), "{value}");
            }
            assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
            assert!(!page.contains(['\u{202e}', '\u{0}']));
        }
    }

    #[test]
    fn the_page_shows_what_was_asked_for() {
        let page = page(["net", "conv1", "Softmax was left out"]);
        for part in [
            "conv1",
            "Softmax was left out",
            "12,345",
            "narrow",
            "wide",
            "98.00 %",
            "Suggested price",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
