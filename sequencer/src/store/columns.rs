//! Values as columns hold them.

use dn_core::api::{Address, Bytes32};

use super::StoreError;

pub(crate) fn b32(column: &'static str, bytes: &[u8]) -> Result<Bytes32, StoreError> {
    Bytes32::try_from(bytes).map_err(|_| StoreError::Corrupt(column))
}

pub(crate) fn address(column: &'static str, bytes: &[u8]) -> Result<Address, StoreError> {
    Address::try_from(bytes).map_err(|_| StoreError::Corrupt(column))
}

pub(crate) fn maybe_b32(
    column: &'static str,
    bytes: Option<&Vec<u8>>,
) -> Result<Option<Bytes32>, StoreError> {
    bytes.map(|b| b32(column, b)).transpose()
}

pub(crate) fn maybe_address(
    column: &'static str,
    bytes: Option<&Vec<u8>>,
) -> Result<Option<Address>, StoreError> {
    bytes.map(|b| address(column, b)).transpose()
}

/// A stored number that is never negative.
pub(crate) fn unsigned(column: &'static str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt(column))
}

pub(crate) fn maybe_unsigned(
    column: &'static str,
    value: Option<i64>,
) -> Result<Option<u64>, StoreError> {
    value.map(|v| unsigned(column, v)).transpose()
}

/// A number for storage; clamps what no clock or counter reaches.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// int8 values as bytes.
pub(crate) fn to_blob(values: &[i8]) -> Vec<u8> {
    values.iter().map(|v| v.to_le_bytes()[0]).collect()
}

/// Bytes as int8 values.
pub(crate) fn from_blob(bytes: &[u8]) -> Vec<i8> {
    bytes.iter().map(|b| i8::from_le_bytes([*b])).collect()
}
