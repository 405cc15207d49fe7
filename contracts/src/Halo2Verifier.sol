// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Claims} from "./halo2/Claims.sol";
import {Openings} from "./halo2/Openings.sol";
import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";

/// @title Verifier of the batch proofs of every model of one layout
/// @notice Reads a verifying key from a data contract, so registering a model deploys data, not code.
/// @dev halo2 without permutation and lookup arguments: KZG over BN254, SHPLONK, Keccak transcript. What depends on the
/// constraint system is in the generated contracts that inherit this one; a key of another layout is refused. The key's format
/// is specified in `core/src/vk_data.rs`, the protocol in `docs/book/protocol.md`. Whoever registers a key answers for
/// it: this contract checks a proof against a key, not the key against a model.
///
/// A proof is first reduced to a claim: its gates are evaluated, and its openings remain (`Claims`). Claims are then
/// added up, each with a weight, to one pairing check (`Openings`).
abstract contract Halo2Verifier is IHalo2Verifier, Claims, Openings {
    /// @notice Hash of the layout whose keys this contract takes.
    function layout() external pure returns (uint256) {
        return _layout();
    }

    /// @notice Bytes of the code of a key that this contract takes.
    function keyLength() external pure returns (uint256) {
        return FIXED_AT + _fixed() * 0x40 + 1;
    }

    /// @inheritdoc IHalo2Verifier
    function verify(address vk, bytes calldata proof, uint256[] calldata instances)
        external
        view
        returns (bool)
    {
        _reserve();
        if (!_loadKey(vk)) return false;
        Claim memory c;
        if (!_claim(c, vk, proof, instances)) return false;
        return _addLeft(c, 1) && _addRight(c, 1) && _addKey(c.constantTerm) && _pair();
    }

    /// @inheritdoc IHalo2Verifier
    function verifyBatch(address[] calldata vks, bytes[] calldata proofs, uint256[][] calldata instances)
        external
        view
        returns (bool)
    {
        _reserve();
        uint256 count = vks.length;
        if (count == 0 || proofs.length != count || instances.length != count) return false;
        Claim[] memory claims = new Claim[](count);
        uint256 group;
        uint256 weight;
        for (uint256 i; i < count; ++i) {
            if ((i == 0 || vks[i] != vks[i - 1]) && !_loadKey(vks[i])) return false;
            if (i == 0) group = _group();
            if (group != _group() || !_claim(claims[i], vks[i], proofs[i], instances[i])) return false;
            weight = _absorb(weight, claims[i]);
        }
        return _combine(claims, weight) && _pair();
    }

    /// @dev Claim i gets the weight `rho^i`. Neighbours with one key share the multiplications of its commitments.
    function _combine(Claim[] memory claims, uint256 rho) private view returns (bool) {
        uint256 weight = 1;
        uint256 constantTerm;
        for (uint256 i; i < claims.length; ++i) {
            Claim memory c = claims[i];
            if (!_addLeft(c, weight) || !_addRight(c, weight)) return false;
            constantTerm = _mul(constantTerm + _mul(c.constantTerm, weight), 1);
            weight = _mul(weight, rho);
            if (i + 1 < claims.length && claims[i + 1].vk == c.vk) continue;
            if (!_loadKey(c.vk) || !_addKey(constantTerm)) return false;
            constantTerm = 0;
        }
        return true;
    }

    /// @dev Hashes all that a claim depends on. The key's commitments are not in the transcript: without the code's hash
    /// a key could be chosen so that its proof makes up for another one's error.
    function _absorb(uint256 hash, Claim memory c) private view returns (uint256) {
        uint256 h2 = c.h2;
        (uint256 x, uint256 y) = (0, 0);
        assembly ("memory-safe") {
            x := calldataload(h2)
            y := calldataload(add(h2, 0x20))
        }
        return uint256(keccak256(abi.encode(hash, c.vk.codehash, c.state, x, y)));
    }
}
