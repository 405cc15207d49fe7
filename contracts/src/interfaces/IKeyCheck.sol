// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title What a verifying key's data contract must be before a model is registered with it.
/// @notice A key that passes is of a known layout, over the rollup's reference string, for the right number of public
/// inputs, and made of points. Whether it is the key of a package only who has the package can tell.
interface IKeyCheck {
    error MissingVerifyingKey(address vk);
    error UnknownLayout(address vk, uint256 layout);
    error WrongKeyLength(address vk, uint256 expected, uint256 got);
    error WrongReferenceString(address vk, bytes32 expected, bytes32 got);
    error WrongInstanceCount(address vk, uint256 expected, uint256 got);
    error WrongDomain(address vk);
    error NotOnCurve(address vk, uint256 point);

    /// @notice Reverts unless `vk` is a key for batches of `batchSlots`.
    function check(address vk, uint256 batchSlots) external view;
}
