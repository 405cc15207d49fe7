// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Signatures
/// @notice Holds signatures in the calldata against their signers, for less than a call of a library that copies them.
library Signatures {
    /// @dev The higher half of the curve's order: signatures with such an `s` are refused.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice Whether `user` signed `digest`; by EIP-2098's compact form, which begins at `signature` in the calldata.
    function isSigned(bytes32 digest, address user, uint256 signature) internal view returns (bool) {
        address signer;
        assembly ("memory-safe") {
            let vs := calldataload(add(signature, 0x20))
            let s := shr(1, shl(1, vs))
            if iszero(gt(s, HALF_ORDER)) {
                let call_ := mload(0x40)
                mstore(call_, digest)
                mstore(add(call_, 0x20), add(27, shr(255, vs)))
                mstore(add(call_, 0x40), calldataload(signature))
                mstore(add(call_, 0x60), s)
                // What recovers nobody answers nothing.
                mstore(0, 0)
                pop(staticcall(gas(), 1, call_, 0x80, 0, 0x20))
                signer := mload(0)
            }
        }
        return signer != address(0) && signer == user;
    }
}
