#![no_main]
//! See `dn_fuzz::key`.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| dn_fuzz::key(bytes));
