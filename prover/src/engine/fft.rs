//! Number-theoretic transforms over a domain of `2^k` roots of unity. Serial: the engine works on
//! many columns at once.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

/// Roots of unity, layer by layer: entry `m + j` is the `j`-th power of the `2m`-th root.
#[derive(Clone, Debug)]
pub(crate) struct Fft {
    forward: Vec<Fr>,
    inverse: Vec<Fr>,
    n_inverse: Fr,
}

impl Fft {
    /// For the domain that `omega` generates, of `n = 2^k` elements.
    pub(crate) fn new(n: usize, omega: Fr) -> Self {
        let invert = |x: Fr| x.invert().expect("a root of unity and n are not zero");
        Self {
            forward: layers(n, omega),
            inverse: layers(n, invert(omega)),
            n_inverse: invert(Fr::from(n as u64)),
        }
    }

    /// Coefficients of the polynomial with these values on the domain.
    pub(crate) fn to_coefficients(&self, values: &mut [Fr]) {
        transform(values, &self.inverse);
        for x in values {
            *x *= self.n_inverse;
        }
    }

    /// Values on `shift` times the domain of the polynomial with these coefficients.
    pub(crate) fn to_coset(&self, coefficients: &mut [Fr], shift: Fr) {
        let mut power = Fr::ONE;
        for x in coefficients.iter_mut() {
            *x *= power;
            power *= shift;
        }
        transform(coefficients, &self.forward);
    }
}

fn layers(n: usize, omega: Fr) -> Vec<Fr> {
    let mut roots = vec![Fr::ONE; n];
    let (mut half, mut root) = (n / 2, omega);
    while half > 0 {
        let mut power = Fr::ONE;
        for entry in &mut roots[half..2 * half] {
            *entry = power;
            power *= root;
        }
        half /= 2;
        root = root.square();
    }
    roots
}

fn transform(values: &mut [Fr], roots: &[Fr]) {
    let n = values.len();
    let bits = n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            values.swap(i, j);
        }
    }
    let mut half = 1;
    while half < n {
        let layer = &roots[half..2 * half];
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((a, b), root) in low.iter_mut().zip(high).zip(layer) {
                let turned = *b * root;
                *b = *a - turned;
                *a += turned;
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ff::PrimeField;
    use halo2_proofs::arithmetic::eval_polynomial;

    #[test]
    fn transforms_evaluate_and_interpolate() {
        let n = 32;
        let omega = Fr::ROOT_OF_UNITY.pow_vartime([1 << (Fr::S - 5)]);
        let fft = Fft::new(n, omega);
        let coefficients: Vec<Fr> = (0..n as u64).map(|i| Fr::from(i * i + 3)).collect();
        let shift = Fr::from(7);
        let mut values = coefficients.clone();
        fft.to_coset(&mut values, shift);
        for (i, value) in values.iter().enumerate() {
            let at = shift * omega.pow_vartime([i as u64]);
            assert_eq!(*value, eval_polynomial(&coefficients, at));
        }
        let mut back = coefficients.clone();
        fft.to_coset(&mut back, Fr::ONE);
        fft.to_coefficients(&mut back);
        assert_eq!(back, coefficients);
    }
}
