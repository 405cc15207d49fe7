//! CPU seconds that the bases of merged commitments take, for each domain and number of places that is named as `K:PLACES`
//! (`12:15` where none is): from the powers of a ceremony, and from a secret that is known.

use dn_vector::msm::{decode, interpolate_points, multiples};
use dn_vector::{Octet, Portable};
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|a| a.contains(':')).collect();
    let jobs = if named.is_empty() { vec!["12:15".to_owned()] } else { named };
    println!("| k | places | powers of a known secret | bases from powers |\n|---|---|---|---|");
    for job in jobs {
        let (k, places) = job.split_once(':').expect("K:PLACES");
        let (k, places) = (k.parse().expect("k"), places.parse().expect("places"));
        #[cfg(target_arch = "x86_64")]
        if dn_vector::has_ifma() {
            measure::<dn_vector::Ifma<Fq>>(k, places);
            continue;
        }
        measure::<Portable<Fq>>(k, places);
    }
    println!("\nCPU seconds.");
}

fn measure<V: Octet<Field = Fq>>(k: u32, places: usize) {
    let n = 1usize << k;
    let tau = Fr::random(ChaCha20Rng::seed_from_u64(1));
    let start = cpu_seconds();
    let next = |power: &Fr| Some(*power * tau);
    let scalars: Vec<Fr> = std::iter::successors(Some(Fr::ONE), next).take(places * n).collect();
    let powers = multiples::<V>(&G1Affine::generator(), &scalars).expect("points");
    let powers: Vec<G1Affine> = powers.iter().map(decode::<V>).collect();
    let made = cpu_seconds() - start;
    let omega = Fr::ROOT_OF_UNITY.pow_vartime([1 << (Fr::S - k)]);
    let start = cpu_seconds();
    let bases = interpolate_points::<V>(&powers, omega, n, places).expect("finite points");
    let transformed = cpu_seconds() - start;
    assert_eq!(bases.len(), places * n);
    println!("| {k} | {places} | {made:.2} | {transformed:.2} |");
}

/// CPU time of this process.
#[allow(unsafe_code, reason = "the standard library does not tell CPU time")]
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
