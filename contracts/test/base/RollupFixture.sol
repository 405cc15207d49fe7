// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Emission} from "../../src/Emission.sol";
import {Epochs} from "../../src/Epochs.sol";
import {Validators} from "../../src/Validators.sol";
import {DnToken} from "../../src/DnToken.sol";
import {InferenceRollup} from "../../src/InferenceRollup.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {Staking} from "../../src/Staking.sol";
import {IEmission} from "../../src/interfaces/IEmission.sol";
import {IEpochs} from "../../src/interfaces/IEpochs.sol";
import {IInferenceRollup} from "../../src/interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {FakeKeys} from "./FakeKeys.sol";
import {FakeVerifier} from "./FakeVerifier.sol";
import {TestBase} from "./TestBase.sol";

/// @dev A deployed system with one model of four slots, and batches ready to be committed and proven.
abstract contract RollupFixture is TestBase {
    uint32 internal constant SLOTS = 4;
    // Not a multiple of 100: every share of it rounds.
    uint128 internal constant PRICE = 1 ether + 7;
    uint256 internal constant USER_KEY = 0xA1;
    uint256 internal constant OTHER_USER_KEY = 0xA2;
    uint256 internal constant WORKER_KEY = 0xB1;
    uint256 internal constant MINIMUM_STAKE = 100 ether;
    uint64 internal constant EPOCH = 1 hours;
    uint256 internal constant EMISSION_CAP = 1000 ether;
    uint256 internal constant WORK_PER_UNIT = 10;
    uint256 internal constant WORK_PER_STAKE = 1000;
    bytes32 internal constant MODEL = keccak256("model");
    bytes32 internal constant NULL_INPUT = bytes32(uint256(0x1234));
    address internal constant SEQUENCER = address(0x5E0);
    address internal constant DEVELOPER = address(0xDE7);
    address internal constant PROVER = address(0x9807);
    address internal constant VALIDATORS = address(0x7A1);
    address internal constant TREASURY = address(0x77EA);
    address internal constant VK = address(0x7777);

    DnToken internal token;
    Staking internal staking;
    ModelRegistry internal registry;
    FakeVerifier internal verifier;
    InferenceRollup internal rollup;
    Validators internal validators;
    Emission internal emission;
    Epochs internal epochs;
    address internal user;
    address internal otherUser;
    address internal worker;
    uint64 internal nextNonce;

    struct Bundle {
        IInferenceRollup.BatchHeader header;
        IInferenceRollup.Slot[] slots;
        IInferenceRollup.Order[] orders;
        bytes[] signatures;
        bytes32[] salts;
        uint256[] instances;
        bytes proof;
    }

    function _deploySystem() internal {
        vm.warp(1_800_000_000);
        (user, otherUser, worker) = (vm.addr(USER_KEY), vm.addr(OTHER_USER_KEY), vm.addr(WORKER_KEY));
        FakeKeys keys = new FakeKeys();
        _deployEconomy(_created(7));
        registry = new ModelRegistry(keys, token, 0);
        verifier = new FakeVerifier();
        rollup = new InferenceRollup(
            InferenceRollup.Config({
                token: token,
                staking: staking,
                registry: registry,
                verifier: verifier,
                epochs: epochs,
                sequencer: SEQUENCER,
                validatorPool: VALIDATORS,
                treasury: TREASURY
            })
        );
        require(epochs.rollup() == address(rollup), "the rollup is where it was expected");
        vm.etch(VK, hex"00112233");
        _register(_spec(MODEL, SLOTS));
    }

    /// @dev Where the contract will be that this one creates after `ahead` others.
    function _created(uint256 ahead) internal view returns (address) {
        return vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + ahead);
    }

    /// @dev Token, staking, validators, emission and epochs, told of each other and of the rollup.
    function _deployEconomy(address rollup_) internal {
        (address emissionAt, address epochsAt) = (_created(3), _created(4));
        token = new DnToken(emissionAt);
        address[] memory slashers = new address[](2);
        (slashers[0], slashers[1]) = (rollup_, epochsAt);
        staking = new Staking(token, MINIMUM_STAKE, slashers);
        validators = new Validators(staking, IEpochs(epochsAt), rollup_);
        emission = new Emission(token, epochsAt, EMISSION_CAP);
        epochs = new Epochs(
            Epochs.Config({
                token: token,
                staking: staking,
                validators: validators,
                emission: IEmission(emissionAt),
                rollup: rollup_,
                length: EPOCH,
                workPerUnit: WORK_PER_UNIT,
                workPerStake: WORK_PER_STAKE
            })
        );
        require(address(emission) == emissionAt && address(epochs) == epochsAt, "addresses");
    }

    function _spec(bytes32 modelId, uint32 slots) internal pure returns (IModelRegistry.ModelSpec memory) {
        return IModelRegistry.ModelSpec({
            modelId: modelId,
            vk: VK,
            batchSlots: slots,
            workUnits: 1000,
            price: PRICE,
            nullInputHash: NULL_INPUT,
            developer: DEVELOPER,
            service: "digits"
        });
    }

    function _register(IModelRegistry.ModelSpec memory spec) internal {
        registry.announce(keccak256(abi.encode(spec.modelId, spec.developer, bytes32(0))));
        vm.roll(block.number + 1);
        vm.prank(spec.developer);
        registry.register(spec, 0);
    }

    function _deposit(address account, uint256 amount) internal {
        token.transfer(account, amount);
        vm.prank(account);
        token.approve(address(rollup), amount);
        vm.prank(account);
        rollup.deposit(amount);
    }

    function _stake(IStaking.Role role, address account, uint256 amount) internal {
        token.transfer(account, amount);
        vm.prank(account);
        token.approve(address(staking), amount);
        vm.prank(account);
        staking.stake(role, amount);
    }

    function _order(address account) internal returns (IInferenceRollup.Order memory) {
        ++nextNonce;
        return IInferenceRollup.Order({
            user: account,
            modelId: MODEL,
            inputHash: bytes32(uint256(keccak256(abi.encode("input", nextNonce))) >> 4),
            maxFee: PRICE,
            deadline: uint64(block.timestamp + 1 hours),
            nonce: nextNonce,
            tag: keccak256(abi.encode("tag", nextNonce))
        });
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev `count` tasks of `user`, executed by `worker`, proven with the next batch id.
    function _bundle(uint256 count) internal returns (Bundle memory b) {
        return _bundle(count, MODEL, SLOTS);
    }

    function _bundle(uint256 count, bytes32 modelId, uint32 batchSlots) internal returns (Bundle memory b) {
        b.orders = new IInferenceRollup.Order[](count);
        for (uint256 i; i < count; ++i) {
            b.orders[i] = _order(user);
            b.orders[i].modelId = modelId;
        }
        b.header = IInferenceRollup.BatchHeader({
            chainId: block.chainid,
            rollup: address(rollup),
            batchId: rollup.nextBatchId(),
            modelId: modelId,
            slotsHash: 0,
            prover: PROVER,
            deadline: uint64(block.timestamp + 1 hours)
        });
        _seal(b, batchSlots);
    }

    /// @dev Derives slots, signatures, instances and proof from the orders and the header.
    function _seal(Bundle memory b, uint32 batchSlots) internal view {
        uint256 count = b.orders.length;
        b.slots = new IInferenceRollup.Slot[](count);
        b.signatures = new bytes[](count);
        uint256 outputs = _outputsAt(batchSlots);
        b.instances = new uint256[](outputs + batchSlots);
        for (uint256 i; i < count; ++i) {
            bytes32 digest = rollup.orderDigest(b.orders[i]);
            b.slots[i] = IInferenceRollup.Slot(digest, worker);
            b.signatures[i] = _sign(b.orders[i].user == otherUser ? OTHER_USER_KEY : USER_KEY, digest);
        }
        b.header.slotsHash = keccak256(abi.encode(b.slots));
        b.instances[0] = rollup.STATEMENT_VERSION();
        b.instances[1] = uint256(keccak256(abi.encode(b.header))) & ((1 << 253) - 1);
        b.instances[2] = count;
        for (uint256 i; i < batchSlots; ++i) {
            b.instances[3 + i] = uint256(i < count ? b.orders[i].inputHash : NULL_INPUT);
            b.instances[outputs + i] = uint256(keccak256(abi.encode("output", b.instances[3 + i]))) >> 4;
        }
        _reprove(b);
    }

    function _reprove(Bundle memory b) internal view {
        b.proof = verifier.prove(VK, b.instances);
    }

    function _commit(Bundle memory b) internal {
        vm.prank(SEQUENCER);
        rollup.commitBatch(b.header);
    }

    /// @dev Index of the first output commitment, as the statement has it.
    function _outputsAt(uint256 batchSlots) internal pure returns (uint256) {
        return 6 + batchSlots + (batchSlots + 14) / 15;
    }

    function _prove(Bundle memory b) internal {
        IInferenceRollup.Terms[] memory terms = new IInferenceRollup.Terms[](b.orders.length);
        for (uint256 i; i < terms.length; ++i) {
            IInferenceRollup.Order memory o = b.orders[i];
            terms[i] = IInferenceRollup.Terms(o.user, o.maxFee, o.deadline, o.nonce, o.tag);
        }
        IInferenceRollup.BatchProof memory proof = IInferenceRollup.BatchProof(b.instances, b.proof, b.salts);
        rollup.proveBatch(b.header, b.slots, terms, b.signatures, proof);
    }

    function _proveReverts(Bundle memory b, bytes memory reason) internal {
        vm.expectRevert(reason);
        _prove(b);
    }

    /// @dev The worker's receipt for task `i`, honest unless `output` differs from the proven one.
    function _receipt(Bundle memory b, uint256 i, uint256 output)
        internal
        view
        returns (IInferenceRollup.Receipt memory receipt, bytes memory signature)
    {
        receipt = IInferenceRollup.Receipt({
            taskId: b.slots[i].taskId,
            modelId: b.orders[i].modelId,
            inputHash: b.orders[i].inputHash,
            outputHash: bytes32(output),
            startedAtMs: 1,
            finishedAtMs: 2
        });
        signature = _sign(WORKER_KEY, rollup.receiptDigest(receipt));
    }
}
