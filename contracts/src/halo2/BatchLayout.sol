// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {BatchMemory} from "../generated/BatchMemory.sol";

/// @title What a verifier has to know about a layout of columns
/// @notice Generated contracts, one for each layout, fill it in.
abstract contract BatchLayout is BatchMemory {
    /// @dev Hash of the layout; a key names the layout that it was made for.
    function _layout() internal pure virtual returns (uint256);

    /// @dev Commitments of phase 1.
    function _advice1() internal pure virtual returns (uint256);

    /// @dev Commitments of phase 2.
    function _advice2() internal pure virtual returns (uint256);

    /// @dev Challenges drawn between them.
    function _challenges() internal pure virtual returns (uint256);

    /// @dev Commitments of the key.
    function _fixed() internal pure virtual returns (uint256);

    /// @dev Values in a proof that are summed where its openings are.
    function _values() internal pure virtual returns (uint256);

    /// @dev Bytes of a proof.
    function _proofLength() internal pure virtual returns (uint256);

    /// @dev End of the fixed addresses.
    function _memoryEnd() internal pure virtual returns (uint256);

    /// @dev The constraints at x, separated by powers of `y`; not reduced.
    function _evaluateGates(uint256 y) internal pure virtual returns (uint256 s);
}
