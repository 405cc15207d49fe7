// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {DnToken} from "../src/DnToken.sol";
import {FIELD_ORDER} from "../src/Field.sol";
import {Halo2Verifier} from "../src/Halo2Verifier.sol";
import {KeyCheck} from "../src/KeyCheck.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {VerifierRouter} from "../src/VerifierRouter.sol";
import {MergedNarrowVerifier} from "../src/generated/MergedNarrowVerifier.sol";
import {NarrowVerifier} from "../src/generated/NarrowVerifier.sol";
import {WideVerifier} from "../src/generated/WideVerifier.sol";
import {IKeyCheck as I} from "../src/interfaces/IKeyCheck.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {TestBase} from "./base/TestBase.sol";

/// @dev Row 3: a key that would accept anything, or nothing, is not registered.
contract KeyCheckTest is TestBase {
    event Gas(string what, uint256 gas);

    address private constant VK = address(0x7777);
    uint256 private constant SLOTS = 64;
    uint256 private constant OMEGA_AT = 2;
    uint256 private constant STRING_AT = 7;
    uint256 private constant FIXED_AT = 17;

    Halo2Verifier[] private verifiers;
    KeyCheck private keys;

    function setUp() external {
        verifiers.push(new NarrowVerifier());
        verifiers.push(new MergedNarrowVerifier());
        verifiers.push(new WideVerifier());
        keys = new KeyCheck(new VerifierRouter(keccak256(_string()), verifiers));
    }

    function _string() private pure returns (bytes memory) {
        return abi.encode(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    }

    /// @dev A key of the layout over the domain of two, all of whose commitments are the generator.
    function _key(Halo2Verifier v) private pure returns (uint256[] memory words) {
        words = new uint256[]((v.keyLength() - 1) / 32);
        words[0] = v.layout();
        words[1] = 1;
        (words[2], words[3], words[4]) = (FIELD_ORDER - 1, FIELD_ORDER - 1, (FIELD_ORDER + 1) / 2);
        words[5] = 7;
        words[6] = 6 + 2 * SLOTS + 5;
        for (uint256 i; i < 10; ++i) {
            words[STRING_AT + i] = i + 1;
        }
        for (uint256 i = FIXED_AT; i < words.length; i += 2) {
            (words[i], words[i + 1]) = (1, 2);
        }
    }

    function _etch(uint256[] memory words) private {
        vm.etch(VK, abi.encodePacked(bytes1(0), words));
    }

    function _rejects(uint256[] memory words, bytes memory reason) private {
        _etch(words);
        vm.expectRevert(reason);
        keys.check(VK, SLOTS);
    }

    function testTakesKeysOfEveryLayout() external {
        for (uint256 i; i < verifiers.length; ++i) {
            uint256[] memory key = _key(verifiers[i]);
            // A column of zeros commits to the point at infinity.
            (key[FIXED_AT], key[FIXED_AT + 1]) = (0, 0);
            _etch(key);
            keys.check(VK, SLOTS);
        }
    }

    function testRejectsWhatIsNoKey() external {
        vm.expectRevert(abi.encodeWithSelector(I.MissingVerifyingKey.selector, address(1)));
        keys.check(address(1), SLOTS);
        uint256[] memory key = _key(verifiers[0]);
        key[0] = 5;
        _rejects(key, abi.encodeWithSelector(I.UnknownLayout.selector, VK, 5));
        key = _key(verifiers[0]);
        uint256 length = verifiers[0].keyLength();
        vm.etch(VK, abi.encodePacked(bytes1(0), key, bytes1(0)));
        vm.expectRevert(abi.encodeWithSelector(I.WrongKeyLength.selector, VK, length, length + 1));
        keys.check(VK, SLOTS);
        key[6] = 3;
        _rejects(key, abi.encodeWithSelector(I.WrongInstanceCount.selector, VK, 139, 3));
    }

    /// @dev G2 and tau G2 at infinity make every pairing check true; another secret's string proves anything.
    function testFuzzRejectsAnotherReferenceString(uint256 at, uint256 value) external {
        uint256[] memory key = _key(verifiers[0]);
        at = bound(at, STRING_AT, STRING_AT + 9);
        if (value == key[at]) value = 0;
        key[at] = value;
        bytes memory other = new bytes(320);
        for (uint256 i; i < 10; ++i) {
            uint256 word = key[STRING_AT + i];
            assembly ("memory-safe") {
                mstore(add(add(other, 0x20), mul(i, 0x20)), word)
            }
        }
        bytes memory reason = abi.encodeWithSelector(
            I.WrongReferenceString.selector, VK, keccak256(_string()), keccak256(other)
        );
        _rejects(key, reason);
    }

    function testFuzzRejectsPointsThatAreNone(uint256 point, uint256 x, uint256 y) external {
        uint256[] memory key = _key(verifiers[0]);
        uint256 count = (key.length - FIXED_AT) / 2;
        point = bound(point, 0, count - 1);
        if (x == 0 && y == 0) x = 1;
        (key[FIXED_AT + 2 * point], key[FIXED_AT + 2 * point + 1]) = (x, y);
        _rejects(key, abi.encodeWithSelector(I.NotOnCurve.selector, VK, point));
        // The generator, not reduced.
        uint256 q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
        (key[FIXED_AT + 2 * point], key[FIXED_AT + 2 * point + 1]) = (1 + q, 2);
        _rejects(key, abi.encodeWithSelector(I.NotOnCurve.selector, VK, point));
    }

    function testFuzzRejectsAnotherDomain(uint256 at, uint256 value) external {
        at = bound(at, 1, 5);
        uint256[] memory key = _key(verifiers[0]);
        if (value == key[at] || at == 5) value = at == 5 ? FIELD_ORDER : key[at] + 1;
        key[at] = value;
        _rejects(key, abi.encodeWithSelector(I.WrongDomain.selector, VK));
    }

    function testRegisteringTakesAtMost800000Gas() external {
        DnToken token = new DnToken(address(1));
        ModelRegistry registry = new ModelRegistry(keys, token, 100 ether);
        token.approve(address(registry), type(uint256).max);
        for (uint256 i; i < verifiers.length; ++i) {
            _etch(_key(verifiers[i]));
            bytes32 id = bytes32(i + 1);
            IModelRegistry.ModelSpec memory spec =
                IModelRegistry.ModelSpec(id, VK, uint32(SLOTS), 1000, 1 ether, 0, address(this), "digits");
            registry.announce(keccak256(abi.encode(id, address(this), bytes32(0))));
            vm.roll(block.number + 1);
            uint256 gas = gasleft();
            registry.register(spec, 0);
            gas -= gasleft();
            emit Gas("register", gas);
            require(gas + 21_000 <= 800_000, "registering");
        }
    }
}
