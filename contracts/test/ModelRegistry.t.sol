// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {DnToken} from "../src/DnToken.sol";
import {FIELD_ORDER} from "../src/Field.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {RoyaltySplit} from "../src/RoyaltySplit.sol";
import {IKeyCheck} from "../src/interfaces/IKeyCheck.sol";
import {IModelRegistry as I} from "../src/interfaces/IModelRegistry.sol";
import {FakeKeys} from "./base/FakeKeys.sol";
import {TestBase} from "./base/TestBase.sol";

contract ModelRegistryTest is TestBase {
    address private constant VK = address(0x7777);
    address private constant OTHER = address(0x0742);
    bytes32 private constant ID = keccak256("model");
    bytes32 private constant SALT = keccak256("salt");
    uint256 private constant BOND = 100 ether;

    DnToken private token;
    ModelRegistry private registry;

    function setUp() external {
        vm.warp(1_800_000_000);
        token = new DnToken(address(1));
        registry = new ModelRegistry(new FakeKeys(), token, BOND);
        token.approve(address(registry), type(uint256).max);
        vm.etch(VK, hex"0011");
    }

    function _spec() private view returns (I.ModelSpec memory) {
        return I.ModelSpec(ID, VK, 64, 1000, 1 ether, bytes32(uint256(1)), address(this), "digits");
    }

    function _commitment(I.ModelSpec memory spec) private pure returns (bytes32) {
        return keccak256(abi.encode(spec.modelId, spec.developer, SALT));
    }

    function _announce(I.ModelSpec memory spec) private {
        bytes32 commitment = _commitment(spec);
        if (registry.announcedIn(commitment) != 0) return;
        registry.announce(commitment);
        vm.roll(block.number + 1);
    }

    function _register(I.ModelSpec memory spec) private {
        _announce(spec);
        registry.register(spec, SALT);
    }

    function _rejects(I.ModelSpec memory spec, bytes memory reason) private {
        _announce(spec);
        vm.expectRevert(reason);
        registry.register(spec, SALT);
    }

    function testFuzzReadsBackWhatWasRegistered(I.ModelSpec memory spec) external {
        spec.modelId = ID;
        spec.vk = VK;
        spec.batchSlots = uint32(bound(spec.batchSlots, 1, registry.MAX_BATCH_SLOTS()));
        spec.workUnits = uint64(bound(spec.workUnits, 1, type(uint64).max));
        spec.nullInputHash = bytes32(bound(uint256(spec.nullInputHash), 0, FIELD_ORDER - 1));
        spec.developer = address(this);
        spec.service = "digits";
        _announce(spec);
        vm.expectEmit(address(registry));
        emit I.ServiceNamed(keccak256("digits"), "digits");
        vm.expectEmit(address(registry));
        emit I.ModelRegistered(ID, address(this), "digits", VK, spec.price);
        registry.register(spec, SALT);
        eq(
            uint256(keccak256(abi.encode(registry.model(ID)))),
            uint256(keccak256(abi.encode(spec))),
            "specification"
        );
        require(registry.isActive(ID) && registry.vkCodeHash(ID) == keccak256(hex"0011"), "active, key bound");
        require(registry.payeeOf(ID) == address(this), "royalty");
        eq(token.balanceOf(address(registry)), BOND, "bond");
        _rejects(spec, abi.encodeWithSelector(I.ModelAlreadyRegistered.selector, ID));
    }

    /// @dev Row 9: who sees a registration in the queue has announced nothing before it.
    function testAFrontRunnerCannotRegisterTheVersion() external {
        I.ModelSpec memory spec = _spec();
        bytes32 commitment = _commitment(spec);
        vm.expectEmit(address(registry));
        emit I.ModelAnnounced(commitment);
        registry.announce(commitment);
        vm.expectRevert(abi.encodeWithSelector(I.AlreadyAnnounced.selector, commitment));
        registry.announce(commitment);
        vm.expectRevert(abi.encodeWithSelector(I.NotAnnouncedBefore.selector, commitment));
        registry.register(spec, SALT);
        vm.roll(block.number + 1);
        I.ModelSpec memory stolen = _spec();
        stolen.developer = OTHER;
        vm.startPrank(OTHER);
        bytes32 copy = _commitment(stolen);
        vm.expectRevert(abi.encodeWithSelector(I.NotAnnouncedBefore.selector, copy));
        registry.register(stolen, SALT);
        registry.announce(copy);
        vm.expectRevert(abi.encodeWithSelector(I.NotAnnouncedBefore.selector, copy));
        registry.register(stolen, SALT);
        vm.expectRevert(abi.encodeWithSelector(I.OnlyDeveloper.selector, ID, OTHER));
        registry.register(spec, SALT);
        vm.stopPrank();
        registry.register(spec, SALT);
        require(registry.model(ID).developer == address(this), "whose it is");
    }

    function testRejectsEachBadField() external {
        I.ModelSpec memory spec = _spec();
        spec.modelId = 0;
        _rejects(spec, abi.encodeWithSelector(I.InvalidModel.selector, 0));
        spec = _spec();
        spec.workUnits = 0;
        _rejects(spec, abi.encodeWithSelector(I.InvalidModel.selector, ID));
        spec = _spec();
        spec.vk = address(2);
        _rejects(spec, abi.encodeWithSelector(IKeyCheck.MissingVerifyingKey.selector, address(2)));
        spec = _spec();
        spec.batchSlots = 0;
        _rejects(spec, abi.encodeWithSelector(I.BatchSlotsOutOfRange.selector, 0));
        spec.batchSlots = 1025;
        _rejects(spec, abi.encodeWithSelector(I.BatchSlotsOutOfRange.selector, 1025));
        spec = _spec();
        spec.nullInputHash = bytes32(FIELD_ORDER);
        _rejects(spec, abi.encodeWithSelector(I.NotAFieldElement.selector, FIELD_ORDER));
        spec = _spec();
        spec.service = "";
        _rejects(spec, abi.encodeWithSelector(I.ServiceNameLength.selector, 0));
        spec.service = string(new bytes(65));
        _rejects(spec, abi.encodeWithSelector(I.ServiceNameLength.selector, 65));
        vm.expectRevert(abi.encodeWithSelector(I.ZeroAddress.selector));
        new ModelRegistry(IKeyCheck(address(0)), token, BOND);
    }

    /// @dev A model that is stopped takes every order that was placed before.
    function testFuzzAStopTakesNotice(uint64 wait) external {
        _register(_spec());
        uint64 until = uint64(block.timestamp) + registry.NOTICE();
        vm.expectEmit(address(registry));
        emit I.ModelActiveUntil(ID, until);
        registry.setActive(ID, false);
        wait = uint64(bound(wait, 0, registry.NOTICE() - 1));
        vm.warp(block.timestamp + wait);
        registry.setActive(ID, false);
        require(registry.isActive(ID), "not yet");
        eq(registry.activeUntil(ID), until, "notice is given once");
        vm.warp(until);
        require(!registry.isActive(ID), "stopped");
        registry.setActive(ID, true);
        require(registry.isActive(ID), "resumed");
    }

    function testADeprecatedModelNeverComesBackAndFreesItsBond() external {
        _register(_spec());
        vm.expectRevert(abi.encodeWithSelector(I.BondNotFree.selector, ID));
        registry.returnBond(ID);
        vm.expectRevert(abi.encodeWithSelector(I.ModelNotFound.selector, bytes32("next")));
        registry.deprecate(ID, "next");
        vm.expectEmit(address(registry));
        emit I.ModelDeprecated(ID, 0);
        registry.deprecate(ID, 0);
        require(registry.isActive(ID), "with notice");
        bytes memory reason = abi.encodeWithSelector(I.Deprecated.selector, ID);
        vm.expectRevert(reason);
        registry.setActive(ID, true);
        vm.expectRevert(reason);
        registry.deprecate(ID, 0);
        vm.expectRevert(abi.encodeWithSelector(I.BondNotFree.selector, ID));
        registry.returnBond(ID);
        vm.warp(block.timestamp + registry.NOTICE());
        uint256 wallet = token.balanceOf(address(this));
        vm.expectEmit(address(registry));
        emit I.BondReturned(ID, address(this), BOND);
        registry.returnBond(ID);
        eq(token.balanceOf(address(this)) - wallet, BOND, "bond");
        vm.expectRevert(abi.encodeWithSelector(I.BondNotFree.selector, ID));
        registry.returnBond(ID);
    }

    function testAModelIsHandedOnInTwoSteps() external {
        _register(_spec());
        vm.expectEmit(address(registry));
        emit I.PayeeSet(ID, address(0x9A));
        registry.setPayee(ID, address(0x9A));
        require(registry.payeeOf(ID) == address(0x9A), "payee");
        vm.expectEmit(address(registry));
        emit I.TransferOffered(ID, address(this), OTHER);
        registry.transfer(ID, OTHER);
        require(registry.model(ID).developer == address(this), "not yet");
        vm.expectRevert(abi.encodeWithSelector(I.NotOffered.selector, ID, address(this)));
        registry.accept(ID);
        vm.prank(OTHER);
        vm.expectEmit(address(registry));
        emit I.ModelTransferred(ID, address(this), OTHER);
        registry.accept(ID);
        require(registry.payeeOf(ID) == OTHER, "royalty goes with it");
        bytes memory reason = abi.encodeWithSelector(I.OnlyDeveloper.selector, ID, address(this));
        vm.expectRevert(reason);
        registry.setActive(ID, false);
        vm.expectRevert(reason);
        registry.deprecate(ID, 0);
        vm.expectRevert(reason);
        registry.transfer(ID, address(this));
        vm.expectRevert(reason);
        registry.setPayee(ID, address(this));
    }

    function testRejectsUnknownModels() external {
        bytes memory reason = abi.encodeWithSelector(I.ModelNotFound.selector, ID);
        vm.expectRevert(reason);
        registry.model(ID);
        vm.expectRevert(reason);
        registry.setActive(ID, true);
        vm.expectRevert(reason);
        registry.payeeOf(ID);
        require(!registry.isActive(ID), "unknown");
    }

    function testFuzzARoyaltyIsSplit(uint64[3] memory shares, uint96 first, uint96 second) external {
        address[] memory accounts = new address[](3);
        uint64[] memory parts = new uint64[](3);
        for (uint256 i; i < 3; ++i) {
            accounts[i] = address(uint160(0x500 + i));
            parts[i] = uint64(bound(shares[i], 1, type(uint64).max));
        }
        RoyaltySplit split = new RoyaltySplit(token, accounts, parts);
        uint256 sent;
        for (uint256 round; round < 2; ++round) {
            uint256 amount = bound(round == 0 ? first : second, 1e6, 1e26);
            token.transfer(address(split), amount);
            sent += amount;
            for (uint256 i; i < 3; ++i) {
                if (split.dueTo(accounts[i]) != 0) split.release(accounts[i]);
                eq(token.balanceOf(accounts[i]), sent * parts[i] / split.totalShares(), "a part");
            }
        }
        require(token.balanceOf(address(split)) < 3, "dust");
        vm.expectRevert(abi.encodeWithSelector(RoyaltySplit.NothingToRelease.selector, address(this)));
        split.release(address(this));
        accounts[1] = accounts[0];
        vm.expectRevert(abi.encodeWithSelector(RoyaltySplit.AccountTwice.selector, accounts[0]));
        new RoyaltySplit(token, accounts, parts);
    }
}
