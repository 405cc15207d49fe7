// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Emission of DN, out of what has been burned.
/// @notice Each epoch mints at most nine tenths of what was burned in it, and at most `cap`, in whole 10^-6 DN. What the cap
/// leaves out is never minted. So burning tokens to have them minted back loses at least a tenth of them.
interface IEmission {
    /// @param burned DN that was burned in the epoch and counts.
    event Emitted(uint256 burned, uint256 minted);

    error OnlyEpochs(address caller);
    error ZeroAddress();

    /// @notice Mints an epoch's DN to the epochs contract, which alone calls this.
    /// @param until `burned` when the epoch ended.
    /// @param excluded What was burned since and must never be minted again.
    /// @return amount What was minted, in token wei.
    function emitEpoch(uint256 until, uint256 excluded) external returns (uint256 amount);

    /// @notice DN that was ever burned, in token wei.
    function burned() external view returns (uint256);

    /// @notice DN that was ever minted here, in token wei.
    function minted() external view returns (uint256);

    /// @notice Most DN of one epoch, in token wei.
    function cap() external view returns (uint256);
}
