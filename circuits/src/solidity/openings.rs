//! The openings: sums of values, and the order in which commitments are scaled.

use dn_core::layout::{Layout, LayoutError, Opening};

use super::gates::openings_order;
use super::line;
use super::map::{Map, ORDER_PER_WORD};

pub(super) fn write(out: &mut String, layout: &Layout, map: &Map) -> Result<(), LayoutError> {
    let all = || layout.advice.iter().chain(&layout.fixed);
    let name = |i: usize| map.value(i).to_string();
    let single: Vec<_> = all().filter(|o| o.before.is_none()).map(|o| name(o.here)).collect();
    let pair: Vec<_> = all().filter(|o| o.before.is_some()).collect();
    let here: Vec<_> = pair.iter().map(|o| name(o.here)).collect();
    let before: Vec<_> = pair.iter().filter_map(|o| o.before).map(name).collect();
    let text = "Adds to `sum y^count`, for the columns that are opened at x alone, their values. The sums have";
    write_sum(out, ("_sumSingle", text), &single);
    let text =
        "The same for values at x of the columns that are also opened at x / omega. The sums have";
    write_sum(out, ("_sumPair", text), &here);
    let text = "The same for their values at x / omega. The sums have";
    write_sum(out, ("_sumPairBefore", text), &before);
    write_order(out, layout)
}

/// Horner's rule over values, the first one without a power of `y`. Every value of a proof is in
/// one of the sums, which therefore check the range.
fn write_sum(out: &mut String, (name, text): (&str, &str), values: &[String]) {
    line(out, format_args!("    /// @dev {text}"));
    line(out, format_args!("    /// `value_i y^i`, and are at most 2 R. `ok` tells whether all values are below R."));
    line(out, format_args!("    function {name}(uint256 sum, uint256 y) internal pure returns (uint256 s, uint256 ok) {{"));
    line(out, format_args!("        assembly (\"memory-safe\") {{"));
    line(out, format_args!("            let r := {}", openings_order()));
    line(out, format_args!("            let v"));
    line(out, format_args!("            s := sum"));
    line(out, format_args!("            ok := 1"));
    for value in values.iter().rev() {
        line(out, format_args!("            v := mload({value})"));
        line(out, format_args!("            ok := and(ok, lt(v, r))"));
        line(out, format_args!("            s := add(mulmod(s, y, r), v)"));
    }
    line(out, format_args!("        }}\n    }}\n"));
}

fn write_order(out: &mut String, layout: &Layout) -> Result<(), LayoutError> {
    let group = |openings: &[Opening], pair: bool| -> Vec<u32> {
        openings.iter().filter(|o| o.before.is_some() == pair).map(|o| o.column).collect()
    };
    let groups = [
        ("ADVICE_SINGLE", "Advice columns opened at x alone.", group(&layout.advice, false)),
        ("ADVICE_PAIR", "Advice columns opened at x and x / omega.", group(&layout.advice, true)),
        ("FIXED_SINGLE", "Fixed columns opened at x alone.", group(&layout.fixed, false)),
        ("FIXED_PAIR", "Fixed columns opened at x and x / omega.", group(&layout.fixed, true)),
    ];
    for (name, text, columns) in &groups {
        line(out, format_args!("    /// @dev {text}"));
        line(out, format_args!("    uint256 internal constant {name} = {};", columns.len()));
    }
    let columns = groups.iter().flat_map(|g| &g.2);
    let bytes: Result<Vec<u8>, _> = columns.map(|c| u8::try_from(*c)).collect();
    let bytes = bytes.map_err(|_| LayoutError { what: "number of columns" })?;
    line(out, format_args!("\n    /// @dev Writes the columns of the four groups, one byte each."));
    line(out, format_args!("    function _loadOrder() internal pure {{"));
    line(out, format_args!("        assembly (\"memory-safe\") {{"));
    for (i, chunk) in bytes.chunks(ORDER_PER_WORD).enumerate() {
        let mut word = chunk.to_vec();
        word.resize(ORDER_PER_WORD, 0);
        let hex: String = word.iter().map(|b| format!("{b:02x}")).collect();
        line(out, format_args!("            mstore(add(ORDER, {}), 0x{hex})", 32 * i));
    }
    line(out, format_args!("        }}\n    }}"));
    Ok(())
}
