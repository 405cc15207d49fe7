// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {VerifyingKey} from "./VerifyingKey.sol";

/// @dev Adds weighted claims up to two points, and pairs them. One multiplication per commitment and claim; those of a
/// key's commitments happen once for all claims since the last `_addKey`.
abstract contract Openings is VerifyingKey {
    // Offsets in `POINTS`: the two sides of the pairing's equation, each followed by room for a summand.
    uint256 internal constant RIGHT = 0x00;
    uint256 private constant LEFT = 0xa0;

    /// @dev Adds `weight h2` to the left side.
    function _addLeft(Claim memory c, uint256 weight) internal view returns (bool) {
        return _addCalldata(LEFT, c.h2, weight) == 1;
    }

    /// @dev Adds a claim's commitments to the right side; those of the key are only scaled, into `SCALARS`.
    function _addRight(Claim memory c, uint256 weight) internal view virtual returns (bool);

    /// @dev Adds the key's commitments and generator to the right side and clears their scales.
    function _addKey(uint256 constantTerm) internal view returns (bool) {
        uint256 ok = _addFixed();
        uint256 minus = _sub(0, constantTerm);
        assembly ("memory-safe") {
            mcopy(add(POINTS, 0x40), add(KEY, G1), 0x40)
            mstore(add(POINTS, 0x80), minus)
        }
        return ok & _addPoint(RIGHT) == 1;
    }

    /// @dev Columns of zeros have the point at infinity, which adds nothing.
    function _addFixed() private view returns (uint256 ok) {
        (uint256 from, uint256 size) = (KEY + FIXED_AT, _fixed() * 0x20);
        assembly ("memory-safe") {
            let p := add(POINTS, 0x40)
            let scale := SCALARS
            ok := 1
            for { let end := add(scale, size) } lt(scale, end) { scale := add(scale, 0x20) } {
                mcopy(p, from, 0x40)
                if or(mload(p), mload(add(POINTS, 0x60))) {
                    mcopy(add(POINTS, 0x80), scale, 0x20)
                    ok := and(ok, staticcall(gas(), 7, p, 0x60, p, 0x40))
                    ok := and(ok, staticcall(gas(), 6, POINTS, 0x80, POINTS, 0x40))
                }
                mstore(scale, 0)
                from := add(from, 0x40)
            }
        }
    }

    /// @dev side += scale * point in calldata, infinity rejected.
    function _addCalldata(uint256 side, uint256 at, uint256 scale) internal view returns (uint256 ok) {
        assembly ("memory-safe") {
            let m := add(POINTS, side)
            calldatacopy(add(m, 0x40), at, 0x40)
            mstore(add(m, 0x80), scale)
            ok := gt(mload(add(m, 0x60)), 0)
        }
        ok &= _addPoint(side);
    }

    /// @dev side += scale * point, both behind it in memory. The precompiles reject points off the curve.
    function _addPoint(uint256 side) private view returns (uint256 ok) {
        assembly ("memory-safe") {
            let m := add(POINTS, side)
            let p := add(m, 0x40)
            ok := 1
            if sub(mload(add(m, 0x80)), 1) { ok := staticcall(gas(), 7, p, 0x60, p, 0x40) }
            ok := and(ok, staticcall(gas(), 6, m, 0x80, m, 0x40))
        }
    }

    /// @dev e(left, tau G2) e(-right, G2) = 1. Infinity has y = 0, which is its own negative.
    function _pair() internal view returns (bool ok) {
        assembly ("memory-safe") {
            let b := mload(0x40)
            mcopy(b, add(POINTS, LEFT), 0x40)
            mcopy(add(b, 0x40), add(KEY, TAU_G2), 0x80)
            mstore(add(b, 0xc0), mload(POINTS))
            mstore(add(b, 0xe0), mod(sub(Q, mload(add(POINTS, 0x20))), Q))
            mcopy(add(b, 0x100), add(KEY, G2), 0x80)
            let done := staticcall(gas(), 8, b, 0x180, b, 0x20)
            ok := and(done, eq(mload(b), 1))
        }
    }
}
