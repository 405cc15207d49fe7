//! What a command prints: a table for people or one JSON object.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};

use crate::error::Failure;

/// The figures of a command, in the order in which they are shown.
#[derive(Debug, Default)]
pub(crate) struct Report(Map<String, Value>);

impl Report {
    /// Adds a figure.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.0.insert(name.into(), value.into());
        self
    }
}

/// Rounds to a thousandth, which is more than the clocks resolve.
pub(crate) fn thousandths(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

/// Prints a report on stdout.
#[expect(clippy::print_stdout, reason = "the output of a command")]
#[expect(clippy::unnecessary_wraps, reason = "a step in a chain of fallible ones")]
pub(crate) fn print(report: &Report, json: bool) -> Result<(), Failure> {
    if report.0.is_empty() {
        return Ok(());
    }
    if json {
        println!("{}", Value::Object(report.0.clone()));
        return Ok(());
    }
    let width = report.0.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in &report.0 {
        match value {
            Value::String(text) => println!("{name:width$}  {text}"),
            other => println!("{name:width$}  {other}"),
        }
    }
    Ok(())
}

/// Says something on stderr that the user should know.
#[expect(clippy::print_stderr, reason = "the output of a command")]
pub(crate) fn warn(text: &str) {
    eprintln!("warning: {text}");
}

/// Shows on stderr that a long step is running.
pub(crate) fn spinner(message: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
    let bar = ProgressBar::new_spinner().with_message(message);
    bar.enable_steady_tick(Duration::from_millis(120));
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
