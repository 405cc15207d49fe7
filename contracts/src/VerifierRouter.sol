// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Halo2Verifier} from "./Halo2Verifier.sol";
import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";

/// @title Hands each proof to the verifier of its key's layout
/// @dev A key names its layout in the first word behind its first byte. The verifiers are fixed at deployment, and each
/// checks again that the key is one of its layout. The reference string is fixed too: a key over another one could be
/// made by somebody who knows its secret, and have proofs of anything.
contract VerifierRouter is IHalo2Verifier {
    /// @notice Hash of G1, G2 and tau G2 as a key has them; keys with other ones are refused.
    bytes32 public immutable referenceString;
    /// @notice Verifier of the keys of a layout; zero for one that nobody verifies.
    mapping(uint256 layout => Halo2Verifier) public verifierOf;

    /// @dev Two verifiers have one layout.
    error LayoutTwice(uint256 layout);

    /// @dev Where G1 stands in a key's code, and how long it and the two points behind it are.
    uint256 private constant STRING_AT = 0xe1;
    uint256 private constant STRING_LENGTH = 0x140;

    constructor(bytes32 referenceString_, Halo2Verifier[] memory verifiers) {
        referenceString = referenceString_;
        for (uint256 i; i < verifiers.length; ++i) {
            uint256 layout = verifiers[i].layout();
            require(address(verifierOf[layout]) == address(0), LayoutTwice(layout));
            verifierOf[layout] = verifiers[i];
        }
    }

    /// @inheritdoc IHalo2Verifier
    function verify(address vk, bytes calldata, uint256[] calldata) external view returns (bool) {
        return _hasString(vk) && _forward(verifierOf[_layoutOf(vk)]);
    }

    /// @inheritdoc IHalo2Verifier
    /// @dev The first key's verifier answers; it refuses keys of another layout or reference string than the first's.
    function verifyBatch(address[] calldata vks, bytes[] calldata, uint256[][] calldata)
        external
        view
        returns (bool)
    {
        return vks.length != 0 && _hasString(vks[0]) && _forward(verifierOf[_layoutOf(vks[0])]);
    }

    function _hasString(address vk) private view returns (bool) {
        bytes32 hash;
        assembly ("memory-safe") {
            let data := mload(0x40)
            extcodecopy(vk, data, STRING_AT, STRING_LENGTH)
            hash := keccak256(data, STRING_LENGTH)
        }
        return hash == referenceString;
    }

    /// @dev Zero for an account without a key.
    function _layoutOf(address vk) private view returns (uint256 layout) {
        assembly ("memory-safe") {
            extcodecopy(vk, 0, 1, 0x20)
            layout := mload(0)
        }
    }

    /// @dev Hands on the call as it came. False where there is no verifier, or where it reverts.
    function _forward(Halo2Verifier verifier) private view returns (bool ok) {
        if (address(verifier) == address(0)) return false;
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, 0, calldatasize())
            ok := staticcall(gas(), verifier, data, calldatasize(), 0, 0x20)
            ok := and(ok, and(eq(returndatasize(), 0x20), eq(mload(0), 1)))
        }
    }
}
