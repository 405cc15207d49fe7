//! Plain openings: sums of values, and the order in which commitments are scaled.

use dn_core::protocol::Protocol;
use dn_core::system::{Opening, System, SystemError};

use super::gates::openings_order;
use super::map::{Map, ORDER_PER_WORD};
use super::text::{constant, counts, line};

/// The contract that knows the scheme.
pub(super) const BASE: &str = "PlainVerifier";

pub(super) fn write_counts(out: &mut String, p: &Protocol, system: &System) {
    let group = |openings: &[Opening], pair: bool| {
        openings.iter().filter(|o| o.before.is_some() == pair).count()
    };
    let all = [
        ("_pieces", p.quotient_pieces as usize),
        ("_adviceSingle", group(&system.advice, false)),
        ("_advicePair", group(&system.advice, true)),
        ("_fixedSingle", group(&system.fixed, false)),
        ("_fixedPair", group(&system.fixed, true)),
    ];
    counts(out, BASE, &all);
    let pair = system.first_set_is_pair();
    constant(out, BASE, ("_firstSetIsPair", "bool"), &pair.to_string());
}

pub(super) fn write(out: &mut String, system: &System, map: &Map) -> Result<(), SystemError> {
    let all = || system.advice.iter().chain(&system.fixed);
    let name = |i: usize| map.value(i).to_string();
    let single: Vec<_> = all().filter(|o| o.before.is_none()).map(|o| name(o.here)).collect();
    let pair: Vec<_> = all().filter(|o| o.before.is_some()).collect();
    let here: Vec<_> = pair.iter().map(|o| name(o.here)).collect();
    let before: Vec<_> = pair.iter().filter_map(|o| o.before).map(name).collect();
    write_sum(out, "_sumSingle", &single);
    write_sum(out, "_sumPair", &here);
    write_sum(out, "_sumPairBefore", &before);
    write_order(out, system)
}

/// Horner's rule over values, the first one without a power of `y`. Every value of a proof is in
/// one of the sums, which therefore check the range.
fn write_sum(out: &mut String, name: &str, values: &[String]) {
    line(out, format_args!("    /// @inheritdoc {BASE}"));
    line(out, format_args!("    function {name}(uint256 sum, uint256 y) internal pure override returns (uint256 s, uint256 ok) {{"));
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

fn write_order(out: &mut String, system: &System) -> Result<(), SystemError> {
    let group = |openings: &[Opening], pair: bool| -> Vec<u32> {
        openings.iter().filter(|o| o.before.is_some() == pair).map(|o| o.column).collect()
    };
    let groups = [
        group(&system.advice, false),
        group(&system.advice, true),
        group(&system.fixed, false),
        group(&system.fixed, true),
    ];
    let columns = groups.iter().flatten();
    let bytes: Result<Vec<u8>, _> = columns.map(|c| u8::try_from(*c)).collect();
    let bytes = bytes.map_err(|_| SystemError { what: "number of columns" })?;
    line(out, format_args!("    /// @inheritdoc {BASE}"));
    line(out, format_args!("    function _loadOrder() internal pure override {{"));
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
