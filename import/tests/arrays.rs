//! Array files of every numeric type and order.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::path::{Path, PathBuf};

use dn_import::npz::{self, NpzError};

/// One array of numpy's format, version 1.
fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// An archive of arrays.
fn npz(name: &str, arrays: &[(&str, Vec<u8>)]) -> PathBuf {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (array, bytes) in arrays {
        zip.start_file(format!("{array}.npy"), zip::write::FileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    file(name, &zip.finish().unwrap().into_inner())
}

#[test]
fn all_numeric_types_and_byte_orders_are_read() {
    let cases: [(&str, Vec<u8>, [f32; 2]); 14] = [
        ("<f2", vec![0x00, 0x3e, 0x00, 0xc0], [1.5, -2.0]),
        (">f2", vec![0x3e, 0x00, 0xc0, 0x00], [1.5, -2.0]),
        ("<f4", [1.5f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect(), [1.5, -2.0]),
        (">f4", [1.5f32, -2.0].iter().flat_map(|v| v.to_be_bytes()).collect(), [1.5, -2.0]),
        (">f8", [1.5f64, -2.0].iter().flat_map(|v| v.to_be_bytes()).collect(), [1.5, -2.0]),
        ("|i1", vec![7, 0x80], [7.0, -128.0]),
        ("|u1", vec![7, 0x80], [7.0, 128.0]),
        ("<i2", vec![7, 0, 0xff, 0xff], [7.0, -1.0]),
        (">u2", vec![0, 7, 0xff, 0xff], [7.0, 65_535.0]),
        (">i4", vec![0, 0, 0, 7, 0xff, 0xff, 0xff, 0xfe], [7.0, -2.0]),
        ("<u4", vec![7, 0, 0, 0, 0, 0, 0, 0x80], [7.0, 2_147_483_648.0]),
        ("<i8", [7i64, -3].iter().flat_map(|v| v.to_le_bytes()).collect(), [7.0, -3.0]),
        (">u8", [7u64, 3].iter().flat_map(|v| v.to_be_bytes()).collect(), [7.0, 3.0]),
        ("|b1", vec![1, 0], [1.0, 0.0]),
    ];
    for (descr, data, right) in cases {
        let path = npz("type.npz", &[("x", npy(descr, false, "1, 2", &data))]);
        assert_eq!(npz::read(&path).unwrap().x, [right], "{descr}");
    }
}

#[test]
fn column_major_arrays_are_turned() {
    let data: Vec<u8> = (0..6).collect();
    let path = npz("fortran.npz", &[("x", npy("|u1", true, "2, 3", &data))]);
    assert_eq!(npz::read(&path).unwrap().x, [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]);
}

#[test]
fn a_single_array_is_read_under_its_own_name_only() {
    let array = npy("|u1", false, "2, 1", &[3, 4]);
    assert_eq!(npz::read(&file("single.npy", &array)).unwrap().x, [[3.0], [4.0]]);
    match npz::read(&file("single.npz", &array)) {
        Err(NpzError::Io { source, .. }) => {
            assert!(source.to_string().contains(".npy"), "{source}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn named_arrays_are_joined_in_the_models_order() {
    let arrays =
        [("b", npy("|u1", false, "2, 2", &[1, 2, 3, 4])), ("a", npy("|u1", false, "2,", &[5, 6]))];
    let path = npz("xy.npz", &[("x", arrays[0].1.clone()), ("y", arrays[1].1.clone())]);
    assert_eq!(npz::read(&path).unwrap().y, Some(vec![5, 6]));
    let names = ["y".to_owned(), "x".to_owned()];
    assert_eq!(npz::read_named(&path, &names).unwrap().x, [[5.0, 1.0, 2.0], [6.0, 3.0, 4.0]]);
    let path = npz("named.npz", &arrays);
    let names = ["a".to_owned(), "b".to_owned()];
    assert_eq!(npz::read_named(&path, &names).unwrap().x, [[5.0, 1.0, 2.0], [6.0, 3.0, 4.0]]);
    match npz::read(&path) {
        Err(NpzError::Missing { name, found }) => assert_eq!((&*name, &*found), ("x", "a, b")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_numbers_or_ends_early_is_refused() {
    let cases = [
        (npy("<U3", false, "1,", &[0; 12]), "not one of numbers"),
        (npy("<f4", false, "2, 2", &[0; 12]), "ends early"),
        (npy("<f4", false, "1099511627776, 2", &[0; 12]), "too large"),
        (npy("<f4", false, "0, 2", &[]), "empty"),
        (npy("|O", false, "1,", &[0; 8]), "not one of numbers"),
    ];
    for (array, why) in cases {
        match npz::read(&npz("bad.npz", &[("x", array)])) {
            Err(NpzError::Array { reason, .. }) => assert!(reason.contains(why), "{reason}"),
            other => panic!("{why}: {other:?}"),
        }
    }
}

/// Headers and sizes that ask for more memory than the file is worth.
#[test]
fn a_small_file_takes_little_memory() {
    let refused = |name: &str, arrays: &[(&str, Vec<u8>)]| match npz::read(&npz(name, arrays)) {
        Err(NpzError::Array { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let wide = npy("<f4", false, "18446744073709551615, 18446744073709551615", &[0; 8]);
    assert!(refused("wide.npz", &[("x", wide)]).contains("too large"));
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    assert!(refused("long.npz", &[("x", long)]).contains("header"));
    let deep = [&b"\x93NUMPY\x01\x00\xff\xff"[..], &[b'('; 0xffff]].concat();
    assert!(refused("deep.npz", &[("x", deep)]).contains("malformed"));
    let zeros = vec![0; (1 << 26) + 4];
    let bomb = npy("<f4", false, &format!("1, {}", zeros.len() / 4), &zeros);
    assert!(refused("bomb.npz", &[("x", bomb)]).contains("unpacks to"));
}
