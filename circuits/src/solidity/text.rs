//! Lines of source.

use std::fmt::Write;

/// Ends a string's line; `String` takes any text.
pub(super) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a string takes any text");
}
