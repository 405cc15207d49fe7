#![no_main]
//! See `dn_fuzz::package`.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| dn_fuzz::package(bytes));
