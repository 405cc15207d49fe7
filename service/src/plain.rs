//! Texts of others, as names in files, on a terminal.

/// The text with what moves the cursor, colours, or turns the direction of writing as an escape
/// sequence that can be read. Ends of lines stay.
#[must_use]
pub fn plain(text: &str) -> String {
    let one = |c: char| if c != '\n' && is_command(c) { escaped(c) } else { c.to_string() };
    text.chars().map(one).collect()
}

/// The same on one line.
pub(crate) fn line(text: &str) -> String {
    plain(text).replace('\n', "\\n")
}

fn escaped(c: char) -> String {
    c.escape_unicode().to_string()
}

/// Control characters, and those that Unicode has for the direction of writing.
fn is_command(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(plain("\u{1b}[31mred\u{9b}0m\r"), "\\u{1b}[31mred\\u{9b}0m\\u{d}");
        assert_eq!(plain("safe\u{202e}gpj.exe"), "safe\\u{202e}gpj.exe");
        assert_eq!((&*plain("a\nb"), &*line("a\nb")), ("a\nb", "a\\nb"));
        assert_eq!(plain("Größe 日本 é"), "Größe 日本 é");
    }
}
