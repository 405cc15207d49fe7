// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @dev Order of the scalar field of BN254. A public input is canonical only below it: without the check `x` and
/// `x + FIELD_ORDER` would be the same statement to the verifier and two commitments to the contracts.
uint256 constant FIELD_ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
