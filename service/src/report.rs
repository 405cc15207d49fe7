//! What a command prints: a table for people or one JSON object.

use comfy_table::{Table, TableStyle};
use serde_json::{Map, Value};

use crate::plain::line;

/// Most values of a list that people are shown.
const SHOWN: usize = 16;

/// The figures of a command, in the order in which they were set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report(Vec<(String, Value)>);

impl Report {
    /// Adds a figure, or replaces the one of this name.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
        self
    }

    /// Prints the figures on stdout; nothing when there are none.
    #[expect(clippy::print_stdout, reason = "the output of a command")]
    pub fn print(&self, json: bool) {
        if !self.0.is_empty() {
            println!("{}", if json { self.json() } else { self.text() });
        }
    }

    /// One JSON object, in the order of the figures.
    fn json(&self) -> String {
        let entry =
            |(name, value): &(String, Value)| format!("{}:{value}", Value::from(name.as_str()));
        format!("{{{}}}", self.0.iter().map(entry).collect::<Vec<_>>().join(","))
    }

    /// One line a figure; objects and lists of objects on lines of their own below it.
    fn text(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let figure = |(name, value): &(String, Value)| match block(value) {
            Some(block) => format!("{name}\n{}", indented(&block)),
            None => format!("{name:width$}  {}", cell(value)),
        };
        self.0.iter().map(figure).collect::<Vec<_>>().join("\n")
    }
}

/// A value that takes lines of its own: an object, or a list of objects as a table.
fn block(value: &Value) -> Option<String> {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            Some(table(fields.iter().map(|(name, value)| vec![name.clone(), cell(value)])))
        }
        Value::Array(rows) if !rows.is_empty() => {
            let rows: Option<Vec<&Map<String, Value>>> =
                rows.iter().map(Value::as_object).collect();
            rows.map(|rows| records(&rows))
        }
        _ => None,
    }
}

/// A table with a column for each name that any of the rows has.
fn records(rows: &[&Map<String, Value>]) -> String {
    let mut names: Vec<&String> = Vec::new();
    for name in rows.iter().flat_map(|row| row.keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let head = names.iter().map(|name| (*name).clone()).collect();
    let body = rows
        .iter()
        .map(|row| names.iter().map(|name| row.get(*name).map(cell).unwrap_or_default()).collect());
    table(std::iter::once(head).chain(body))
}

fn table(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A value on one line, but for lists of objects, which have a line each.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => line(text),
        Value::Array(values) if values.iter().any(Value::is_object) => {
            values.iter().map(cell).collect::<Vec<_>>().join("\n")
        }
        Value::Array(values) => {
            let shown = values.iter().take(SHOWN).map(cell).collect::<Vec<_>>().join(", ");
            let more = values.len().saturating_sub(SHOWN);
            if more == 0 {
                shown
            } else {
                format!("{shown}, and {more} more")
            }
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{name} {}", cell(value));
            fields.iter().map(field).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_keep_their_order() {
        let mut report = Report::default();
        report.set("zebra", 1).set("ant", "two").set("zebra", 3);
        assert_eq!(report.json(), r#"{"zebra":3,"ant":"two"}"#);
        assert_eq!(report.text(), "zebra  3\nant    two");
    }

    #[test]
    fn a_name_cannot_write_on_the_terminal() {
        let mut report = Report::default();
        report.set("name", "\u{1b}[2Jtwo\nk  9");
        assert_eq!(report.text(), "name  \\u{1b}[2Jtwo\\nk  9");
        assert_eq!(report.json(), r#"{"name":"\u001b[2Jtwo\nk  9"}"#);
    }

    #[test]
    fn lists_of_objects_are_tables() {
        let mut report = Report::default();
        report.set("plans", json!([{ "a": 1, "b": [1, 2] }, { "a": 100, "c": null }]));
        report.set("shape", json!({ "height": 2, "width": 30 }));
        let text =
            "plans\n  a    b     c\n  1    1, 2\n  100        -\nshape\n  height  2\n  width   30";
        assert_eq!(report.text(), text);
        let whole =
            r#"{"plans":[{"a":1,"b":[1,2]},{"a":100,"c":null}],"shape":{"height":2,"width":30}}"#;
        assert_eq!(report.json(), whole);
    }

    #[test]
    fn long_lists_are_cut_for_people_only() {
        let mut report = Report::default();
        report.set("output", (0..20).collect::<Vec<i32>>());
        assert!(report.text().ends_with("14, 15, and 4 more"), "{}", report.text());
        assert!(report.json().ends_with("18,19]}"), "{}", report.json());
    }
}
