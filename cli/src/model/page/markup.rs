//! Text that others wrote, in markup.

/// Escaped text, for content and for attributes. Control characters, and those that turn the direction
/// of what follows, become U+FFFD.
pub(super) fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if is_unseen(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn is_unseen(c: char) -> bool {
    let directions = ['\u{200e}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2066}'..='\u{2069}'];
    c.is_control()
        || directions.iter().any(|range| range.contains(&c))
        || ('\u{fffe}'..='\u{ffff}').contains(&c)
}

/// The first characters of a name, escaped.
pub(super) fn short(raw: &str, most: usize) -> String {
    let cut: String = raw.chars().take(most).collect();
    if cut.len() < raw.len() {
        text(&cut) + "\u{2026}"
    } else {
        text(&cut)
    }
}

/// An opening or empty tag.
#[cfg(test)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
}

/// The tags of a page, if it is well-formed: every tag is closed in order, every attribute quoted, every
/// `&` an entity.
#[cfg(test)]
pub(super) fn tags(page: &str) -> Result<Vec<Tag>, String> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>\n").ok_or("no document type")?;
    let (mut open, mut tags): (Vec<String>, Vec<Tag>) = (Vec::new(), Vec::new());
    while let Some(at) = rest.find('<') {
        entities(&rest[..at])?;
        let end = rest[at..].find('>').ok_or("a tag does not end")? + at;
        let (inside, whole) = (&rest[at + 1..end], &rest[at..=end]);
        rest = &rest[end + 1..];
        if let Some(name) = inside.strip_prefix('/') {
            if open.pop().as_deref() != Some(name) {
                return Err(format!("{whole} closes nothing"));
            }
            continue;
        }
        let tag = tag(inside.strip_suffix('/').unwrap_or(inside))?;
        if !inside.ends_with('/') {
            open.push(tag.name.clone());
        }
        tags.push(tag);
    }
    entities(rest)?;
    if open.is_empty() {
        Ok(tags)
    } else {
        Err(format!("{open:?} are not closed"))
    }
}

#[cfg(test)]
fn tag(inside: &str) -> Result<Tag, String> {
    let (name, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let mut attributes = Vec::new();
    while !rest.trim().is_empty() {
        let (key, value) = rest.split_once("=\"").ok_or_else(|| format!("{inside}: {rest}"))?;
        let (value, after) = value.split_once('"').ok_or_else(|| format!("{inside}: {rest}"))?;
        entities(value)?;
        attributes.push((key.trim().to_owned(), value.to_owned()));
        rest = after;
    }
    let good = is_name(name) && attributes.iter().all(|(key, _)| is_name(key));
    let name = name.to_owned();
    if good {
        Ok(Tag { name, attributes })
    } else {
        Err(format!("{inside}: bad names"))
    }
}

#[cfg(test)]
fn entities(text: &str) -> Result<(), String> {
    let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
    let good = |part: &str| known.iter().any(|entity| part.starts_with(entity));
    let bad = text.split('&').skip(1).find(|part| !good(part));
    bad.map_or(Ok(()), |part| Err(format!("&{part}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_markup() {
        assert_eq!(text("a<b>&\"'\u{7}\u{2066}"), "a&lt;b&gt;&amp;&quot;&#39;\u{fffd}\u{fffd}");
        assert_eq!(short("conv<1>", 5), "conv&lt;\u{2026}");
        assert_eq!(short("conv", 4), "conv");
    }

    #[test]
    fn the_checker_sees_what_is_wrong() {
        let page = |body: &str| format!("<!DOCTYPE html>\n<p>{body}</p>");
        assert!(tags(&page("a &amp; b <b class=\"x\"/>")).is_ok());
        for bad in ["<b>", "</b>", "a & b", "<b class=x/>", "<b class=\"x/>", "<b/c\"d/>"] {
            assert!(tags(&page(bad)).is_err(), "{bad}");
        }
    }
}
