// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IInferenceRollup as I} from "./interfaces/IInferenceRollup.sol";

/// @title Receipts
/// @notice What a worker signs of one execution, by EIP-712.
library Receipts {
    /// @notice EIP-712 type hash of `Receipt`.
    bytes32 internal constant TYPEHASH = keccak256(
        "Receipt(bytes32 taskId,bytes32 modelId,bytes32 inputHash,bytes32 outputHash,uint64 startedAtMs,uint64 finishedAtMs)"
    );

    /// @notice EIP-712 struct hash of a receipt.
    function hash(I.Receipt calldata receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, receipt));
    }
}
