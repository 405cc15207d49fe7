//! What the vector code must know of a field.

use ff::PrimeField;
use halo2_proofs::halo2curves::bn256::{Fq, Fr};

/// A field of 254 bits whose elements are four words in memory: Montgomery form with R = 2^256,
/// least significant word first.
/// Only these two fields are: nothing else can implement it.
pub trait Modulus: PrimeField + std::iter::Sum + sealed::Sealed {
    /// The modulus, words from the least significant.
    const MODULUS_WORDS: [u64; 4];
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for Fr {}
impl sealed::Sealed for Fq {}

impl Modulus for Fr {
    const MODULUS_WORDS: [u64; 4] = [
        0x43e1_f593_f000_0001,
        0x2833_e848_79b9_7091,
        0xb850_45b6_8181_585d,
        0x3064_4e72_e131_a029,
    ];
}

impl Modulus for Fq {
    const MODULUS_WORDS: [u64; 4] = [
        0x3c20_8c16_d87c_fd47,
        0x9781_6a91_6871_ca8d,
        0xb850_45b6_8181_585d,
        0x3064_4e72_e131_a029,
    ];
}
