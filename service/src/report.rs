//! What a command prints: a table for people or one JSON object.

use serde_json::{Map, Value};

/// The figures of a command, in the order in which they are shown.
#[derive(Clone, Debug, Default)]
pub struct Report(Map<String, Value>);

impl Report {
    /// Adds a figure.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Prints the figures on stdout; nothing when there are none.
    #[expect(clippy::print_stdout, reason = "the output of a command")]
    pub fn print(&self, json: bool) {
        if self.0.is_empty() {
            return;
        }
        if json {
            println!("{}", Value::Object(self.0.clone()));
            return;
        }
        let width = self.0.keys().map(String::len).max().unwrap_or(0);
        for (name, value) in &self.0 {
            match value {
                Value::String(text) => println!("{name:width$}  {text}"),
                other => println!("{name:width$}  {other}"),
            }
        }
    }
}
