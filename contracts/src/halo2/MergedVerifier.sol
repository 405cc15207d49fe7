// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Halo2Verifier} from "../Halo2Verifier.sol";
import {Claims} from "./Claims.sol";
import {Openings} from "./Openings.sol";

/// @title Proofs with merged openings: t columns to a commitment
/// @dev A group of columns `f_a` is committed to as `F(X) = sum_a X^a f_a(X^t)`, so that its values at x are the
/// remainder modulo `X^t - x`. With `U = u^t` and `A`, `B` the sums of a group's values at x and x' = x / omega times
/// powers of u, a group that is opened at both points has at u the value
/// `((U - x') A - (U - x) B) / (x - x')`, and one that is opened at x alone has `A`. Groups are separated by powers
/// of v, in the order of `core/src/groups.rs`; the latter are scaled by `U - x'`.
abstract contract MergedVerifier is Halo2Verifier {
    /// @dev Bit g tells whether group g is opened at x and x / omega; those of the key and the quotient are not.
    function _pairs() internal pure virtual returns (uint256);

    /// @dev `u^t`
    function _raise(uint256 u) internal pure virtual returns (uint256 power);

    /// @dev For the groups that are opened at x alone, the sum of `v^g A_g`, where the quotient's first piece has the value
    /// `first`. At most 4 R. `ok` tells whether all values are below R.
    function _sumSingle(uint256 first, uint256 u, uint256 v)
        internal
        pure
        virtual
        returns (uint256 s, uint256 ok);

    /// @dev The same for the groups that are also opened at x / omega.
    function _sumPair(uint256 u, uint256 v) internal pure virtual returns (uint256 s, uint256 ok);

    /// @dev The same for their values there.
    function _sumPairBefore(uint256 u, uint256 v) internal pure virtual returns (uint256 s, uint256 ok);

    /// @inheritdoc Claims
    function _readCommitments(Claim memory c, Frame memory f) internal pure override {
        f.gateY = _challenge(c, f, _advice2() * 0x40);
        c.pieces = f.at;
        f.x = _challenge(c, f, 0x40);
    }

    /// @inheritdoc Claims
    /// @dev The last value is that of the quotient's second piece.
    function _readOpenings(Claim memory c, Frame memory f) internal pure override {
        (uint256 at, uint256 size) = (f.at, _values() * 0x20);
        uint256 lastValue;
        assembly ("memory-safe") {
            calldatacopy(VALUES_AT, at, size)
            lastValue := mload(add(VALUES_AT, sub(size, 0x20)))
        }
        f.lastValue = lastValue;
        c.y = _challenge(c, f, size);
        c.h1 = f.at;
        c.u = _challenge(c, f, 0x40);
        c.h2 = f.at;
    }

    /// @inheritdoc Claims
    function _evaluate(Claim memory c, Frame memory f) internal view override returns (bool) {
        // The quotient is cut behind n - 2 = 2 + 4 + .. + n / 2 coefficients.
        (uint256 power, uint256 cut) = (f.x, 1);
        for (uint256 k = _key(K); k > 1; --k) {
            power = _mul(power, power);
            cut = _mul(cut, power);
        }
        f.vanishing = _sub(_mul(power, power), 1);
        uint256 previous = _mul(f.x, _key(OMEGA_INVERSE));
        f.gap = _sub(f.x, previous);
        if (!_divide(f)) return false;

        _storeInstance(f);
        uint256 first = _sub(_mul(_evaluateGates(f.gateY), f.vanishing), _mul(f.lastValue, cut));
        uint256 raised = _raise(c.u);
        (uint256 toX, uint256 toPrevious) = (_sub(raised, f.x), _sub(raised, previous));
        (c.single, c.vanishing) = (toPrevious, _mul(toX, toPrevious));
        return _sumValues(c, first, toX, f.gap);
    }

    /// @dev Replaces three numbers by their inverses, with one inversion; the numerator gets the instance's other factors.
    function _divide(Frame memory f) private view returns (bool) {
        (uint256 a, uint256 b, uint256 c) = (f.denominator, f.vanishing, f.gap);
        uint256 ab = _mul(a, b);
        uint256 inverse = _invert(_mul(ab, c));
        if (inverse == 0) return false;
        f.numerator = _mul(f.numerator, _mul(b, _key(N_INVERSE)));
        uint256 part = _mul(inverse, c);
        (f.denominator, f.vanishing, f.gap) = (_mul(part, b), _mul(part, a), _mul(inverse, ab));
        return true;
    }

    /// @dev The sum of all values at u, each group's times its scale.
    function _sumValues(Claim memory c, uint256 first, uint256 toX, uint256 overGap)
        private
        pure
        returns (bool)
    {
        (uint256 u, uint256 v) = (c.u, c.y);
        (uint256 single, uint256 ok) = _sumSingle(first, u, v);
        (uint256 pair, uint256 pairOk) = _sumPair(u, v);
        (uint256 before, uint256 beforeOk) = _sumPairBefore(u, v);
        pair = _mul(pair, overGap);
        before = _mul(_mul(before, overGap), toX);
        c.constantTerm = _sub(_mul(addmod(single, pair, R), c.single), before);
        return ok & pairOk & beforeOk == 1;
    }

    /// @inheritdoc Openings
    function _addRight(Claim memory c, uint256 weight) internal view override returns (bool) {
        uint256 ok = 1;
        (uint256 power, uint256 at, uint256 pairs) = (weight, c.advice, _pairs());
        for (uint256 i = _advice1() + _advice2(); i > 0; --i) {
            ok &= _addCalldata(RIGHT, at, pairs & 1 == 1 ? power : _mul(power, c.single));
            (power, at, pairs) = (_mul(power, c.y), at + 0x40, pairs >> 1);
        }
        power = _scaleFixed(_mul(power, c.single), c.y);
        ok &= _addCalldata(RIGHT, c.pieces, power);
        ok &= _addCalldata(RIGHT, c.h1, _sub(0, _mul(c.vanishing, weight)));
        ok &= _addCalldata(RIGHT, c.h2, _mul(c.u, weight));
        return ok == 1;
    }

    /// @dev Scales of the key's commitments are added up over its claims. Returns the next group's scale.
    function _scaleFixed(uint256 scale, uint256 v) private pure returns (uint256 next) {
        next = scale;
        uint256 size = _fixed() * 0x20;
        assembly ("memory-safe") {
            let r := R
            for {
                let at := SCALARS
                let end := add(at, size)
            } lt(at, end) { at := add(at, 0x20) } {
                mstore(at, addmod(mload(at), next, r))
                next := mulmod(next, v, r)
            }
        }
    }
}
