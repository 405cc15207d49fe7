// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Halo2Verifier} from "../src/Halo2Verifier.sol";
import {VerifierRouter} from "../src/VerifierRouter.sol";
import {DefaultVerifier} from "../src/generated/DefaultVerifier.sol";
import {MergedDefaultVerifier} from "../src/generated/MergedDefaultVerifier.sol";
import {MergedNarrowVerifier} from "../src/generated/MergedNarrowVerifier.sol";
import {MergedWideVerifier} from "../src/generated/MergedWideVerifier.sol";
import {NarrowVerifier} from "../src/generated/NarrowVerifier.sol";
import {WideVerifier} from "../src/generated/WideVerifier.sol";
import {FakeVerifier} from "./base/FakeVerifier.sol";
import {TestBase} from "./base/TestBase.sol";

/// @dev Which verifier answers. Those behind the router are replaced by ones that accept a proof each.
contract VerifierRouterTest is TestBase {
    address private constant NARROW_KEY = address(0x7771);
    address private constant DEFAULT_KEY = address(0x7772);
    address private constant WIDE_KEY = address(0x7773);
    address private constant MERGED_KEY = address(0x7776);
    address private constant OTHER_KEY = address(0x7774);
    address private constant NO_KEY = address(0x7775);
    /// @dev EIP-170's limit on a contract's code.
    uint256 private constant MAX_CODE = 24_576;

    Halo2Verifier private narrow;
    Halo2Verifier private normal;
    Halo2Verifier private wide;
    Halo2Verifier private merged;
    Halo2Verifier private mergedNarrow;
    Halo2Verifier private mergedWide;
    VerifierRouter private router;
    FakeVerifier private fake;

    function setUp() external {
        (narrow, normal, wide) = (new NarrowVerifier(), new DefaultVerifier(), new WideVerifier());
        merged = new MergedDefaultVerifier();
        (mergedNarrow, mergedWide) = (new MergedNarrowVerifier(), new MergedWideVerifier());
        fake = new FakeVerifier();
        router = new VerifierRouter(keccak256(_string()), _all());
        vm.etch(NARROW_KEY, _code(narrow.layout(), _string()));
        vm.etch(DEFAULT_KEY, _code(normal.layout(), _string()));
        vm.etch(WIDE_KEY, _code(wide.layout(), _string()));
        vm.etch(MERGED_KEY, _code(merged.layout(), _string()));
        vm.etch(OTHER_KEY, _code(3, _string()));
    }

    /// @dev G1, G2 and tau G2, as far as the router is concerned.
    function _string() private pure returns (bytes memory) {
        return abi.encode(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    }

    /// @dev The head of a key: what the router reads of it.
    function _code(uint256 layout, bytes memory referenceString) private pure returns (bytes memory) {
        return abi.encodePacked(bytes1(0), layout, new bytes(6 * 32), referenceString);
    }

    function _all() private view returns (Halo2Verifier[] memory all) {
        all = new Halo2Verifier[](6);
        (all[0], all[1], all[2]) = (narrow, normal, wide);
        (all[3], all[4], all[5]) = (mergedNarrow, merged, mergedWide);
    }

    function _instances() private pure returns (uint256[] memory instances) {
        instances = new uint256[](2);
        (instances[0], instances[1]) = (5, 6);
    }

    function _accepts(address vk) private view returns (bool) {
        return router.verify(vk, fake.prove(vk, _instances()), _instances());
    }

    function testTheKeyChoosesTheVerifier() external {
        vm.etch(address(narrow), address(fake).code);
        require(_accepts(NARROW_KEY), "the narrow layout's verifier");
        // The others are real, and take neither the fake's proofs nor such keys.
        require(!_accepts(DEFAULT_KEY), "the default layout's verifier");
        vm.etch(address(normal), address(fake).code);
        require(_accepts(DEFAULT_KEY), "the default layout's verifier");
        require(!_accepts(WIDE_KEY), "the wide layout's verifier");
        vm.etch(address(wide), address(fake).code);
        require(_accepts(WIDE_KEY), "the wide layout's verifier");
        require(!_accepts(MERGED_KEY), "the same layout's with merged openings");
        vm.etch(address(merged), address(fake).code);
        require(_accepts(MERGED_KEY), "the default layout's with merged openings");
        require(
            !router.verify(NARROW_KEY, fake.prove(DEFAULT_KEY, _instances()), _instances()), "wrong proof"
        );
    }

    function testEveryVerifierFitsAContract() external view {
        Halo2Verifier[] memory all = _all();
        for (uint256 i; i < all.length; ++i) {
            require(address(all[i]).code.length <= MAX_CODE, "larger than EIP-170 allows");
        }
    }

    function testNobodyVerifiesOtherLayouts() external {
        vm.etch(address(narrow), address(fake).code);
        vm.etch(address(normal), address(fake).code);
        vm.etch(address(wide), address(fake).code);
        require(!_accepts(OTHER_KEY) && !_accepts(NO_KEY) && !_accepts(address(0)), "no verifier");
    }

    function testAFailedCallIsNoProof() external {
        // Code that reverts, code that answers nothing, code that answers 2.
        bytes[3] memory codes = [bytes(hex"5f5ffd"), hex"5f5ff3", hex"60025f5260205ff3"];
        for (uint256 i; i < codes.length; ++i) {
            vm.etch(address(narrow), codes[i]);
            require(!_accepts(NARROW_KEY), "rejected");
        }
    }

    function testTheFirstKeyAnswersForABatch() external {
        vm.etch(address(narrow), address(fake).code);
        address[] memory vks = new address[](2);
        bytes[] memory proofs = new bytes[](2);
        uint256[][] memory instances = new uint256[][](2);
        require(!router.verifyBatch(new address[](0), new bytes[](0), new uint256[][](0)), "none");
        for (uint256 i; i < 2; ++i) {
            (vks[i], proofs[i], instances[i]) =
            (NARROW_KEY, fake.prove(NARROW_KEY, _instances()), _instances());
        }
        require(router.verifyBatch(vks, proofs, instances), "both");
        proofs[1] = "";
        require(!router.verifyBatch(vks, proofs, instances), "one is wrong");
    }

    function testKeysOverAnotherReferenceStringAreRefused() external {
        uint256 layout = narrow.layout();
        vm.etch(address(narrow), address(fake).code);
        require(_accepts(NARROW_KEY), "the pinned string");
        bytes memory code = NARROW_KEY.code;
        for (uint256 word; word < 10; ++word) {
            bytes memory forged = bytes.concat(code);
            forged[0xe1 + 32 * word + 31] ^= 0x01;
            vm.etch(NARROW_KEY, forged);
            require(!_accepts(NARROW_KEY), "another string");
        }
        vm.etch(NARROW_KEY, _code(layout, new bytes(320)));
        require(!_accepts(NARROW_KEY), "points at infinity");
    }

    function testABatchOverAnotherReferenceStringIsRefused() external {
        uint256 layout = narrow.layout();
        vm.etch(address(narrow), address(fake).code);
        address[] memory vks = new address[](1);
        bytes[] memory proofs = new bytes[](1);
        uint256[][] memory instances = new uint256[][](1);
        (vks[0], proofs[0], instances[0]) = (NARROW_KEY, fake.prove(NARROW_KEY, _instances()), _instances());
        require(router.verifyBatch(vks, proofs, instances), "the pinned string");
        vm.etch(NARROW_KEY, _code(layout, abi.encode(1, 2, 3, 4, 5, 6, 7, 8, 9, 11)));
        require(!router.verifyBatch(vks, proofs, instances), "another string");
    }

    function testRejectsTwoVerifiersOfOneLayout() external {
        Halo2Verifier[] memory twice = _all();
        twice[1] = twice[0];
        vm.expectRevert(abi.encodeWithSelector(VerifierRouter.LayoutTwice.selector, narrow.layout()));
        new VerifierRouter(keccak256(_string()), twice);
    }
}
