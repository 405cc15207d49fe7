//! Merged openings: sums of values by group.

use dn_core::groups::{Group, Part, Place};
use dn_core::protocol::Protocol;
use dn_core::system::SystemError;

use super::gates::openings_order;
use super::map::Map;
use super::text::{constant, line};

/// The contract that knows the scheme.
pub(super) const BASE: &str = "MergedVerifier";

/// The claimed value of the quotient's first piece, which no proof has.
const FIRST: &str = "first";

/// Commitments of both phases.
pub(super) fn commitments(groups: &[Group]) -> [usize; 2] {
    [0, 1].map(|phase| groups.iter().filter(|g| g.part == Part::Phase(phase)).count())
}

pub(super) fn write_counts(
    out: &mut String,
    p: &Protocol,
    groups: &[Group],
) -> Result<(), SystemError> {
    if groups.len() > 128 {
        return Err(SystemError { what: "number of groups" });
    }
    let pairs: u128 = groups.iter().rev().fold(0, |bits, g| bits << 1 | u128::from(g.is_pair));
    constant(out, BASE, ("_pairs", "uint256"), &format!("0x{pairs:x}"));
    write_power(out, p.places.unwrap_or(1));
    Ok(())
}

/// `u^t` by squares and products, from the highest bit of `t` down.
fn write_power(out: &mut String, t: u32) {
    line(out, format_args!("    /// @inheritdoc {BASE}"));
    line(
        out,
        format_args!(
            "    function _raise(uint256 u) internal pure override returns (uint256 power) {{"
        ),
    );
    line(out, format_args!("        assembly (\"memory-safe\") {{"));
    line(out, format_args!("            let r := {}", openings_order()));
    line(out, format_args!("            power := u"));
    for bit in (0..t.ilog2()).rev() {
        line(out, format_args!("            power := mulmod(power, power, r)"));
        if t >> bit & 1 == 1 {
            line(out, format_args!("            power := mulmod(power, u, r)"));
        }
    }
    line(out, format_args!("        }}\n    }}\n"));
}

pub(super) fn write(out: &mut String, groups: &[Group], map: &Map) {
    let here = |place: &Place| Some(place.here);
    write_sum(out, ("_sumSingle", "uint256 first, "), &values(groups, map, false, here));
    write_sum(out, ("_sumPair", ""), &values(groups, map, true, here));
    write_sum(out, ("_sumPairBefore", ""), &values(groups, map, true, |place| place.before));
}

/// The numbers of the groups of a kind, and the names of their values.
fn values(
    groups: &[Group],
    map: &Map,
    is_pair: bool,
    value: impl Fn(&Place) -> Option<usize>,
) -> Vec<(usize, Vec<String>)> {
    let of_kind = groups.iter().enumerate().filter(|(_, g)| g.is_pair == is_pair);
    let name = |i: usize| if i < map.values() { map.value(i) } else { FIRST }.to_owned();
    of_kind.map(|(i, g)| (i, g.places.iter().filter_map(&value).map(name).collect())).collect()
}

/// Horner's rule in `u` within a group and in `v` between groups. Every value of a proof is in one of the
/// sums, which therefore check the range.
fn write_sum(out: &mut String, (name, first): (&str, &str), groups: &[(usize, Vec<String>)]) {
    line(out, format_args!("    /// @inheritdoc {BASE}"));
    line(out, format_args!("    function {name}({first}uint256 u, uint256 v) internal pure override returns (uint256 s, uint256 ok) {{"));
    line(out, format_args!("        assembly (\"memory-safe\") {{"));
    line(out, format_args!("            let r := {}", openings_order()));
    line(out, format_args!("            let group"));
    line(out, format_args!("            let value"));
    line(out, format_args!("            ok := 1"));
    let mut above = None;
    for (number, values) in groups.iter().rev() {
        line(out, format_args!("            // Group {number}."));
        for (i, value) in values.iter().rev().enumerate() {
            let read = if value == FIRST { value.clone() } else { format!("mload({value})") };
            line(out, format_args!("            value := {read}"));
            if value != FIRST {
                line(out, format_args!("            ok := and(ok, lt(value, r))"));
            }
            let sum = if i == 0 { "value" } else { "add(mulmod(group, u, r), value)" };
            line(out, format_args!("            group := {sum}"));
        }
        match above {
            None => line(out, format_args!("            s := group")),
            Some(above) => {
                write_powers(out, above - number - 1);
                line(out, format_args!("            s := add(mulmod(s, v, r), group)"));
            }
        }
        above = Some(*number);
    }
    write_powers(out, above.unwrap_or(0));
    line(out, format_args!("        }}\n    }}\n"));
}

/// Products by `v` for groups of the other kind.
fn write_powers(out: &mut String, count: usize) {
    for _ in 0..count {
        line(out, format_args!("            s := mulmod(s, v, r)"));
    }
}
