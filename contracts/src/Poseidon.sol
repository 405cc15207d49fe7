// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {PoseidonNumbers} from "./generated/PoseidonNumbers.sol";

/// @title Poseidon
/// @notice Commitments to outputs, as `core::commitment` makes them and circuits prove them: circomlib's Poseidon over
/// BN254 with five inputs.
library Poseidon {
    uint256 internal constant FIELD =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;

    /// @dev Domain of commitments to outputs.
    uint256 private constant DOMAIN_OUTPUT = 2;
    uint256 private constant WIDTH = 6;
    uint256 private constant HALF_FULL = 4;
    uint256 private constant PARTIAL = 60;
    /// @dev Values in one element.
    uint256 private constant WORD_BYTES = 31;

    /// @notice The numbers that `output` needs, to be loaded once.
    function load() internal pure returns (bytes memory) {
        return PoseidonNumbers.CONSTANTS;
    }

    /// @notice Commitment to an output under a salt: `tag, salt, words...`, five elements at first and four at a time
    /// behind the running hash, zeros at the end.
    /// @param values Signed bytes.
    function output(bytes memory constants, bytes calldata values, uint256 salt)
        internal
        pure
        returns (uint256 h)
    {
        uint256 words = (values.length + WORD_BYTES - 1) / WORD_BYTES;
        uint256[5] memory x = [DOMAIN_OUTPUT | values.length << 32, salt % FIELD, 0, 0, 0];
        (uint256 word, uint256 at) = (0, 2);
        while (true) {
            for (; at < 5; ++at) {
                x[at] = word < words ? _word(values, word++) : 0;
            }
            h = hash(constants, x);
            if (word == words) return h;
            (x[0], at) = (h, 1);
        }
    }

    /// @dev Sum of 256^k times value k of the word, as a field element.
    function _word(bytes calldata values, uint256 word) private pure returns (uint256) {
        uint256 from = word * WORD_BYTES;
        uint256 to = from + WORD_BYTES < values.length ? from + WORD_BYTES : values.length;
        int256 sum;
        // At most 31 digits of a byte: below 2^248.
        unchecked {
            for (uint256 i = to; i > from; --i) {
                sum = sum * 256 + int8(uint8(values[i - 1]));
            }
            return sum < 0 ? FIELD - uint256(-sum) : uint256(sum);
        }
    }

    /// @notice Element 0 of the permuted state `(0, x_0, ..., x_4)`.
    /// @dev Eight full rounds and 60 partial ones in their middle. A round adds constants, raises to the fifth power (a
    /// partial one element 0 alone) and multiplies by the matrix. Of the partial rounds only the constant of element 0 is
    /// added in its round; those of the others have been moved on through the matrix, and what is left is added at their
    /// end. An element and two constants are added without reduction: five of the field's order are below 2^256.
    function hash(bytes memory constants, uint256[5] memory x) internal pure returns (uint256 h) {
        uint256 s;
        uint256 c;
        assembly ("memory-safe") {
            s := mload(0x40)
            mstore(s, 0)
            mcopy(add(s, 0x20), x, 0xa0)
            c := add(constants, 0x20)
        }
        c = _full(s, c);
        // Places in memory.
        unchecked {
            for (uint256 end = c + 0x20 * PARTIAL; c != end; c += 0x20) {
                _power(s, c);
                PoseidonNumbers.mix(s, FIELD);
            }
        }
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, 0xc0) { i := add(i, 0x20) } {
                let at := add(s, i)
                mstore(at, add(mload(at), mload(add(c, i))))
            }
        }
        _full(s, c + 0xc0);
        assembly ("memory-safe") {
            h := mload(s)
        }
    }

    /// @dev Four full rounds.
    function _full(uint256 s, uint256 c) private pure returns (uint256) {
        unchecked {
            for (uint256 round; round < HALF_FULL; ++round) {
                for (uint256 i; i < WIDTH; ++i) {
                    _power(s + 0x20 * i, c);
                    c += 0x20;
                }
                PoseidonNumbers.mix(s, FIELD);
            }
        }
        return c;
    }

    /// @dev Adds a constant to an element and raises it to the fifth power.
    function _power(uint256 at, uint256 constant_) private pure {
        uint256 r = FIELD;
        assembly ("memory-safe") {
            let a := add(mload(at), mload(constant_))
            let b := mulmod(a, a, r)
            mstore(at, mulmod(mulmod(b, b, r), a, r))
        }
    }
}
