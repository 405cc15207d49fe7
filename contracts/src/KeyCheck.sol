// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Halo2Verifier} from "./Halo2Verifier.sol";
import {VerifierRouter} from "./VerifierRouter.sol";
import {FIELD_ORDER} from "./Field.sol";
import {IKeyCheck} from "./interfaces/IKeyCheck.sol";

/// @title KeyCheck
/// @dev The format of a key is specified in `core/src/vk_data.rs`.
contract KeyCheck is IKeyCheck {
    /// @dev Order of the base field.
    uint256 private constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    /// @dev Largest k whose domain the scalar field has.
    uint256 private constant MAX_K = 28;
    /// @dev Labels in one public input.
    uint256 private constant LABELS_PER_WORD = 15;

    // Words of a key, without its first byte.
    uint256 private constant LAYOUT = 0;
    uint256 private constant K = 1;
    uint256 private constant OMEGA = 2;
    uint256 private constant OMEGA_INVERSE = 3;
    uint256 private constant N_INVERSE = 4;
    uint256 private constant DIGEST = 5;
    uint256 private constant INSTANCES = 6;
    uint256 private constant STRING = 7;
    uint256 private constant FIXED = 17;

    /// @notice Knows the layouts and the reference string.
    VerifierRouter public immutable router;

    constructor(VerifierRouter router_) {
        router = router_;
    }

    /// @inheritdoc IKeyCheck
    function check(address vk, uint256 batchSlots) external view {
        bytes memory code = vk.code;
        require(code.length > 0x20, MissingVerifyingKey(vk));
        uint256 layout = _word(code, LAYOUT);
        Halo2Verifier verifier = router.verifierOf(layout);
        require(address(verifier) != address(0), UnknownLayout(vk, layout));
        uint256 length = verifier.keyLength();
        require(code.length == length, WrongKeyLength(vk, length, code.length));
        _checkString(vk, code);
        uint256 instances = 6 + 2 * batchSlots + (batchSlots + LABELS_PER_WORD - 1) / LABELS_PER_WORD;
        require(
            _word(code, INSTANCES) == instances, WrongInstanceCount(vk, instances, _word(code, INSTANCES))
        );
        require(_isDomain(code), WrongDomain(vk));
        uint256 end = (length - 1) / 0x20;
        for (uint256 at = FIXED; at < end; at += 2) {
            require(_isPoint(_word(code, at), _word(code, at + 1)), NotOnCurve(vk, (at - FIXED) / 2));
        }
    }

    function _checkString(address vk, bytes memory code) private view {
        bytes32 got;
        assembly ("memory-safe") {
            got := keccak256(add(add(code, 0x21), mul(STRING, 0x20)), mul(sub(FIXED, STRING), 0x20))
        }
        bytes32 expected = router.referenceString();
        require(got == expected, WrongReferenceString(vk, expected, got));
    }

    /// @dev Whether omega generates the domain of 2^k, the inverses are inverses, and the digest is a field element.
    function _isDomain(bytes memory code) private pure returns (bool) {
        (uint256 k, uint256 omega) = (_word(code, K), _word(code, OMEGA));
        if (k == 0 || k > MAX_K || omega >= FIELD_ORDER) return false;
        uint256 power = omega;
        for (uint256 i = 1; i < k; ++i) {
            power = mulmod(power, power, FIELD_ORDER);
        }
        uint256 digest = _word(code, DIGEST);
        return power == FIELD_ORDER - 1 && digest != 0 && digest < FIELD_ORDER
            && mulmod(omega, _word(code, OMEGA_INVERSE), FIELD_ORDER) == 1
            && mulmod(1 << k, _word(code, N_INVERSE), FIELD_ORDER) == 1
            && _word(code, OMEGA_INVERSE) < FIELD_ORDER && _word(code, N_INVERSE) < FIELD_ORDER;
    }

    /// @dev A point of y^2 = x^3 + 3, or the one at infinity, which zeros stand for.
    function _isPoint(uint256 x, uint256 y) private pure returns (bool) {
        if (x >= Q || y >= Q) return false;
        if (x == 0 && y == 0) return true;
        return mulmod(y, y, Q) == addmod(mulmod(x, mulmod(x, x, Q), Q), 3, Q);
    }

    function _word(bytes memory code, uint256 index) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(code, 0x21), mul(index, 0x20)))
        }
    }
}
