//! What the vector code must know of a field.

use ff::PrimeField;
use halo2_proofs::halo2curves::bn256::{Fq, Fr};

/// A field of 254 bits whose elements are four words in memory: Montgomery form with R = 2^256,
/// least significant word first.
pub trait Modulus: PrimeField + std::iter::Sum {
    /// The modulus, words from the least significant.
    const MODULUS_WORDS: [u64; 4];
}

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
