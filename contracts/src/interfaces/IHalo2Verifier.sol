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

    /// @notice Tells whether every `proofs[i]` proves the statement `instances[i]` under the verifying key in `vks[i]`.
    /// @dev Answers as `verify` does for each of them, and false for none or for lists of different lengths. Cheaper
    /// than one by one: all share one pairing check, and neighbours with the same key share its multiplications, so
    /// order the proofs by key. The check is a random combination of theirs, drawn from a hash of all keys and
    /// transcripts. One bad proof fails all, and the answer does not tell which. All keys must have the same reference
    /// string.
    /// @param vks Data contracts, one per proof.
    /// @param proofs Transcript bytes, as in `verify`.
    /// @param instances Public inputs, as in `verify`.
    function verifyBatch(address[] calldata vks, bytes[] calldata proofs, uint256[][] calldata instances)
        external
        view
        returns (bool);
}
