//! Whatever arrives in the place of a ceremony's file: a reference string or an error.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dn_prover::read_ptau;
use dn_testing::{cases, damaged};
use proptest::prelude::*;

const FILE: &[u8] = include_bytes!("../testdata/small.ptau");

proptest! {
    #![proptest_config(cases(200, 20_000))]

    #[test]
    fn damaged_ceremonies_are_read_or_refused(bytes in damaged(vec![FILE.to_vec()]), k in 1u32..40) {
        // What still reads passed the pairings.
        let _ = read_ptau(&bytes, k);
    }
}
