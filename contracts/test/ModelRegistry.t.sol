// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {FIELD_ORDER} from "../src/Field.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {IModelRegistry as I} from "../src/interfaces/IModelRegistry.sol";
import {TestBase} from "./base/TestBase.sol";

contract ModelRegistryTest is TestBase {
    address private constant VK = address(0x7777);
    bytes32 private constant ID = keccak256("model");

    ModelRegistry private registry;

    function setUp() external {
        registry = new ModelRegistry();
        vm.etch(VK, hex"0011");
    }

    function _spec() private view returns (I.ModelSpec memory) {
        return I.ModelSpec(ID, VK, 64, 1000, 1 ether, bytes32(uint256(1)), address(this), "digits");
    }

    function _rejects(I.ModelSpec memory spec, bytes memory reason) private {
        vm.expectRevert(reason);
        registry.register(spec);
    }

    function testFuzzReadsBackWhatWasRegistered(I.ModelSpec memory spec) external {
        spec.modelId = ID;
        spec.vk = VK;
        spec.batchSlots = uint32(bound(spec.batchSlots, 1, registry.MAX_BATCH_SLOTS()));
        spec.workUnits = uint64(bound(spec.workUnits, 1, type(uint64).max));
        spec.nullInputHash = bytes32(bound(uint256(spec.nullInputHash), 0, FIELD_ORDER - 1));
        spec.developer = address(this);
        spec.service = "digits";
        registry.register(spec);
        eq(
            uint256(keccak256(abi.encode(registry.model(ID)))),
            uint256(keccak256(abi.encode(spec))),
            "specification"
        );
        require(registry.isActive(ID) && registry.vkCodeHash(ID) == keccak256(hex"0011"), "active, key bound");
        _rejects(spec, abi.encodeWithSelector(I.ModelAlreadyRegistered.selector, ID));
    }

    function testRejectsEachBadField() external {
        I.ModelSpec memory spec = _spec();
        spec.modelId = 0;
        _rejects(spec, abi.encodeWithSelector(I.InvalidModel.selector, 0));
        spec = _spec();
        spec.workUnits = 0;
        _rejects(spec, abi.encodeWithSelector(I.InvalidModel.selector, ID));
        spec = _spec();
        spec.developer = address(1);
        _rejects(spec, abi.encodeWithSelector(I.OnlyDeveloper.selector, ID, address(this)));
        spec = _spec();
        spec.vk = address(2);
        _rejects(spec, abi.encodeWithSelector(I.MissingVerifyingKey.selector, address(2)));
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
    }

    function testOnlyTheDeveloperStopsAndResumes() external {
        registry.register(_spec());
        vm.expectRevert(abi.encodeWithSelector(I.OnlyDeveloper.selector, ID, address(1)));
        vm.prank(address(1));
        registry.setActive(ID, false);
        registry.setActive(ID, false);
        require(!registry.isActive(ID), "stopped");
        registry.setActive(ID, true);
        require(registry.isActive(ID), "resumed");
    }

    function testRejectsUnknownModels() external {
        vm.expectRevert(abi.encodeWithSelector(I.ModelNotFound.selector, ID));
        registry.model(ID);
        vm.expectRevert(abi.encodeWithSelector(I.ModelNotFound.selector, ID));
        registry.setActive(ID, true);
    }
}
