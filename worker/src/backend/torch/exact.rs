//! Which floating-point type holds a node's integers.

use dn_core::quant::{Node, Part};
use tch::Kind;

/// Integers up to this absolute value are exact in f32, which has 24 bits of significand.
const F32_EXACT: i64 = 1 << f32::MANTISSA_DIGITS;

/// `2^(shift-1)`, in units of the accumulator; 0 for a shift of 0, which only saturates.
pub(super) fn rounding_term(shift: u32) -> i64 {
    (1 << shift) >> 1
}

/// The cheapest type in which the node's arithmetic is exact.
///
/// `128·Σ|w| + |bias| + 2^(shift−1)`, over the weights of the sum's sources, bounds every partial sum in
/// every order, with `128·Σ|w|` of one factor times that of the other for a product, and each of these for a
/// factor. It can exceed `2^24` for a valid graph: `Graph::validate` bounds whole
/// accumulators, where the bias may cancel a part of the sum, and a partial sum may lack the bias.
/// f64 holds whatever a valid graph reaches.
pub(super) fn exact_kind(node: &Node) -> Kind {
    let channels = node.shape.channels;
    let bound = |o: usize| {
        let [sum, left, right] = Part::ALL.map(|part| part_bound(node, part, o));
        let bias = i64::from(node.bias[o].unsigned_abs());
        let product = left.saturating_mul(right);
        (sum + bias + rounding_term(node.shift[o])).saturating_add(product).max(left).max(right)
    };
    if (0..channels).all(|o| bound(o) <= F32_EXACT) {
        Kind::Float
    } else {
        Kind::Double
    }
}

/// `128·Σ|w|` over the weights of one part.
fn part_bound(node: &Node, part: Part, o: usize) -> i64 {
    let rows = node.sources.iter().filter(|s| s.part == part).flat_map(|s| {
        let len = s.weights.len() / node.shape.channels;
        &s.weights[o * len..(o + 1) * len]
    });
    let weights: i64 = rows.map(|w| i64::from(w.unsigned_abs())).sum();
    i64::from(i8::MIN.unsigned_abs()) * weights
}

#[cfg(test)]
mod tests {
    use dn_core::quant::{Activation, Geometry, Shape, Source};

    use super::*;

    /// A channel of weights 1 beside one whose weights come in two sources.
    fn node(weights: [i16; 2], bias: i32, shift: u32) -> Node {
        let source = |w| Source {
            part: Part::Sum,
            tensor: 0,
            geometry: Geometry::plain([1, 1]),
            weights: vec![1, w],
        };
        Node {
            shape: Shape::vector(2),
            sources: weights.map(source).into(),
            bias: vec![0, bias],
            shift: vec![0, shift],
            pool: 1,
            activation: Activation::identity(),
        }
    }

    #[test]
    fn f32_is_used_up_to_the_bound_and_no_further() {
        let exact = (1 << 24) - 128 * 127 - 1;
        assert_eq!(exact_kind(&node([27, 100], exact, 1)), Kind::Float);
        assert_eq!(exact_kind(&node([27, 100], exact + 1, 1)), Kind::Double);
        assert_eq!(exact_kind(&node([-27, 100], -exact, 1)), Kind::Float);
        assert_eq!(exact_kind(&node([-27, 100], -exact - 1, 1)), Kind::Double);
        assert_eq!(exact_kind(&node([-28, 100], exact, 1)), Kind::Double);
        assert_eq!(exact_kind(&node([-128, 0], (1 << 24) - 128 * 128, 0)), Kind::Float);
    }

    /// `128 · 1024 · 128` is the bound, so nothing may be added.
    #[test]
    fn a_product_counts_as_its_factors_do() {
        let of = |bias| {
            let mut node = node([1, 1], bias, 0);
            node.sources[0].part = Part::Left;
            node.sources[1].part = Part::Right;
            node.sources[0].weights = vec![1, 1024];
            node
        };
        assert_eq!(exact_kind(&of(0)), Kind::Float);
        assert_eq!(exact_kind(&of(1)), Kind::Double);
    }

    #[test]
    fn a_shift_of_zero_has_no_rounding_term() {
        assert_eq!([0, 1, 2, 16].map(rounding_term), [0, 1, 2, 1 << 15]);
    }
}
