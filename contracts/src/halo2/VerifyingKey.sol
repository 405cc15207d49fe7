// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {BatchLayout} from "./BatchLayout.sol";

/// @dev The key of a proof in memory, and the arithmetic of the scalar field. Memory has fixed addresses, see
/// `BatchLayout`; `_reserve` comes first in every entry point.
abstract contract VerifyingKey is BatchLayout {
    /// @dev Order of the scalar field.
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @dev Order of the base field.
    uint256 internal constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;

    // Offsets in the key.
    uint256 internal constant K = 0x20;
    uint256 internal constant OMEGA = 0x40;
    uint256 internal constant OMEGA_INVERSE = 0x60;
    uint256 internal constant N_INVERSE = 0x80;
    uint256 internal constant DIGEST = 0xa0;
    uint256 internal constant INSTANCES = 0xc0;
    uint256 internal constant G1 = 0xe0;
    uint256 internal constant G2 = 0x120;
    uint256 internal constant TAU_G2 = 0x1a0;
    uint256 internal constant FIXED_AT = 0x220;

    /// @dev What remains to be checked of a proof: the openings of its commitments.
    struct Claim {
        address vk;
        uint256 state; // transcript, h2 not yet absorbed
        uint256 advice; // calldata offsets
        uint256 random;
        uint256 pieces;
        uint256 h1;
        uint256 h2;
        uint256 y; // separates the openings of a set, or groups of columns
        uint256 u;
        uint256 xn; // of plain openings
        uint256 single; // scale of the openings at x alone
        uint256 pair; // scale of the openings at x and x / omega
        uint256 vanishing; // what h1 is multiplied by, negated
        uint256 constantTerm; // what G1 is multiplied by, negated
    }

    /// @dev Takes the fixed addresses out of Solidity's memory, which must still be empty.
    function _reserve() internal pure {
        uint256 end = _memoryEnd();
        assembly ("memory-safe") {
            if sub(mload(0x40), KEY) { invalid() }
            mstore(0x40, end)
        }
    }

    function _key(uint256 offset) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(KEY, offset))
        }
    }

    function _loadKey(address vk) internal view returns (bool) {
        uint256 size = FIXED_AT + _fixed() * 0x40;
        if (vk.code.length != size + 1) return false;
        assembly ("memory-safe") {
            extcodecopy(vk, KEY, 1, size)
        }
        return _key(0) == _layout();
    }

    /// @dev Proofs share a pairing when their keys have the same generators.
    function _group() internal pure returns (uint256 hash) {
        assembly ("memory-safe") {
            hash := keccak256(add(KEY, G1), sub(FIXED_AT, G1))
        }
    }

    /// @dev Takes any words.
    function _mul(uint256 a, uint256 b) internal pure returns (uint256) {
        return mulmod(a, b, R);
    }

    /// @dev a - b, for b below R.
    function _sub(uint256 a, uint256 b) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            let r := R
            c := addmod(a, sub(r, b), r)
        }
    }

    /// @dev x^(r-2) by the modular exponentiation precompile; 0 when the call fails or x is 0.
    function _invert(uint256 x) internal view returns (uint256 y) {
        assembly ("memory-safe") {
            let b := mload(0x40)
            mstore(b, 0x20)
            mstore(add(b, 0x20), 0x20)
            mstore(add(b, 0x40), 0x20)
            mstore(add(b, 0x60), x)
            mstore(add(b, 0x80), sub(R, 2))
            mstore(add(b, 0xa0), R)
            if staticcall(gas(), 5, b, 0xc0, b, 0x20) { y := mload(b) }
        }
    }
}
