// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";

/// @title One verifier for the batch proofs of every model
/// @notice Reads a verifying key from a data contract, so registering a model deploys data, not code.
/// @dev halo2 without permutation and lookup arguments: KZG over BN254, SHPLONK, Keccak transcript. Gates are a list of
/// operations in the key. The key's format is specified in `core/src/vk_data.rs`, the protocol in
/// `docs/book/protocol.md`. Whoever registers a key answers for it: this contract checks a proof against a key, not the
/// key against a model.
contract Halo2Verifier is IHalo2Verifier {
    uint256 private constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;

    // Words of the key.
    uint256 private constant K = 0x00;
    uint256 private constant OMEGA = 0x20;
    uint256 private constant OMEGA_INVERSE = 0x40;
    uint256 private constant N_INVERSE = 0x60;
    uint256 private constant DIGEST = 0x80;
    uint256 private constant INSTANCES = 0xa0;
    uint256 private constant PROOF_LENGTH = 0xc0;
    uint256 private constant ADVICE_1 = 0xe0;
    uint256 private constant CHALLENGES = 0x100;
    uint256 private constant ADVICE_2 = 0x120;
    uint256 private constant PIECES = 0x140;
    uint256 private constant ADVICE_VALUES = 0x160;
    uint256 private constant FIXED_VALUES = 0x180;
    uint256 private constant FIXED = 0x1a0;
    uint256 private constant CONSTANTS = 0x1c0;
    uint256 private constant OPERATIONS = 0x1e0;
    uint256 private constant CONSTRAINTS = 0x200;
    uint256 private constant OPENINGS = 0x220;
    uint256 private constant FIRST_KIND = 0x240;
    uint256 private constant G1 = 0x260;
    uint256 private constant G2 = 0x2a0;
    uint256 private constant TAU_G2 = 0x320;
    uint256 private constant FIXED_AT = 0x3a0;

    /// @dev Working memory of one verification.
    struct Frame {
        uint256 key; // memory address of the key
        uint256 list; // memory address of the operand list
        uint256 proof; // calldata offset of the proof
        uint256 at; // calldata offset of what is read next
        uint256 state; // transcript
        uint256 y;
        uint256 x;
        uint256 xn;
        uint256 quotient;
        uint256 points; // calldata offsets
        uint256 random;
        uint256 pieces;
        uint256 randomValue;
        uint256 openY;
        uint256 openV;
        uint256 u;
        uint256 h1;
        uint256 h2;
        uint256 constantTerm;
    }

    /// @inheritdoc IHalo2Verifier
    function verify(address vk, bytes calldata proof, uint256[] calldata instances)
        external
        view
        returns (bool)
    {
        Frame memory f;
        f.key = _loadKey(vk);
        if (f.key == 0) return false;
        if (instances.length != _key(f, INSTANCES) || proof.length != _key(f, PROOF_LENGTH)) return false;
        for (uint256 i; i < instances.length; ++i) {
            if (instances[i] >= R) return false;
        }
        uint256 offset;
        assembly ("memory-safe") {
            offset := proof.offset
        }
        f.proof = offset;
        f.at = offset;
        f.list = _allocate(
            _key(f, CONSTANTS) + 1 + _key(f, CHALLENGES) + _key(f, ADVICE_VALUES) + _key(f, FIXED_VALUES)
                + _key(f, OPERATIONS)
        );
        if (!_readCommitments(f, instances)) return false;
        if (!_readValues(f)) return false;
        if (!_evaluateInstance(f, instances)) return false;
        if (!_evaluateGates(f)) return false;
        return _open(f);
    }

    function _key(Frame memory f, uint256 word) private pure returns (uint256 value) {
        uint256 key = f.key;
        assembly ("memory-safe") {
            value := mload(add(key, word))
        }
    }

    function _loadKey(address vk) private view returns (uint256 key) {
        uint256 size = vk.code.length;
        if (size < FIXED_AT + 1) return 0;
        assembly ("memory-safe") {
            key := mload(0x40)
            extcodecopy(vk, key, 1, sub(size, 1))
            // A spare word behind the key, because packed entries are read by whole words.
            mstore(0x40, and(add(add(key, size), 0x5f), not(0x1f)))
        }
    }

    function _allocate(uint256 words) private pure returns (uint256 at) {
        assembly ("memory-safe") {
            at := mload(0x40)
            mstore(0x40, add(at, mul(words, 0x20)))
        }
    }

    /// @dev Absorbs the calldata from `f.at` on and draws a challenge; `length` 0 absorbs the byte 1.
    function _challenge(Frame memory f, uint256 length) private pure returns (uint256 c) {
        (uint256 state, uint256 at) = (f.state, f.at);
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
            c := mod(state, R)
        }
        f.state = state;
        f.at = at + length;
    }

    /// @dev Everything up to the evaluation point. Curve membership is left to the precompile, which every point meets.
    function _readCommitments(Frame memory f, uint256[] calldata instances) private pure returns (bool) {
        uint256 count = _key(f, CHALLENGES);
        f.points = f.at;
        uint256 length = _key(f, ADVICE_1) * 0x40;
        {
            uint256 digest = _key(f, DIGEST);
            (uint256 state, uint256 at) = (0, f.at);
            assembly ("memory-safe") {
                let buffer := mload(0x40)
                mstore(buffer, 0)
                mstore(add(buffer, 0x20), digest)
                let size := mul(instances.length, 0x20)
                calldatacopy(add(buffer, 0x40), instances.offset, size)
                size := add(size, 0x40)
                calldatacopy(add(buffer, size), at, length)
                state := keccak256(buffer, add(size, length))
            }
            f.state = state;
            f.at = at + length;
        }
        uint256 to = f.list + (_key(f, CONSTANTS) + 1) * 0x20;
        for (uint256 i; i < count; ++i) {
            uint256 c = i == 0 ? f.state % R : _challenge(f, 0);
            assembly ("memory-safe") {
                mstore(add(to, mul(i, 0x20)), c)
            }
        }
        // Theta, beta and gamma belong to arguments that no layout uses.
        _challenge(f, _key(f, ADVICE_2) * 0x40);
        _challenge(f, 0);
        _challenge(f, 0);
        f.random = f.at;
        f.y = _challenge(f, 0x40);
        f.pieces = f.at;
        f.x = _challenge(f, _key(f, PIECES) * 0x40);
        return true;
    }

    /// @dev Values at the evaluation point, and the challenges and points of the multi-opening.
    function _readValues(Frame memory f) private pure returns (bool ok) {
        uint256 head = (_key(f, CONSTANTS) + 1 + _key(f, CHALLENGES)) * 0x20;
        uint256 size = (_key(f, ADVICE_VALUES) + _key(f, FIXED_VALUES)) * 0x20;
        (uint256 to, uint256 at) = (f.list + head, f.at);
        uint256 randomValue;
        assembly ("memory-safe") {
            calldatacopy(to, at, size)
            ok := 1
            for { let end := add(to, size) } lt(to, end) { to := add(to, 0x20) } {
                ok := and(ok, lt(mload(to), R))
            }
            randomValue := calldataload(add(at, size))
            ok := and(ok, lt(randomValue, R))
        }
        f.randomValue = randomValue;
        f.openY = _challenge(f, size + 0x20);
        f.openV = _challenge(f, 0);
        f.h1 = f.at;
        f.u = _challenge(f, 0x40);
        f.h2 = f.at;
        uint256 xn = f.x;
        for (uint256 k = _key(f, K); k > 0; --k) {
            xn = mulmod(xn, xn, R);
        }
        f.xn = xn;
    }

    /// @dev `sum v_i omega^i (x^n - 1) / (n (x - omega^i))`, with one inversion for all denominators.
    function _evaluateInstance(Frame memory f, uint256[] calldata instances) private view returns (bool) {
        uint256 products = _allocate(instances.length);
        (uint256 omega, uint256 x, uint256 product) = (_key(f, OMEGA), f.x, 1);
        assembly ("memory-safe") {
            let point := 1
            for { let i := 0 } lt(i, instances.length) { i := add(i, 1) } {
                mstore(add(products, mul(i, 0x20)), product)
                product := mulmod(product, addmod(x, sub(R, point), R), R)
                point := mulmod(point, omega, R)
            }
        }
        if (product == 0) return false;
        uint256 inverse = _invert(product);
        uint256 omegaInverse = _key(f, OMEGA_INVERSE);
        uint256 sum;
        assembly ("memory-safe") {
            let point := 1
            for { let i := 0 } lt(i, instances.length) { i := add(i, 1) } { point := mulmod(point, omega, R) }
            for { let i := instances.length } gt(i, 0) {} {
                i := sub(i, 1)
                point := mulmod(point, omegaInverse, R)
                let term := mulmod(calldataload(add(instances.offset, mul(i, 0x20))), point, R)
                term := mulmod(term, mulmod(inverse, mload(add(products, mul(i, 0x20))), R), R)
                sum := addmod(sum, term, R)
                inverse := mulmod(inverse, addmod(x, sub(R, point), R), R)
            }
        }
        sum = mulmod(mulmod(sum, _key(f, N_INVERSE), R), addmod(f.xn, R - 1, R), R);
        uint256 to = f.list + _key(f, CONSTANTS) * 0x20;
        assembly ("memory-safe") {
            mstore(to, sum)
        }
        return true;
    }

    /// @dev Runs the key's operations and divides the constraints' sum by the vanishing polynomial.
    function _evaluateGates(Frame memory f) private view returns (bool) {
        uint256 list = f.list;
        uint256 code = f.key + FIXED_AT + _key(f, FIXED) * 0x40;
        uint256 constantsSize = _key(f, CONSTANTS) * 0x20;
        uint256 to = list + constantsSize
            + (1 + _key(f, CHALLENGES) + _key(f, ADVICE_VALUES) + _key(f, FIXED_VALUES)) * 0x20;
        uint256 end = code + constantsSize + _key(f, OPERATIONS) * 5;
        uint256 endConstraints = end + _key(f, CONSTRAINTS) * 2;
        uint256 sum;
        uint256 y = f.y;
        assembly ("memory-safe") {
            mcopy(list, code, constantsSize)
            for { code := add(code, constantsSize) } lt(code, end) { code := add(code, 5) } {
                let entry := mload(code)
                let a := mload(add(list, and(shr(227, entry), 0x1fffe0)))
                let b := mload(add(list, and(shr(211, entry), 0x1fffe0)))
                switch byte(0, entry)
                case 2 { mstore(to, mulmod(a, b, R)) }
                case 1 { mstore(to, addmod(a, b, R)) }
                default { mstore(to, addmod(0, sub(R, a), R)) }
                to := add(to, 0x20)
            }
            for {} lt(code, endConstraints) { code := add(code, 2) } {
                let value := mload(add(list, shl(5, shr(240, mload(code)))))
                sum := addmod(mulmod(sum, y, R), value, R)
            }
        }
        uint256 vanishing = addmod(f.xn, R - 1, R);
        if (vanishing == 0) return false;
        f.quotient = mulmod(sum, _invert(vanishing), R);
        return true;
    }

    /// @dev SHPLONK over two sets of points: `{x}` and `{x, x/omega}`. Returns the running scale of each set, the two
    /// factors that interpolate at u, and the first set's vanishing polynomial at u; all 0 when undefined.
    function _scales(Frame memory f) private view returns (uint256[5] memory s) {
        uint256 previous = mulmod(f.x, _key(f, OMEGA_INVERSE), R);
        uint256 toX = addmod(f.u, R - f.x, R);
        uint256 toPrevious = addmod(f.u, R - previous, R);
        uint256 gap = addmod(f.x, R - previous, R);
        if (toX == 0 || toPrevious == 0 || gap == 0) return s;
        // The set {x} misses the previous point; scales are relative to the first set's.
        if (_key(f, FIRST_KIND) == 0) {
            (s[0], s[1], s[4]) = (1, mulmod(f.openV, _invert(toPrevious), R), toX);
        } else {
            (s[0], s[1], s[4]) = (mulmod(f.openV, toPrevious, R), 1, mulmod(toX, toPrevious, R));
        }
        uint256 gapInverse = _invert(gap);
        s[2] = mulmod(toPrevious, gapInverse, R);
        s[3] = mulmod(toX, gapInverse, R);
    }

    /// @dev Reduces all openings to one pairing check.
    function _open(Frame memory f) private view returns (bool) {
        uint256[5] memory s = _scales(f);
        if (s[4] == 0) return false;
        uint256 m = _allocate(6);
        assembly ("memory-safe") {
            mstore(m, 0)
            mstore(add(m, 0x20), 0)
        }
        uint256 ok = _openColumns(f, s, m);
        ok &= _openQuotient(f, s[0], m);
        ok &= _addCalldata(m, f.h1, R - s[4]);
        ok &= _addCalldata(m, f.h2, f.u);
        ok &= _addMemory(m, f.key + G1, addmod(0, R - f.constantTerm, R));
        return ok == 1 && _pair(f, m);
    }

    /// @dev The quotient in pieces, then the random polynomial.
    function _openQuotient(Frame memory f, uint256 scale, uint256 m) private view returns (uint256 ok) {
        ok = 1;
        uint256 next = mulmod(scale, f.openY, R);
        f.constantTerm = addmod(f.constantTerm, mulmod(scale, f.quotient, R), R);
        uint256 pieces = _key(f, PIECES);
        for (uint256 i; i < pieces; ++i) {
            ok &= _addCalldata(m, f.pieces + i * 0x40, scale);
            scale = mulmod(scale, f.xn, R);
        }
        f.constantTerm = addmod(f.constantTerm, mulmod(next, f.randomValue, R), R);
        ok &= _addCalldata(m, f.random, next);
    }

    /// @dev Adds every column's commitment, scaled, and collects the values' interpolations.
    function _openColumns(Frame memory f, uint256[5] memory s, uint256 m) private view returns (uint256 ok) {
        uint256 entry = f.key + FIXED_AT + _key(f, FIXED) * 0x40 + _key(f, CONSTANTS) * 0x20
            + _key(f, OPERATIONS) * 5 + _key(f, CONSTRAINTS) * 2;
        uint256 end = entry + _key(f, OPENINGS) * 7;
        ok = 1;
        for (; entry < end; entry += 7) {
            (uint256 column, uint256 scale) = _openValue(f, s, entry);
            ok &= _addColumn(f, m, column, scale);
        }
    }

    /// @dev Collects one column's interpolated value and advances its set's scale.
    function _openValue(Frame memory f, uint256[5] memory s, uint256 entry)
        private
        pure
        returns (uint256 column, uint256 scale)
    {
        uint256 kind;
        uint256 value;
        uint256 before;
        (kind, column, value, before) = _opening(f, entry);
        scale = s[kind];
        if (kind == 1) value = addmod(mulmod(value, s[2], R), R - mulmod(before, s[3], R), R);
        f.constantTerm = addmod(f.constantTerm, mulmod(scale, value, R), R);
        s[kind] = mulmod(scale, f.openY, R);
    }

    function _addColumn(Frame memory f, uint256 m, uint256 column, uint256 scale)
        private
        view
        returns (uint256)
    {
        uint256 advice = _key(f, ADVICE_1) + _key(f, ADVICE_2);
        if (column < advice) return _addCalldata(m, f.points + column * 0x40, scale);
        return _addMemory(m, f.key + FIXED_AT + (column - advice) * 0x40, scale);
    }

    function _opening(Frame memory f, uint256 entry)
        private
        pure
        returns (uint256 kind, uint256 column, uint256 here, uint256 before)
    {
        uint256 list = f.list;
        assembly ("memory-safe") {
            let e := mload(entry)
            kind := and(byte(0, e), 1)
            column := and(shr(232, e), 0xffff)
            here := mload(add(list, shl(5, and(shr(216, e), 0xffff))))
            before := mload(add(list, shl(5, and(shr(200, e), 0xffff))))
        }
    }

    /// @dev m[0..1] += scale * point. The precompiles reject points off the curve; infinity is rejected here.
    function _addCalldata(uint256 m, uint256 at, uint256 scale) private view returns (uint256 ok) {
        assembly ("memory-safe") {
            calldatacopy(add(m, 0x40), at, 0x40)
            mstore(add(m, 0x80), scale)
            ok := iszero(iszero(or(mload(add(m, 0x40)), mload(add(m, 0x60)))))
            ok := and(ok, staticcall(gas(), 7, add(m, 0x40), 0x60, add(m, 0x40), 0x40))
            ok := and(staticcall(gas(), 6, m, 0x80, m, 0x40), ok)
        }
    }

    /// @dev As `_addCalldata`, for points of the key, where infinity is a column of zeros.
    function _addMemory(uint256 m, uint256 at, uint256 scale) private view returns (uint256 ok) {
        assembly ("memory-safe") {
            mcopy(add(m, 0x40), at, 0x40)
            mstore(add(m, 0x80), scale)
            ok := staticcall(gas(), 7, add(m, 0x40), 0x60, add(m, 0x40), 0x40)
            ok := and(staticcall(gas(), 6, m, 0x80, m, 0x40), ok)
        }
    }

    /// @dev e(h2, tau G2) e(-right, G2) = 1.
    function _pair(Frame memory f, uint256 m) private view returns (bool ok) {
        uint256 b = _allocate(12);
        (uint256 key, uint256 h2) = (f.key, f.h2);
        assembly ("memory-safe") {
            // Minus the accumulated point: (r - 1) times it.
            mstore(add(m, 0x40), sub(R, 1))
            let done := staticcall(gas(), 7, m, 0x60, add(b, 0xc0), 0x40)
            calldatacopy(b, h2, 0x40)
            mcopy(add(b, 0x40), add(key, TAU_G2), 0x80)
            mcopy(add(b, 0x100), add(key, G2), 0x80)
            done := and(staticcall(gas(), 8, b, 0x180, b, 0x20), done)
            ok := and(done, eq(mload(b), 1))
        }
    }

    /// @dev x^(r-2) by the modular exponentiation precompile; 0 when the call fails.
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
