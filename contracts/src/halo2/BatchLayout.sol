// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {BatchMemory} from "../generated/BatchMemory.sol";

/// @title What a verifier has to know about a layout of columns
/// @notice Generated contracts, one for each layout, fill it in.
abstract contract BatchLayout is BatchMemory {
    /// @dev Hash of the layout; a key names the layout that it was made for.
    function _layout() internal pure virtual returns (uint256);

    /// @dev Advice columns of phase 1.
    function _advice1() internal pure virtual returns (uint256);

    /// @dev Advice columns of phase 2.
    function _advice2() internal pure virtual returns (uint256);

    /// @dev Challenges drawn between them.
    function _challenges() internal pure virtual returns (uint256);

    /// @dev Commitments to the quotient.
    function _pieces() internal pure virtual returns (uint256);

    /// @dev Fixed columns.
    function _fixed() internal pure virtual returns (uint256);

    /// @dev Values of columns in a proof.
    function _values() internal pure virtual returns (uint256);

    /// @dev Bytes of a proof.
    function _proofLength() internal pure virtual returns (uint256);

    /// @dev Advice columns opened at x alone.
    function _adviceSingle() internal pure virtual returns (uint256);

    /// @dev Advice columns opened at x and x / omega.
    function _advicePair() internal pure virtual returns (uint256);

    /// @dev Fixed columns opened at x alone.
    function _fixedSingle() internal pure virtual returns (uint256);

    /// @dev Fixed columns opened at x and x / omega.
    function _fixedPair() internal pure virtual returns (uint256);

    /// @dev End of the fixed addresses.
    function _memoryEnd() internal pure virtual returns (uint256);

    /// @dev Whether the openings at x and x / omega are the first set of openings.
    function _firstSetIsPair() internal pure virtual returns (bool);

    /// @dev The constraints at x, separated by powers of `y`; not reduced.
    function _evaluateGates(uint256 y) internal pure virtual returns (uint256 s);

    /// @dev Adds to `sum y^count`, for the columns that are opened at x alone, their values. The sums have
    /// `value_i y^i`, and are at most 2 R. `ok` tells whether all values are below R.
    function _sumSingle(uint256 sum, uint256 y) internal pure virtual returns (uint256 s, uint256 ok);

    /// @dev The same for values at x of the columns that are also opened at x / omega.
    function _sumPair(uint256 sum, uint256 y) internal pure virtual returns (uint256 s, uint256 ok);

    /// @dev The same for their values at x / omega.
    function _sumPairBefore(uint256 sum, uint256 y) internal pure virtual returns (uint256 s, uint256 ok);

    /// @dev Writes the columns of the four groups, one byte each.
    function _loadOrder() internal pure virtual;
}
