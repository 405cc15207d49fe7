// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Verifier of batch proofs: halo2 (KZG, SHPLONK) over BN254 with a Keccak transcript.
interface IHalo2Verifier {
    /// @notice Tells whether `proof` proves the statement `instances` under the verifying key in `vk`.
    /// @dev Answers false, or reverts, for anything malformed. The caller owns the meaning of the instances.
    /// @param vk Data contract that holds the verifying key of one model version.
    /// @param proof Transcript bytes, points uncompressed.
    /// @param instances Public inputs, each below the field order.
    function verify(address vk, bytes calldata proof, uint256[] calldata instances)
        external
        view
        returns (bool);
}
