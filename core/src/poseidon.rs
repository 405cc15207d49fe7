//! circomlib's `poseidon5` over BN254: width 6, 8 full and 60 partial rounds.
//!
//! A round adds constants, raises to the fifth power (a partial round element 0 alone) and
//! multiplies by `M = [[m, v], [w, H]]`, 36 products. In a partial round the other five elements
//! `y` only move linearly, so they are kept in a basis in which they stand still: with `B_0 = I`,
//! `B_{r+1} = H B_r`, `y = B_r (z + d_r)`, `s = (x + c_r)^5`:
//!
//! ```text
//! x' = m s + (v B_r) z        z' = z + (B_{r+1}^{-1} w) s        11 products
//! ```
//!
//! Constants of `y` are known before anything is hashed: they go into `c` and into `d`. The
//! constants are light-poseidon's, and so is what a test compares with.

use std::sync::LazyLock;

use ark_bn254::Fr;
use ark_ff::{Field, Zero};
use light_poseidon::parameters::bn254_x5::get_poseidon_parameters;

/// Elements of a message.
pub const ARITY: usize = 5;
/// Elements of the state.
const WIDTH: usize = ARITY + 1;
/// Full rounds on either side.
const HALF_FULL: usize = 4;
/// Partial rounds.
const PARTIAL: usize = 60;

type State = [Fr; WIDTH];
type Rest = [Fr; ARITY];
type Square = [Rest; ARITY];

/// A partial round in the basis where `y` stands still.
#[derive(Debug)]
struct Partial {
    /// Added to `x` before its power.
    constant: Fr,
    /// `v B_r`.
    row: Rest,
    /// `B_{r+1}^{-1} w`.
    column: Rest,
}

#[derive(Debug)]
struct Constants {
    matrix: [State; WIDTH],
    /// Of the full rounds, first half and second.
    full: [State; 2 * HALF_FULL],
    partial: Vec<Partial>,
    /// `B` behind the last partial round.
    back: Square,
    /// Added to the state there: what is left of the constants.
    left: State,
}

static CONSTANTS: LazyLock<Constants> = LazyLock::new(constants);

/// Hashes five elements: element 0 of the permuted state `(0, x_0, ..., x_4)`.
#[must_use]
pub fn hash(x: &[Fr; ARITY]) -> Fr {
    let own = &*CONSTANTS;
    let mut state = [Fr::zero(), x[0], x[1], x[2], x[3], x[4]];
    for constants in &own.full[..HALF_FULL] {
        full(&mut state, constants, &own.matrix);
    }
    let mut first = state[0];
    let mut rest: Rest = std::array::from_fn(|i| state[i + 1]);
    for round in &own.partial {
        let s = fifth(first + round.constant);
        first = own.matrix[0][0] * s + dot(&round.row, &rest);
        for (z, column) in rest.iter_mut().zip(&round.column) {
            *z += *column * s;
        }
    }
    state[0] = first + own.left[0];
    for (i, row) in own.back.iter().enumerate() {
        state[i + 1] = dot(row, &rest) + own.left[i + 1];
    }
    for constants in &own.full[HALF_FULL..] {
        full(&mut state, constants, &own.matrix);
    }
    state[0]
}

fn full(state: &mut State, constants: &State, matrix: &[State; WIDTH]) {
    let powers: State = std::array::from_fn(|i| fifth(state[i] + constants[i]));
    *state = std::array::from_fn(|i| dot(&matrix[i], &powers));
}

fn fifth(x: Fr) -> Fr {
    x.square().square() * x
}

fn dot<const N: usize>(a: &[Fr; N], b: &[Fr; N]) -> Fr {
    a.iter().zip(b).map(|(a, b)| *a * b).sum()
}

fn constants() -> Constants {
    let known = get_poseidon_parameters::<Fr>(WIDTH as u8).expect("light-poseidon has width 6");
    let matrix: [State; WIDTH] = std::array::from_fn(|i| std::array::from_fn(|j| known.mds[i][j]));
    let round = |r: usize| -> State { std::array::from_fn(|i| known.ark[WIDTH * r + i]) };
    let v: Rest = std::array::from_fn(|i| matrix[0][i + 1]);
    let w: Rest = std::array::from_fn(|i| matrix[i + 1][0]);
    let h: Square = std::array::from_fn(|i| std::array::from_fn(|j| matrix[i + 1][j + 1]));
    let h_inverse = inverse(h);

    let mut partial = Vec::with_capacity(PARTIAL);
    let (mut basis, mut basis_inverse) = (identity(), identity());
    // What the constants of `y` have come to: `offset` in `x`, `drift` in the basis of `z`.
    let (mut offset, mut drift) = (Fr::zero(), [Fr::zero(); ARITY]);
    for r in HALF_FULL..HALF_FULL + PARTIAL {
        let constants = round(r);
        let of_rest: Rest = std::array::from_fn(|i| constants[i + 1]);
        let moved = apply(&basis_inverse, &of_rest);
        for (drift, moved) in drift.iter_mut().zip(moved) {
            *drift += moved;
        }
        let row: Rest = std::array::from_fn(|j| (0..ARITY).map(|i| v[i] * basis[i][j]).sum());
        let constant = constants[0] + offset;
        offset = dot(&row, &drift);
        basis = product(&h, &basis);
        basis_inverse = product(&basis_inverse, &h_inverse);
        partial.push(Partial { constant, row, column: apply(&basis_inverse, &w) });
    }
    let rest = apply(&basis, &drift);
    let left = std::array::from_fn(|i| if i == 0 { offset } else { rest[i - 1] });
    let full = std::array::from_fn(|i| round(if i < HALF_FULL { i } else { i + PARTIAL }));
    Constants { matrix, full, partial, back: basis, left }
}

fn identity() -> Square {
    std::array::from_fn(|i| std::array::from_fn(|j| Fr::from(u8::from(i == j))))
}

fn apply(a: &Square, x: &Rest) -> Rest {
    std::array::from_fn(|i| dot(&a[i], x))
}

fn product(a: &Square, b: &Square) -> Square {
    let entry = |i: usize, j: usize| (0..ARITY).map(|k| a[i][k] * b[k][j]).sum();
    std::array::from_fn(|i| std::array::from_fn(|j| entry(i, j)))
}

/// By Gauss and Jordan.
fn inverse(mut a: Square) -> Square {
    let mut b = identity();
    for i in 0..ARITY {
        let pivot = (i..ARITY).find(|r| !a[*r][i].is_zero()).expect("an MDS matrix's minors");
        a.swap(i, pivot);
        b.swap(i, pivot);
        let scale = a[i][i].inverse().expect("it is not zero");
        for x in a[i].iter_mut().chain(&mut b[i]) {
            *x *= scale;
        }
        let (own_a, own_b) = (a[i], b[i]);
        for r in (0..ARITY).filter(|r| *r != i) {
            let factor = a[r][i];
            for j in 0..ARITY {
                a[r][j] -= factor * own_a[j];
                b[r][j] -= factor * own_b[j];
            }
        }
    }
    b
}

#[cfg(test)]
mod tests {
    use light_poseidon::{Poseidon, PoseidonHasher as _};

    use super::*;

    #[test]
    fn hashes_are_circomlib_s() {
        let mut known = Poseidon::<Fr>::new_circom(ARITY).unwrap();
        let mut next = Fr::from(3u8);
        let mut any = || {
            next = next.square() + Fr::from(7u8);
            next
        };
        let some: Vec<Rest> = (0..64).map(|_| std::array::from_fn(|_| any())).collect();
        let edges = [[Fr::zero(); ARITY], [-Fr::from(1u8); ARITY]];
        for x in edges.into_iter().chain(some) {
            assert_eq!(hash(&x), known.hash(&x).unwrap());
        }
    }

    /// The contract moves the rest of the state through the matrix in partial rounds, too: it takes no basis, and so
    /// fewer constants.
    fn library() -> String {
        let own = &*CONSTANTS;
        let text = |x: &Fr| {
            let bytes = crate::commitment::to_bytes(*x);
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let partial = own.partial.iter().map(|round| &round.constant).chain(&own.left);
        let (first, last) = own.full.split_at(HALF_FULL);
        let constants = first.iter().flatten().chain(partial).chain(last.iter().flatten());
        let constants: Vec<String> =
            constants.map(|x| format!("        hex\"{}\"", text(x))).collect();
        let mut lines = vec!["let s0 := mload(state)".to_owned()];
        lines
            .extend((1..WIDTH).map(|j| format!("let s{j} := mload(add(state, 0x{:02x}))", 32 * j)));
        for (i, row) in own.matrix.iter().enumerate() {
            let term = |j: usize| format!("mulmod(0x{}, s{j}, r)", text(&row[j]));
            lines.push(format!("{}sum := {}", if i == 0 { "let " } else { "" }, term(0)));
            lines.extend((1..ARITY).map(|j| format!("sum := add(sum, {})", term(j))));
            let (at, last) = (32 * i, term(ARITY));
            lines.push(format!("mstore(add(state, 0x{at:02x}), addmod(sum, {last}, r))"));
        }
        let lines: Vec<String> = lines.iter().map(|line| format!("            {line}")).collect();
        include_str!("../testdata/poseidon.sol.txt")
            .replace("CONSTANTS_HERE", &constants.join("\n"))
            .replace("LINES_HERE", &lines.join("\n"))
    }

    #[test]
    fn the_contract_has_these_numbers() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let file = format!("{root}/contracts/src/generated/PoseidonNumbers.sol");
        if std::env::var_os("DN_UPDATE_POSEIDON").is_some() {
            std::fs::write(&file, library()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(file).unwrap(), library());
    }
}
