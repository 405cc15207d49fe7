//! What field arithmetic compiles to.

use dn_vector::{Octet, Portable};
use halo2_proofs::halo2curves::bn256::{Fq, Fr};

/// The instructions that arithmetic compiles to.
pub(crate) trait Arithmetic: std::fmt::Debug + Send + Sync + 'static {
    /// For people.
    const NAME: &'static str;
    /// Of scalars.
    type Fr: Octet<Field = Fr>;
    /// Of coordinates.
    type Fq: Octet<Field = Fq>;
}

/// Any machine's.
#[derive(Debug)]
pub(crate) struct Plain;

impl Arithmetic for Plain {
    const NAME: &'static str = "portable";
    type Fr = Portable<Fr>;
    type Fq = Portable<Fq>;
}

/// AVX-512 IFMA.
#[cfg(target_arch = "x86_64")]
#[derive(Debug)]
pub(crate) struct Avx512;

#[cfg(target_arch = "x86_64")]
impl Arithmetic for Avx512 {
    const NAME: &'static str = "avx512-ifma";
    type Fr = dn_vector::Ifma<Fr>;
    type Fq = dn_vector::Ifma<Fq>;
}
