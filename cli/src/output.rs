//! Numbers and progress of commands.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Rounds to a thousandth, which is more than the clocks resolve.
pub(crate) fn thousandths(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

/// Says something on stderr that the user should know.
#[expect(clippy::print_stderr, reason = "the output of a command")]
pub(crate) fn warn(text: &str) {
    eprintln!("warning: {}", dn_service::plain(text));
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
