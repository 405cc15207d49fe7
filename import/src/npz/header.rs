//! What stands in front of an array in numpy's format: a Python dictionary of three entries.

use std::io::Read;

use super::array::ArrayError;

/// First bytes of an array.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header: numpy writes a few hundred bytes and reads no more than 10,000 unasked.
const MAX_HEADER: usize = 1 << 16;

/// Type, order and extents of an array.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// As `<f4`; empty for types that are no single number.
    pub(super) descr: String,
    pub(super) is_fortran: bool,
    pub(super) shape: Vec<u64>,
}

/// A piece of the dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Word(String),
    Sign(char),
}

impl Header {
    /// Reads the header; the array's numbers follow.
    pub(super) fn read(from: &mut impl Read) -> Result<Self, ArrayError> {
        let malformed = || ArrayError::Reason("its header is malformed".to_owned());
        let mut start = [0; 8];
        from.read_exact(&mut start).map_err(|_| malformed())?;
        let mut length = [0; 4];
        let digits = match (&start[..6] == MAGIC, &start[6..]) {
            (true, [1, 0]) => 2,
            (true, [2 | 3, 0]) => 4,
            _ => return Err(malformed()),
        };
        from.read_exact(&mut length[..digits]).map_err(|_| malformed())?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_HEADER {
            return Err(ArrayError::Reason(format!(
                "its header has {length} bytes, at most {MAX_HEADER} are read"
            )));
        }
        let mut text = vec![0; length];
        from.read_exact(&mut text).map_err(|_| malformed())?;
        let text = std::str::from_utf8(&text).map_err(|_| malformed())?;
        tokens(text).and_then(|tokens| Self::parse(&tokens)).ok_or_else(malformed)
    }

    fn parse(tokens: &[Token]) -> Option<Self> {
        let sign = |at: usize, c: char| tokens.get(at) == Some(&Token::Sign(c));
        let (mut descr, mut order, mut shape) = (None, None, None);
        let mut at = 1;
        if !sign(0, '{') {
            return None;
        }
        while !sign(at, '}') {
            let Token::Text(key) = tokens.get(at)? else { return None };
            if !sign(at + 1, ':') {
                return None;
            }
            at += 2;
            let first = tokens.get(at)?;
            match (key.as_str(), first) {
                ("descr", Token::Text(text)) => {
                    descr = Some(text.clone());
                    at += 1;
                }
                // Records: a list, which nothing here needs to know.
                ("descr", Token::Sign('[')) => {
                    descr = Some(String::new());
                    at += 1 + end(&tokens[at + 1..], '[', ']')?;
                }
                ("fortran_order", Token::Word(word)) if word == "True" || word == "False" => {
                    order = Some(word == "True");
                    at += 1;
                }
                ("shape", Token::Sign('(')) => {
                    let len = end(&tokens[at + 1..], '(', ')')?;
                    shape = Some(extents(&tokens[at + 1..at + len])?);
                    at += 1 + len;
                }
                _ => return None,
            }
            if sign(at, ',') {
                at += 1;
            } else if !sign(at, '}') {
                return None;
            }
        }
        let is_whole = at + 1 == tokens.len();
        Some(Self { descr: descr?, is_fortran: order?, shape: shape? }).filter(|_| is_whole)
    }
}

/// Number of tokens up to the end of the bracket that is open, the end included.
fn end(tokens: &[Token], open: char, close: char) -> Option<usize> {
    let mut depth = 1;
    for (at, token) in tokens.iter().enumerate() {
        depth += i32::from(*token == Token::Sign(open)) - i32::from(*token == Token::Sign(close));
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// `2, 3` and `2,`; what older versions wrote as `2L`, too.
fn extents(tokens: &[Token]) -> Option<Vec<u64>> {
    let extent = |pair: &[Token]| match pair {
        [Token::Word(word)] | [Token::Word(word), Token::Sign(',')] => {
            word.trim_end_matches('L').parse().ok()
        }
        _ => None,
    };
    tokens.chunks(2).map(extent).collect()
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '\'' | '"' => {
                let inner = &rest[1..];
                let end = inner.find(first)?;
                tokens.push(Token::Text(inner[..end].to_owned()));
                end + 2
            }
            c if c.is_ascii_alphanumeric() => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..end].to_owned()));
                end
            }
            c => {
                tokens.push(Token::Sign(c));
                c.len_utf8()
            }
        };
        rest = rest[len..].trim_start();
    }
    Some(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Header> {
        Header::parse(&tokens(text)?)
    }

    #[test]
    fn the_dictionary_is_read_in_any_order() {
        let right = Header { descr: "<f4".to_owned(), is_fortran: false, shape: vec![2, 3] };
        for text in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n",
            "{\"shape\":(2,3,),\"fortran_order\":False,\"descr\":\"<f4\"}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L)}",
        ] {
            assert_eq!(parse(text).as_ref(), Some(&right), "{text}");
        }
        let scalar = parse("{'descr': '|b1', 'fortran_order': True, 'shape': ()}");
        assert_eq!(scalar.map(|h| (h.is_fortran, h.shape)), Some((true, vec![])));
        let record =
            parse("{'descr': [('a', '<i4', (2,))], 'fortran_order': False, 'shape': (1,)}");
        assert_eq!(record.map(|h| h.descr), Some(String::new()));
    }

    #[test]
    fn what_is_no_such_dictionary_is_refused() {
        let deep = "(".repeat(1 << 15);
        for text in [
            "",
            "{",
            "{'descr': '<f4'}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} 1",
            "{'descr': '<f4, 'fortran_order': False, 'shape': (2,)}",
            &deep,
        ] {
            assert_eq!(parse(text), None, "{text:.60}");
        }
    }
}
