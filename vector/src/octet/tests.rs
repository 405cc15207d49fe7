//! Both kinds of arithmetic give the numbers of the field.

use ff::Field;
use halo2_proofs::halo2curves::bn256::{Fq, Fr};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;

fn values<V: Octet>(v: V) -> Vec<V::Field> {
    let mut out = vec![V::Field::ZERO; LANES];
    v.store(&mut out);
    out
}

/// Random elements and borders.
fn elements<F: Modulus>(n: usize) -> Vec<F> {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    // Its representative is 1: 2^-260.
    let least = F::from(2).invert().expect("not zero").pow_vartime([260]);
    let borders =
        [F::ZERO, F::ONE, -F::ONE, F::from(1 << 52), least, -least, -least.double(), F::from(2)];
    (0..n).map(|i| borders.get(i).copied().unwrap_or_else(|| F::random(&mut rng))).collect()
}

fn check<V: Octet>() {
    let all = elements::<V::Field>(64);
    V::run(|| {
        for a in all.chunks(LANES) {
            for b in all.chunks(LANES) {
                pairwise::<V>(a, b);
            }
        }
        bounds::<V>(&all[..LANES]);
        bounds::<V>(&all[LANES..2 * LANES]);
        moves::<V>(&all[..2 * LANES]);
    });
}

fn pairwise<V: Octet>(a: &[V::Field], b: &[V::Field]) {
    let (x, y) = (V::load(a), V::load(b));
    let both = |f: fn(V::Field, V::Field) -> V::Field| -> Vec<_> {
        a.iter().zip(b).map(|(x, y)| f(*x, *y)).collect()
    };
    assert_eq!(values(x), a);
    assert_eq!(values(V::unpack(&x.pack())), a);
    assert_eq!(values(x.add(y)), both(|x, y| x + y));
    assert_eq!(values(x.sub(y, 2)), both(|x, y| x - y));
    assert_eq!(values(x.mul(y)), both(|x, y| x * y));
    assert_eq!(values(x.neg(2)), both(|x, _| -x));
    assert_eq!(
        values(V::splat(a[0]).mul(y)),
        both(|_, y| y).iter().map(|y| a[0] * y).collect::<Vec<_>>()
    );
    let some = (0..LANES).map(|i| if i % 3 == 0 { -a[i] } else { a[i] }).collect::<Vec<_>>();
    assert_eq!(values(x.neg_where(0b0100_1001)), some);
    assert_eq!(values(x.sub_all([y, y, x], 3)), both(|_, y| -y.double()));
    let pairs: Vec<V::Pair> = a.iter().zip(b).map(|(x, y)| V::pair(*x, *y)).collect();
    let (u, v) = V::load_pairs(std::array::from_fn(|i| &pairs[i]));
    assert_eq!((values(u), values(v)), (a.to_vec(), b.to_vec()));
    let mut stored: [V::Pair; LANES] = std::array::from_fn(|i| pairs[i]);
    V::store_pairs(u.add(u), v.add(v), &mut stored);
    for (i, pair) in stored.iter().enumerate() {
        assert_eq!(V::elements(pair), [a[i].double(), b[i].double()]);
        assert_eq!(V::elements(&V::mirror(pair)), [a[i].double(), -b[i].double()]);
    }
}

/// Values at their largest bounds.
fn bounds<V: Octet>(a: &[V::Field]) {
    let x = V::load(a);
    let sum = |n: u64| (1..n).fold(x, |s, _| s.add(x));
    let times = |n: u64| a.iter().map(|x| *x * V::Field::from(n)).collect::<Vec<_>>();
    assert_eq!(values(sum(40)), times(40));
    assert_eq!(values(sum(8).reduce()), times(8));
    assert_eq!(values(sum(16).reduce()), times(16));
    assert_eq!(values(sum(80).mul(V::splat(V::Field::ONE))), times(80));
    let squares = |n: u64| a.iter().map(|x| x.square() * V::Field::from(n)).collect::<Vec<_>>();
    assert_eq!(values(sum(8).mul(sum(10))), squares(80));
    let zero = V::splat(V::Field::ZERO);
    for bound in [1, 2, 16] {
        let minus_zero = zero.neg(bound);
        assert_eq!(values(minus_zero), times(0));
        assert_eq!(values(minus_zero.reduce()), times(0));
        assert_eq!(values(minus_zero.mul(x)), times(0));
        assert_eq!(values(V::unpack(&minus_zero.pack())), times(0));
        assert_eq!(values(minus_zero.add(x)), a);
    }
    assert_eq!(
        values(sum(8).reduce().mul(sum(20))),
        a.iter().map(|x| x.square() * V::Field::from(160)).collect::<Vec<_>>()
    );
    let minus: Vec<_> = times(32).iter().map(|x| -*x).collect();
    assert_eq!(values(sum(32).neg(64)), minus);
    assert_eq!(
        values(V::splat(-V::Field::ONE).neg(1).add(x)),
        a.iter().map(|x| *x + V::Field::ONE).collect::<Vec<_>>()
    );
}

fn moves<V: Octet>(a: &[V::Field]) {
    let (x, y) = (V::load(&a[..LANES]), V::load(&a[LANES..]));
    assert_eq!(values(y.behind(x)), &a[LANES - 1..2 * LANES - 1]);
    fn half<V: Octet, const HALF: usize>(a: &[V::Field], x: V, y: V) {
        let (low, high) = V::split::<HALF>(x, y);
        let blocks =
            |odd| a.chunks(HALF).skip(odd).step_by(2).flatten().copied().collect::<Vec<_>>();
        assert_eq!((values(low), values(high)), (blocks(0), blocks(1)));
        let (u, v) = V::join::<HALF>(low, high);
        assert_eq!([values(u), values(v)].concat(), a);
    }
    half::<V, 1>(a, x, y);
    half::<V, 2>(a, x, y);
    half::<V, 4>(a, x, y);
}

#[test]
fn portable() {
    check::<Portable<Fr>>();
    check::<Portable<Fq>>();
}

#[cfg(target_arch = "x86_64")]
#[test]
fn ifma() {
    if has_ifma() {
        check::<Ifma<Fr>>();
        check::<Ifma<Fq>>();
    } else {
        println!("skipped: this machine has no AVX-512 IFMA");
    }
}
