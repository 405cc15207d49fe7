//! Lines of source.

use std::fmt::Write;

/// Ends a string's line; `String` takes any text.
pub(super) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a string takes any text");
}

/// A function that returns a constant; the optimizer puts the constant where it is called.
pub(super) fn constant(out: &mut String, base: &str, (name, kind): (&str, &str), value: &str) {
    line(out, format_args!("    /// @inheritdoc {base}"));
    line(out, format_args!("    function {name}() internal pure override returns ({kind}) {{"));
    line(out, format_args!("        return {value};\n    }}\n"));
}

/// Constants of numbers.
pub(super) fn counts(out: &mut String, base: &str, all: &[(&str, usize)]) {
    for (name, value) in all {
        constant(out, base, (name, "uint256"), &value.to_string());
    }
}
