//! Number-theoretic transforms over a domain of `2^k` roots of unity. Serial: the engine works on
//! many columns at once.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

/// Values on the domain to coefficients.
#[derive(Clone, Debug)]
pub(crate) struct Fft {
    roots: Vec<Fr>,
    n_inverse: Fr,
}

/// Coefficients to values on `s` times the domain.
#[derive(Clone, Debug)]
pub(crate) struct Coset {
    roots: Vec<Fr>,
}

impl Fft {
    /// For the domain that `omega` generates, of `n = 2^k` elements.
    pub(crate) fn new(n: usize, omega: Fr) -> Self {
        let invert = |x: Fr| x.invert().expect("a root of unity and n are not zero");
        Self { roots: layers(n, invert(omega), Fr::ONE), n_inverse: invert(Fr::from(n as u64)) }
    }

    /// Coefficients of the polynomial with these values on the domain.
    pub(crate) fn to_coefficients(&self, values: &mut [Fr]) {
        transform(values, &self.roots);
        for x in values {
            *x *= self.n_inverse;
        }
    }
}

impl Coset {
    /// For `shift` times the domain that `omega` generates.
    pub(crate) fn new(n: usize, omega: Fr, shift: Fr) -> Self {
        Self { roots: layers(n, omega, shift) }
    }

    /// Replaces coefficients by values.
    pub(crate) fn evaluate(&self, coefficients: &mut [Fr]) {
        transform(coefficients, &self.roots);
    }
}

/// The points at which each layer meets, without those that differ in sign: entry `m + j` is
/// `shift^(n/2m)` times the `j`-th power of the `2m`-th root of unity. So a shift costs nothing.
fn layers(n: usize, omega: Fr, shift: Fr) -> Vec<Fr> {
    let mut roots = vec![Fr::ONE; n];
    let (mut half, mut root, mut shift) = (n / 2, omega, shift);
    while half > 0 {
        let mut point = shift;
        for entry in &mut roots[half..2 * half] {
            *entry = point;
            point *= root;
        }
        half /= 2;
        root = root.square();
        shift = shift.square();
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
        for k in [5, 13] {
            check(k);
        }
    }

    fn check(k: u32) {
        let n = 1 << k;
        let omega = Fr::ROOT_OF_UNITY.pow_vartime([1 << (Fr::S - k)]);
        let fft = Fft::new(n, omega);
        let coefficients: Vec<Fr> = (0..n as u64).map(|i| Fr::from(i * i + 3)).collect();
        let shift = Fr::from(7);
        let mut values = coefficients.clone();
        Coset::new(n, omega, shift).evaluate(&mut values);
        for (i, value) in values.iter().enumerate().step_by(n / 16 - 1) {
            let at = shift * omega.pow_vartime([i as u64]);
            assert_eq!(*value, eval_polynomial(&coefficients, at));
        }
        let mut back = coefficients.clone();
        Coset::new(n, omega, Fr::ONE).evaluate(&mut back);
        fft.to_coefficients(&mut back);
        assert_eq!(back, coefficients);
    }
}
