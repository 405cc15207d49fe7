//! What the prover's time is made of: CPU nanoseconds per multiplication, per butterfly of a
//! transform and per term of a multi-scalar multiplication, with each arithmetic.

use std::hint::black_box;

use dn_vector::column::{pack, splat_all, unpack};
use dn_vector::msm::{encode, msm};
use dn_vector::{Coset, Octet, Portable, LANES};
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine, G1};
use halo2_proofs::halo2curves::group::{Curve, Group};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// log2 of the elements of a column.
const K: u32 = 16;

fn main() {
    println!("| arithmetic | multiplication | butterfly | term of 254 bits | term of 8 bits |");
    println!("|---|---|---|---|---|");
    let bases = bases();
    measure::<Portable<Fr>, Portable<Fq>>("portable", &bases);
    #[cfg(target_arch = "x86_64")]
    if dn_vector::has_ifma() {
        measure::<dn_vector::Ifma<Fr>, dn_vector::Ifma<Fq>>("avx512-ifma", &bases);
    }
    println!("\nCPU nanoseconds, columns of 2^{K}.");
}

fn measure<V: Octet<Field = Fr>, W: Octet<Field = Fq>>(name: &str, bases: &[G1Affine]) {
    let n = 1usize << K;
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let large: Vec<Fr> = (0..n).map(|_| Fr::random(&mut rng)).collect();
    let small: Vec<Fr> = (0..n as u64).map(|i| Fr::from(1 + i * i % 255)).collect();
    let multiplication = nanoseconds(n * 100, || multiply::<V>(&large[..1 << 10], n * 100));
    let omega = Fr::ROOT_OF_UNITY.pow_vartime([1 << (Fr::S - K)]);
    let (coset, column) = (Coset::<V>::new(n, omega, Fr::from(7)), pack::<V>(&large));
    let butterflies = n / 2 * K as usize;
    let butterfly = nanoseconds(butterflies * 10, || {
        (0..10).for_each(|_| drop(black_box(coset.evaluate(&column))));
    });
    let bases = encode::<W>(bases);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let term = |scalars: &[Fr]| {
        pool.install(|| {
            nanoseconds(n, || {
                black_box(msm::<W>(scalars, &bases));
            })
        })
    };
    let (wide, narrow) = (term(&large), term(&small));
    println!("| {name} | {multiplication:.1} | {butterfly:.1} | {wide:.0} | {narrow:.0} |");
}

fn nanoseconds(operations: usize, run: impl FnOnce()) -> f64 {
    let start = cpu_nanoseconds();
    run();
    (cpu_nanoseconds() - start) / operations as f64
}

/// CPU time of this process.
#[allow(unsafe_code, reason = "the standard library does not tell CPU time")]
fn cpu_nanoseconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn multiply<V: Octet<Field = Fr>>(elements: &[Fr], times: usize) {
    let column = pack::<V>(elements);
    let product = V::run(
        #[inline(always)]
        || {
            let mut work = Vec::with_capacity(column.len());
            for octet in &column {
                work.push(V::unpack(octet));
            }
            let factor = splat_all::<V>(&elements[..1])[0];
            for _ in 0..times / elements.len() {
                for octet in &mut work {
                    *octet = octet.mul(factor);
                }
            }
            work[0].pack()
        },
    );
    black_box(unpack::<V>(&[product])[LANES - 1]);
}

/// Distinct points: each is three times the one before.
fn bases() -> Vec<G1Affine> {
    let mut points = vec![G1::generator(); 1 << K];
    for i in 1..points.len() {
        points[i] = points[i - 1] + points[i - 1].double();
    }
    let mut affine = vec![G1Affine::default(); points.len()];
    G1::batch_normalize(&points, &mut affine);
    affine
}
