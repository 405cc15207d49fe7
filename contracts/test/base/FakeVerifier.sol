// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IHalo2Verifier} from "../../src/interfaces/IHalo2Verifier.sol";

/// @dev Accepts exactly the "proof" made by `prove` for the same key and instances. Tests only.
contract FakeVerifier is IHalo2Verifier {
    function prove(address vk, uint256[] memory instances) external pure returns (bytes memory) {
        return abi.encode(keccak256(abi.encode(vk, instances)));
    }

    function verify(address vk, bytes calldata proof, uint256[] calldata instances)
        public
        pure
        returns (bool)
    {
        return keccak256(proof) == keccak256(abi.encode(keccak256(abi.encode(vk, instances))));
    }

    function verifyBatch(address[] calldata vks, bytes[] calldata proofs, uint256[][] calldata instances)
        external
        pure
        returns (bool ok)
    {
        ok = vks.length > 0;
        for (uint256 i; i < vks.length; ++i) {
            ok = ok && verify(vks[i], proofs[i], instances[i]);
        }
    }
}
