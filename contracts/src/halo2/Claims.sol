// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {VerifyingKey} from "./VerifyingKey.sol";

/// @dev Reduces a proof to a claim: draws the challenges, evaluates instance and gates, sums the claimed values. What
/// differs between opening schemes is in `PlainVerifier` and `MergedVerifier`.
abstract contract Claims is VerifyingKey {
    /// @dev Numbers that are used up when a proof has become a claim.
    struct Frame {
        uint256 at; // calldata offset of what is read next
        uint256 x;
        uint256 gateY;
        uint256 v;
        uint256 lastValue; // behind those of the columns
        uint256 numerator; // of the instance's value, as all that follows up to a factor
        uint256 denominator;
        uint256 vanishing; // x^n - 1
        uint256 toX; // u - x
        uint256 toPrevious; // u - x / omega
        uint256 gap; // x - x / omega
        uint256 quotient;
    }

    /// @dev Largest margin of an answer, in int8 steps.
    uint256 private constant MAX_MARGIN = 255;
    /// @dev Labels in one public input, of 16 bits each.
    uint256 private constant LABELS_PER_WORD = 15;

    /// @dev Whether an honest batch can have these public inputs, as far as they tell by themselves: version, count, score,
    /// labels, listed commitments, all of which are `3 + slots + words + 3 + slots` words, with fifteen labels to a word. The
    /// circuit binds one packed sum of the score's three numbers: only these bounds make them unique. It does not know which
    /// slots are in use: only here their labels are 0, and each word below 2^240.
    function _isPossible(uint256[] calldata instances) internal pure returns (bool ok) {
        assembly ("memory-safe") {
            let at := instances.offset
            let length := instances.length
            let count := calldataload(add(at, 0x40))
            switch calldataload(at)
            // Commitments are listed; `core/src/statement.rs`. Fifteen slots take 31 words, the last ones two each and one.
            case 0x646e2d626174636803 {
                let rest := mod(sub(length, 6), 31)
                let slots := add(mul(div(sub(length, 6), 31), 15), shr(1, rest))
                ok := gt(and(gt(length, 7), or(iszero(rest), and(rest, gt(rest, 1)))), gt(count, slots))
                if ok {
                    let word := add(at, shl(5, add(slots, 3)))
                    let score := add(at, shl(5, sub(sub(length, 3), slots)))
                    // The first word that has a place for an unused slot.
                    let last := add(word, shl(5, div(count, LABELS_PER_WORD)))
                    let bits
                    for {} lt(word, last) { word := add(word, 0x20) } { bits := or(bits, calldataload(word)) }
                    bits := shr(240, bits)
                    if lt(word, score) {
                        bits := or(bits, shr(shl(4, mod(count, LABELS_PER_WORD)), calldataload(word)))
                        for { word := add(word, 0x20) } lt(word, score) { word := add(word, 0x20) } {
                            bits := or(bits, calldataload(word))
                        }
                    }
                    let probes := calldataload(score)
                    let correct := calldataload(add(score, 0x20))
                    let margin := gt(calldataload(add(score, 0x40)), mul(MAX_MARGIN, correct))
                    ok := iszero(or(or(bits, gt(probes, count)), or(gt(correct, probes), margin)))
                }
            }
            // A digest stands for them. A count has 32 bits: what is above is no number of tasks.
            case 0x646e2d626174636804 { ok := and(eq(length, 4), iszero(shr(32, count))) }
            ok := and(ok, gt(count, 0))
        }
    }

    /// @dev Reads a proof and evaluates its gates. The key is in memory.
    function _claim(Claim memory c, address vk, bytes calldata proof, uint256[] calldata instances)
        internal
        view
        returns (bool)
    {
        if (instances.length != _key(INSTANCES) || proof.length != _proofLength()) return false;
        if (!_isPossible(instances)) return false;
        Frame memory f;
        c.vk = vk;
        uint256 at;
        assembly ("memory-safe") {
            at := proof.offset
        }
        f.at = at;
        _readFirst(c, f, instances);
        _readCommitments(c, f);
        _readOpenings(c, f);
        if (!_foldInstances(f, instances)) return false;
        return _evaluate(c, f);
    }

    /// @dev Absorbs the calldata from `f.at` on and draws a challenge; `length` 0 absorbs the byte 1.
    function _challenge(Claim memory c, Frame memory f, uint256 length) internal pure returns (uint256 x) {
        (uint256 state, uint256 at) = (c.state, f.at);
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, state)
            let size := add(length, 0x20)
            switch length
            case 0 {
                mstore8(add(buffer, 0x20), 1)
                size := 0x21
            }
            default { calldatacopy(add(buffer, 0x20), at, length) }
            state := keccak256(buffer, size)
            x := mod(state, R)
        }
        c.state = state;
        f.at = at + length;
    }

    /// @dev The first challenge absorbs the key's digest, the public inputs and the first advice commitments.
    function _firstChallenge(Claim memory c, Frame memory f, uint256[] calldata instances)
        private
        pure
        returns (uint256 x)
    {
        (uint256 digest, uint256 at, uint256 length) = (_key(DIGEST), f.at, _advice1() * 0x40);
        uint256 state;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, 0)
            mstore(add(buffer, 0x20), digest)
            let size := mul(instances.length, 0x20)
            calldatacopy(add(buffer, 0x40), instances.offset, size)
            size := add(size, 0x40)
            calldatacopy(add(buffer, size), at, length)
            state := keccak256(buffer, add(size, length))
            x := mod(state, R)
        }
        c.state = state;
        f.at = at + length;
    }

    /// @dev Commitments and challenges of the first phase. Curve membership is left to the precompile, which every point
    /// meets.
    function _readFirst(Claim memory c, Frame memory f, uint256[] calldata instances) private pure {
        c.advice = f.at;
        uint256 challenge = _firstChallenge(c, f, instances);
        for (uint256 i; i < _challenges(); ++i) {
            if (i > 0) challenge = _challenge(c, f, 0);
            assembly ("memory-safe") {
                mstore(add(CHALLENGES_AT, mul(i, 0x20)), challenge)
            }
        }
    }

    /// @dev Everything behind it up to the evaluation point.
    function _readCommitments(Claim memory c, Frame memory f) internal pure virtual;

    /// @dev Values at the evaluation point, whose range is checked where they are summed; challenges and points of the
    /// opening.
    function _readOpenings(Claim memory c, Frame memory f) internal pure virtual;

    /// @dev Values of instance and gates, scales of the openings, sum of all claimed values.
    function _evaluate(Claim memory c, Frame memory f) internal view virtual returns (bool);

    /// @dev `sum v_i omega^i / (x - omega^i) = sum v_i / (x omega^-i - 1)` as one fraction, four terms at a time behind those
    /// that are left over. Factors and numerators stay below 2 R.
    function _foldInstances(Frame memory f, uint256[] calldata instances) private pure returns (bool ok) {
        (uint256 shifted, uint256 step) = (f.x, _key(OMEGA_INVERSE));
        (uint256 numerator, uint256 denominator) = (0, 1);
        assembly ("memory-safe") {
            let r := R
            let minusOne := sub(R, 1)
            let at := instances.offset
            let fours := add(at, mul(and(instances.length, 3), 0x20))
            let end := add(at, mul(instances.length, 0x20))
            ok := 1
            for {} lt(at, fours) { at := add(at, 0x20) } {
                let a := calldataload(at)
                ok := and(ok, lt(a, r))
                let p := add(shifted, minusOne)
                shifted := mulmod(shifted, step, r)
                numerator := add(mulmod(numerator, p, r), mulmod(denominator, a, r))
                denominator := mulmod(denominator, p, r)
            }
            for {} lt(at, end) { at := add(at, 0x80) } {
                let a := calldataload(at)
                let b := calldataload(add(at, 0x20))
                ok := and(ok, and(lt(a, r), lt(b, r)))
                let p := add(shifted, minusOne)
                shifted := mulmod(shifted, step, r)
                let q := add(shifted, minusOne)
                shifted := mulmod(shifted, step, r)
                a := add(mulmod(a, q, r), mulmod(b, p, r))
                p := mulmod(p, q, r)
                numerator := add(mulmod(numerator, p, r), mulmod(denominator, a, r))
                denominator := mulmod(denominator, p, r)

                a := calldataload(add(at, 0x40))
                b := calldataload(add(at, 0x60))
                ok := and(ok, and(lt(a, r), lt(b, r)))
                p := add(shifted, minusOne)
                shifted := mulmod(shifted, step, r)
                q := add(shifted, minusOne)
                shifted := mulmod(shifted, step, r)
                a := add(mulmod(a, q, r), mulmod(b, p, r))
                p := mulmod(p, q, r)
                numerator := add(mulmod(numerator, p, r), mulmod(denominator, a, r))
                denominator := mulmod(denominator, p, r)
            }
        }
        (f.numerator, f.denominator) = (numerator, denominator);
    }

    /// @dev Writes the instance's value where the gates read it.
    function _storeInstance(Frame memory f) internal pure {
        uint256 instance = _mul(f.numerator, f.denominator);
        assembly ("memory-safe") {
            mstore(INSTANCE, instance)
        }
    }
}
