// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {BatchLayout} from "./generated/BatchLayout.sol";
import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";

/// @title One verifier for the batch proofs of every model
/// @notice Reads a verifying key from a data contract, so registering a model deploys data, not code.
/// @dev halo2 without permutation and lookup arguments: KZG over BN254, SHPLONK, Keccak transcript. What depends on the
/// constraint system is in `BatchLayout`, which is generated; a key made for another layout is refused. The key's format
/// is specified in `core/src/vk_data.rs`, the protocol in `docs/book/protocol.md`. Whoever registers a key answers for
/// it: this contract checks a proof against a key, not the key against a model.
///
/// A proof is first reduced to a `Claim`: its gates are evaluated, and its openings remain. Claims are then added up,
/// each with a weight, to one pairing check. Memory has fixed addresses, see `BatchLayout`; `_reserve` comes first.
contract Halo2Verifier is IHalo2Verifier, BatchLayout {
    /// @dev Order of the scalar field.
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @dev Order of the base field.
    uint256 private constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;

    // Offsets in the key.
    uint256 private constant K = 0x20;
    uint256 private constant OMEGA = 0x40;
    uint256 private constant OMEGA_INVERSE = 0x60;
    uint256 private constant N_INVERSE = 0x80;
    uint256 private constant DIGEST = 0xa0;
    uint256 private constant INSTANCES = 0xc0;
    uint256 private constant G1 = 0xe0;
    uint256 private constant G2 = 0x120;
    uint256 private constant TAU_G2 = 0x1a0;
    uint256 private constant FIXED_AT = 0x220;
    uint256 private constant KEY_SIZE = FIXED_AT + FIXED * 0x40;

    // Offsets in `POINTS`: the two sides of the pairing's equation, each followed by room for a summand.
    uint256 private constant RIGHT = 0x00;
    uint256 private constant LEFT = 0xa0;

    /// @dev What remains to be checked of a proof: the openings of its commitments.
    struct Claim {
        address vk;
        uint256 state; // transcript, h2 not yet absorbed
        uint256 advice; // calldata offsets
        uint256 random;
        uint256 pieces;
        uint256 h1;
        uint256 h2;
        uint256 y; // separates the openings of a set
        uint256 u;
        uint256 xn;
        uint256 single; // scale of the openings at x alone
        uint256 pair; // scale of the openings at x and x / omega
        uint256 vanishing; // what h1 is multiplied by, negated
        uint256 constantTerm; // what G1 is multiplied by, negated
    }

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

    /// @inheritdoc IHalo2Verifier
    function verify(address vk, bytes calldata proof, uint256[] calldata instances)
        external
        view
        returns (bool)
    {
        _reserve();
        if (!_loadKey(vk)) return false;
        Claim memory c;
        if (!_claim(c, vk, proof, instances)) return false;
        _addLeft(c, 1);
        return _addRight(c, 1) && _addKey(c.constantTerm) && _pair();
    }

    /// @inheritdoc IHalo2Verifier
    function verifyBatch(address[] calldata vks, bytes[] calldata proofs, uint256[][] calldata instances)
        external
        view
        returns (bool)
    {
        _reserve();
        uint256 count = vks.length;
        if (count == 0 || proofs.length != count || instances.length != count) return false;
        Claim[] memory claims = new Claim[](count);
        uint256 group;
        uint256 weight;
        for (uint256 i; i < count; ++i) {
            if ((i == 0 || vks[i] != vks[i - 1]) && !_loadKey(vks[i])) return false;
            if (i == 0) group = _group();
            if (group != _group() || !_claim(claims[i], vks[i], proofs[i], instances[i])) return false;
            weight = _absorb(weight, claims[i]);
        }
        return _combine(claims, weight) && _pair();
    }

    /// @dev Claim i gets the weight `rho^i`. Neighbours with one key share the multiplications of its commitments.
    function _combine(Claim[] memory claims, uint256 rho) private view returns (bool) {
        uint256 weight = 1;
        uint256 constantTerm;
        for (uint256 i; i < claims.length; ++i) {
            Claim memory c = claims[i];
            if (!_addLeft(c, weight) || !_addRight(c, weight)) return false;
            constantTerm = _mul(constantTerm + _mul(c.constantTerm, weight), 1);
            weight = _mul(weight, rho);
            if (i + 1 < claims.length && claims[i + 1].vk == c.vk) continue;
            if (!_loadKey(c.vk) || !_addKey(constantTerm)) return false;
            constantTerm = 0;
        }
        return true;
    }

    /// @dev Hashes all that a claim depends on. The key's commitments are not in the transcript: without the code's hash
    /// a key could be chosen so that its proof makes up for another one's error.
    function _absorb(uint256 hash, Claim memory c) private view returns (uint256) {
        uint256 h2 = c.h2;
        (uint256 x, uint256 y) = (0, 0);
        assembly ("memory-safe") {
            x := calldataload(h2)
            y := calldataload(add(h2, 0x20))
        }
        return uint256(keccak256(abi.encode(hash, c.vk.codehash, c.state, x, y)));
    }

    /// @dev Takes the fixed addresses out of Solidity's memory, which must still be empty.
    function _reserve() private pure {
        assembly ("memory-safe") {
            if sub(mload(0x40), KEY) { invalid() }
            mstore(0x40, MEMORY_END)
        }
        _loadOrder();
    }

    function _key(uint256 offset) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(KEY, offset))
        }
    }

    function _loadKey(address vk) private view returns (bool) {
        if (vk.code.length != KEY_SIZE + 1) return false;
        uint256 size = KEY_SIZE;
        assembly ("memory-safe") {
            extcodecopy(vk, KEY, 1, size)
        }
        return _key(0) == LAYOUT;
    }

    /// @dev Proofs share a pairing when their keys have the same generators.
    function _group() private pure returns (uint256 hash) {
        assembly ("memory-safe") {
            hash := keccak256(add(KEY, G1), sub(FIXED_AT, G1))
        }
    }

    /// @dev Reads a proof and evaluates its gates. The key is in memory.
    function _claim(Claim memory c, address vk, bytes calldata proof, uint256[] calldata instances)
        private
        view
        returns (bool)
    {
        if (instances.length != _key(INSTANCES) || proof.length != PROOF_LENGTH) return false;
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
        (uint256 digest, uint256 at, uint256 length) = (_key(DIGEST), f.at, ADVICE_1 * 0x40);
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
        for (uint256 i; i < CHALLENGES; ++i) {
            if (i > 0) challenge = _challenge(c, f, 0);
            assembly ("memory-safe") {
                mstore(add(CHALLENGES_AT, mul(i, 0x20)), challenge)
            }
        }
        // Theta, beta and gamma belong to arguments that no layout uses.
        _challenge(c, f, ADVICE_2 * 0x40);
        _challenge(c, f, 0);
        _challenge(c, f, 0);
        c.random = f.at;
        f.gateY = _challenge(c, f, 0x40);
        c.pieces = f.at;
        f.x = _challenge(c, f, PIECES * 0x40);
    }

    /// @dev Values at the evaluation point, whose range is checked where they are summed; challenges and points of the
    /// multi-opening.
    function _readOpenings(Claim memory c, Frame memory f) private pure {
        (uint256 at, uint256 size) = (f.at, VALUES * 0x20);
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

    /// @dev `sum v_i omega^i / (x - omega^i) = sum v_i / (x omega^-i - 1)` as one fraction, two terms at a time. Factors and
    /// numerators stay below 2 R.
    function _foldInstances(Frame memory f, uint256[] calldata instances) private pure returns (bool ok) {
        (uint256 shifted, uint256 step) = (f.x, _key(OMEGA_INVERSE));
        (uint256 numerator, uint256 denominator) = (0, 1);
        assembly ("memory-safe") {
            let r := R
            let minusOne := sub(R, 1)
            let at := instances.offset
            let end := add(at, mul(instances.length, 0x20))
            ok := 1
            if and(instances.length, 1) {
                numerator := calldataload(at)
                ok := lt(numerator, r)
                denominator := add(shifted, minusOne)
                shifted := mulmod(shifted, step, r)
                at := add(at, 0x20)
            }
            for {} lt(at, end) { at := add(at, 0x40) } {
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
        if (FIRST_SET_IS_PAIR) {
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

    /// @dev Takes any words.
    function _mul(uint256 a, uint256 b) private pure returns (uint256) {
        return mulmod(a, b, R);
    }

    /// @dev a - b, for b below R.
    function _sub(uint256 a, uint256 b) private pure returns (uint256 c) {
        assembly ("memory-safe") {
            let r := R
            c := addmod(a, sub(r, b), r)
        }
    }

    /// @dev Adds `weight h2` to the left side.
    function _addLeft(Claim memory c, uint256 weight) private view returns (bool) {
        return _addCalldata(LEFT, c.h2, weight) == 1;
    }

    /// @dev Adds a claim's commitments to the right side; those of the key are only scaled, into `SCALARS`.
    function _addRight(Claim memory c, uint256 weight) private view returns (bool) {
        uint256 ok = 1;
        uint256 scale = _mul(c.pair, weight);
        (scale, ok) = _addAdvice(c, ADVICE_SINGLE, ADVICE_PAIR, scale);
        _scaleFixed(ADVICE_SINGLE + ADVICE_PAIR + FIXED_SINGLE, FIXED_PAIR, scale, c.y);

        uint256 good;
        (scale, good) = _addAdvice(c, 0, ADVICE_SINGLE, _mul(c.single, weight));
        scale = _scaleFixed(ADVICE_SINGLE + ADVICE_PAIR, FIXED_SINGLE, scale, c.y);
        ok &= good;
        uint256 next = _mul(scale, c.y);
        for (uint256 i; i < PIECES; ++i) {
            ok &= _addCalldata(RIGHT, c.pieces + i * 0x40, scale);
            scale = _mul(scale, c.xn);
        }
        ok &= _addCalldata(RIGHT, c.random, next);
        ok &= _addCalldata(RIGHT, c.h1, _sub(0, _mul(c.vanishing, weight)));
        ok &= _addCalldata(RIGHT, c.h2, _mul(c.u, weight));
        return ok == 1;
    }

    /// @dev Adds the commitments of `count` openings from `first` on, and returns the next opening's scale. Only infinity
    /// has y = 0: the curve's order is odd.
    function _addAdvice(Claim memory c, uint256 first, uint256 count, uint256 scale)
        private
        view
        returns (uint256 next, uint256 ok)
    {
        (uint256 advice, uint256 y) = (c.advice, c.y);
        next = scale;
        assembly ("memory-safe") {
            let r := R
            let p := add(POINTS, 0x40)
            let i := add(ORDER, first)
            ok := 1
            for { let end := add(i, count) } lt(i, end) { i := add(i, 1) } {
                calldatacopy(p, add(advice, shl(6, byte(0, mload(i)))), 0x40)
                mstore(add(POINTS, 0x80), next)
                ok := and(ok, gt(mload(add(POINTS, 0x60)), 0))
                if sub(next, 1) { ok := and(ok, staticcall(gas(), 7, p, 0x60, p, 0x40)) }
                ok := and(ok, staticcall(gas(), 6, POINTS, 0x80, POINTS, 0x40))
                next := mulmod(next, y, r)
            }
        }
    }

    /// @dev As `_addAdvice`, for fixed columns, whose scales are added up over the claims of one key.
    function _scaleFixed(uint256 first, uint256 count, uint256 scale, uint256 y)
        private
        pure
        returns (uint256 next)
    {
        next = scale;
        assembly ("memory-safe") {
            let r := R
            let i := add(ORDER, first)
            for { let end := add(i, count) } lt(i, end) { i := add(i, 1) } {
                let at := add(SCALARS, shl(5, byte(0, mload(i))))
                mstore(at, addmod(mload(at), next, r))
                next := mulmod(next, y, r)
            }
        }
    }

    /// @dev Adds the key's commitments and generator to the right side and clears their scales.
    function _addKey(uint256 constantTerm) private view returns (bool) {
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
        (uint256 from, uint256 size) = (KEY + FIXED_AT, FIXED * 0x20);
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
    function _addCalldata(uint256 side, uint256 at, uint256 scale) private view returns (uint256 ok) {
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
    function _pair() private view returns (bool ok) {
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

    /// @dev x^(r-2) by the modular exponentiation precompile; 0 when the call fails or x is 0.
    function _invert(uint256 x) private view returns (uint256 y) {
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
