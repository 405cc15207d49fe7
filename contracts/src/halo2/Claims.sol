// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {VerifyingKey} from "./VerifyingKey.sol";

/// @dev Reduces a proof to a claim: draws the challenges, evaluates instance and gates, sums the claimed values.
abstract contract Claims is VerifyingKey {
    /// @dev Numbers that are used up when a proof has become a claim.
    struct Frame {
        uint256 at; // calldata offset of what is read next
        uint256 x;
        uint256 gateY;
        uint256 v;
        uint256 randomValue;
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
            // A digest stands for them.
            case 0x646e2d626174636804 { ok := eq(length, 4) }
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
        _readCommitments(c, f, instances);
        _readOpenings(c, f);
        if (!_foldInstances(f, instances)) return false;
        return _evaluate(c, f);
    }

    /// @dev Absorbs the calldata from `f.at` on and draws a challenge; `length` 0 absorbs the byte 1.
    function _challenge(Claim memory c, Frame memory f, uint256 length) private pure returns (uint256 x) {
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

    /// @dev Everything up to the evaluation point. Curve membership is left to the precompile, which every point meets.
    function _readCommitments(Claim memory c, Frame memory f, uint256[] calldata instances) private pure {
        c.advice = f.at;
        uint256 challenge = _firstChallenge(c, f, instances);
        for (uint256 i; i < _challenges(); ++i) {
            if (i > 0) challenge = _challenge(c, f, 0);
            assembly ("memory-safe") {
                mstore(add(CHALLENGES_AT, mul(i, 0x20)), challenge)
            }
        }
        // Theta, beta and gamma belong to arguments that no layout uses.
        _challenge(c, f, _advice2() * 0x40);
        _challenge(c, f, 0);
        _challenge(c, f, 0);
        c.random = f.at;
        f.gateY = _challenge(c, f, 0x40);
        c.pieces = f.at;
        f.x = _challenge(c, f, _pieces() * 0x40);
    }

    /// @dev Values at the evaluation point, whose range is checked where they are summed; challenges and points of the
    /// multi-opening.
    function _readOpenings(Claim memory c, Frame memory f) private pure {
        (uint256 at, uint256 size) = (f.at, _values() * 0x20);
        uint256 randomValue;
        assembly ("memory-safe") {
            calldatacopy(VALUES_AT, at, size)
            randomValue := calldataload(add(at, size))
        }
        f.randomValue = randomValue;
        c.y = _challenge(c, f, size + 0x20);
        f.v = _challenge(c, f, 0);
        c.h1 = f.at;
        c.u = _challenge(c, f, 0x40);
        c.h2 = f.at;
        uint256 xn = f.x;
        for (uint256 k = _key(K); k > 0; --k) {
            xn = _mul(xn, xn);
        }
        c.xn = xn;
    }

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

    /// @dev Values of instance and gates, scales of the two sets of openings, sum of all claimed values.
    function _evaluate(Claim memory c, Frame memory f) private view returns (bool) {
        uint256 previous = _mul(f.x, _key(OMEGA_INVERSE));
        f.vanishing = _sub(c.xn, 1);
        f.toPrevious = _sub(c.u, previous);
        f.gap = _sub(f.x, previous);
        (uint256 toX, uint256 toPrevious) = (_sub(c.u, f.x), f.toPrevious);
        if (toX == 0 || !_divide(f)) return false;

        uint256 instance = _mul(f.numerator, f.denominator);
        assembly ("memory-safe") {
            mstore(INSTANCE, instance)
        }
        f.quotient = _mul(_evaluateGates(f.gateY), f.vanishing);
        // The set {x} misses the previous point; scales are relative to the first set's.
        if (_firstSetIsPair()) {
            (c.single, c.pair, c.vanishing) = (_mul(f.v, toPrevious), 1, _mul(toX, toPrevious));
        } else {
            (c.single, c.pair, c.vanishing) = (1, _mul(f.v, f.toPrevious), toX);
        }
        return _sumValues(c, f, _mul(toPrevious, f.gap), _mul(toX, f.gap));
    }

    /// @dev Replaces four numbers by their inverses, with one inversion; the numerator gets the instance's other factors.
    function _divide(Frame memory f) private view returns (bool) {
        (uint256 a, uint256 b) = (f.denominator, f.vanishing);
        (uint256 c, uint256 d) = (f.toPrevious, f.gap);
        uint256 ab = _mul(a, b);
        uint256 cd = _mul(c, d);
        uint256 inverse = _invert(_mul(ab, cd));
        if (inverse == 0) return false;
        f.numerator = _mul(f.numerator, _mul(b, _key(N_INVERSE)));
        uint256 part = _mul(inverse, cd);
        (f.denominator, f.vanishing) = (_mul(part, b), _mul(part, a));
        part = _mul(inverse, ab);
        (f.toPrevious, f.gap) = (_mul(part, d), _mul(part, c));
        return true;
    }

    /// @dev The sum of all values, interpolated at u: a column of the pair has `here value - before valueBefore` there.
    function _sumValues(Claim memory c, Frame memory f, uint256 here, uint256 before)
        private
        pure
        returns (bool)
    {
        // The quotient and the random polynomial come last in their set.
        (uint256 single, uint256 ok) = _sumSingle(f.quotient + _mul(f.randomValue, c.y), c.y);
        (uint256 pair, uint256 pairOk) = _sumPair(0, c.y);
        (uint256 pairBefore, uint256 pairBeforeOk) = _sumPairBefore(0, c.y);
        pair = _sub(_mul(pair, here), _mul(pairBefore, before));
        c.constantTerm = _mul(_mul(single, c.single) + _mul(pair, c.pair), 1);
        return ok & pairOk & pairBeforeOk == 1 && f.randomValue < R;
    }
}
