// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Halo2Verifier} from "../Halo2Verifier.sol";
import {Claims} from "./Claims.sol";
import {Openings} from "./Openings.sol";

/// @title Proofs with a commitment for each column, as halo2 has them
abstract contract PlainVerifier is Halo2Verifier {
    /// @dev Commitments to the quotient.
    function _pieces() internal pure virtual returns (uint256);

    /// @dev Advice columns opened at x alone.
    function _adviceSingle() internal pure virtual returns (uint256);

    /// @dev Advice columns opened at x and x / omega.
    function _advicePair() internal pure virtual returns (uint256);

    /// @dev Fixed columns opened at x alone.
    function _fixedSingle() internal pure virtual returns (uint256);

    /// @dev Fixed columns opened at x and x / omega.
    function _fixedPair() internal pure virtual returns (uint256);

    /// @dev Whether the openings at x and x / omega are the first set of openings.
    function _firstSetIsPair() internal pure virtual returns (bool);

    /// @dev Adds to `sum y^count`, for the columns that are opened at x alone, their values. The sums have
    /// `value_i y^i`, and are at most 2 R. `ok` tells whether all values are below R.
    function _sumSingle(uint256 sum, uint256 y) internal pure virtual returns (uint256 s, uint256 ok);

    /// @dev The same for values at x of the columns that are also opened at x / omega.
    function _sumPair(uint256 sum, uint256 y) internal pure virtual returns (uint256 s, uint256 ok);

    /// @dev The same for their values at x / omega.
    function _sumPairBefore(uint256 sum, uint256 y) internal pure virtual returns (uint256 s, uint256 ok);

    /// @dev Writes the columns of the four groups, one byte each.
    function _loadOrder() internal pure virtual;

    /// @inheritdoc Claims
    function _readCommitments(Claim memory c, Frame memory f) internal pure override {
        // Theta, beta and gamma belong to arguments that no layout uses.
        _challenge(c, f, _advice2() * 0x40);
        _challenge(c, f, 0);
        _challenge(c, f, 0);
        c.random = f.at;
        f.gateY = _challenge(c, f, 0x40);
        c.pieces = f.at;
        f.x = _challenge(c, f, _pieces() * 0x40);
    }

    /// @inheritdoc Claims
    function _readOpenings(Claim memory c, Frame memory f) internal pure override {
        (uint256 at, uint256 size) = (f.at, _values() * 0x20);
        uint256 randomValue;
        assembly ("memory-safe") {
            calldatacopy(VALUES_AT, at, size)
            randomValue := calldataload(add(at, size))
        }
        f.lastValue = randomValue;
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

    /// @inheritdoc Claims
    function _evaluate(Claim memory c, Frame memory f) internal view override returns (bool) {
        uint256 previous = _mul(f.x, _key(OMEGA_INVERSE));
        f.vanishing = _sub(c.xn, 1);
        f.toPrevious = _sub(c.u, previous);
        f.gap = _sub(f.x, previous);
        (uint256 toX, uint256 toPrevious) = (_sub(c.u, f.x), f.toPrevious);
        if (toX == 0 || !_divide(f)) return false;

        _storeInstance(f);
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
        (uint256 single, uint256 ok) = _sumSingle(f.quotient + _mul(f.lastValue, c.y), c.y);
        (uint256 pair, uint256 pairOk) = _sumPair(0, c.y);
        (uint256 pairBefore, uint256 pairBeforeOk) = _sumPairBefore(0, c.y);
        pair = _sub(_mul(pair, here), _mul(pairBefore, before));
        c.constantTerm = _mul(_mul(single, c.single) + _mul(pair, c.pair), 1);
        return ok & pairOk & pairBeforeOk == 1 && f.lastValue < R;
    }

    /// @inheritdoc Openings
    function _addRight(Claim memory c, uint256 weight) internal view override returns (bool) {
        _loadOrder();
        uint256 ok = 1;
        uint256 scale = _mul(c.pair, weight);
        (scale, ok) = _addAdvice(c, _adviceSingle(), _advicePair(), scale);
        _scaleFixed(_adviceSingle() + _advicePair() + _fixedSingle(), _fixedPair(), scale, c.y);

        uint256 good;
        (scale, good) = _addAdvice(c, 0, _adviceSingle(), _mul(c.single, weight));
        scale = _scaleFixed(_adviceSingle() + _advicePair(), _fixedSingle(), scale, c.y);
        ok &= good;
        uint256 next = _mul(scale, c.y);
        for (uint256 i; i < _pieces(); ++i) {
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
}
