// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Emission} from "../../src/Emission.sol";
import {Epochs} from "../../src/Epochs.sol";
import {Probes} from "../../src/Probes.sol";
import {Validators} from "../../src/Validators.sol";
import {IEmission} from "../../src/interfaces/IEmission.sol";
import {IEpochs} from "../../src/interfaces/IEpochs.sol";
import {FakeKeys} from "./FakeKeys.sol";
import {DnToken} from "../../src/DnToken.sol";
import {Rollup} from "./Rollup.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {Staking} from "../../src/Staking.sol";
import {IInferenceRollup as I} from "../../src/interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {BundleFixture} from "./BundleFixture.sol";
import {FakeVerifier} from "./FakeVerifier.sol";

/// @dev A deployed system with one model of four slots, two users and two staked workers.
abstract contract RollupFixture is BundleFixture {
    uint32 internal constant SLOTS = 4;
    // Not a multiple of 100: every share of it rounds.
    uint128 internal constant PRICE = 1 ether + 7;
    uint256 internal constant WORKER_SHARE = uint256(PRICE) * 65 / 100;
    uint256 internal constant POOL_SHARE = WORKER_SHARE * 20 / 100;
    // What its worker has of a task at settlement.
    uint256 internal constant WORKER_PAID = WORKER_SHARE - POOL_SHARE;
    uint256 internal constant MINIMUM_STAKE = 100 ether;
    uint64 internal constant EPOCH = 1 hours;
    uint256 internal constant EMISSION_CAP = 1000 ether;
    uint256 internal constant WORK_PER_UNIT = 10;
    uint256 internal constant WORK_PER_STAKE = 1000;
    uint64 internal constant EXIT_DELAY = 3 days;
    bytes32 internal constant MODEL = keccak256("model");
    bytes32 internal constant NULL_INPUT = bytes32(uint256(0x1234));
    address internal constant SEQUENCER = address(0x5E0);
    address internal constant DEVELOPER = address(0xDE7);
    address internal constant VALIDATORS = address(0x7A1);
    address internal constant TREASURY = address(0x77EA);
    address internal constant VK = address(0x7777);
    address internal constant STRANGER = address(0xF507);

    DnToken internal token;
    Staking internal staking;
    ModelRegistry internal registry;
    FakeVerifier internal verifier;
    Validators internal validators;
    Emission internal emission;
    Epochs internal epochs;
    Probes internal probes;
    address internal user;
    address internal otherUser;
    address internal worker;
    address internal otherWorker;

    function _deploySystem() internal {
        vm.warp(1_800_000_000);
        (user, otherUser) = (_actor(0xA1), _actor(0xA2));
        (worker, otherWorker) = (_actor(0xB1), _actor(0xB2));
        FakeKeys keys = new FakeKeys();
        _deployEconomy(_created(7), _created(8));
        registry = new ModelRegistry(keys, token, 0);
        verifier = new FakeVerifier();
        rollup = _newRollup(_config());
        probes = new Probes(validators, epochs, rollup, registry);
        require(epochs.rollup() == address(rollup), "the rollup is where it was expected");
        require(epochs.probes() == address(probes), "so are the probes");
        vm.etch(VK, hex"00112233");
        _register(_spec(MODEL, SLOTS));
    }

    function _newRollup(Rollup.Config memory config) internal returns (Rollup) {
        return Rollup(vm.deployCode("InferenceRollup.sol:InferenceRollup", abi.encode(config)));
    }

    /// @dev Where the contract will be that this one creates after `ahead` others.
    function _created(uint256 ahead) internal view returns (address) {
        return vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + ahead);
    }

    /// @dev Token, staking, validators, emission and epochs, told of each other, of the rollup and of the probes.
    function _deployEconomy(address rollup_, address probes_) internal {
        (address emissionAt, address epochsAt) = (_created(3), _created(4));
        token = new DnToken(emissionAt);
        address[] memory slashers = new address[](2);
        (slashers[0], slashers[1]) = (rollup_, epochsAt);
        staking = new Staking(token, MINIMUM_STAKE, slashers);
        validators = new Validators(staking, IEpochs(epochsAt));
        emission = new Emission(token, epochsAt, EMISSION_CAP);
        epochs = new Epochs(
            Epochs.Config({
                token: token,
                staking: staking,
                validators: validators,
                emission: IEmission(emissionAt),
                rollup: rollup_,
                probes: probes_,
                length: EPOCH,
                workPerUnit: WORK_PER_UNIT,
                workPerStake: WORK_PER_STAKE
            })
        );
        require(address(emission) == emissionAt && address(epochs) == epochsAt, "addresses");
    }

    function _register(IModelRegistry.ModelSpec memory spec) internal {
        registry.announce(keccak256(abi.encode(spec.modelId, spec.developer, bytes32(0))));
        vm.roll(block.number + 1);
        vm.prank(spec.developer);
        registry.register(spec, 0);
    }

    function _config() internal view returns (Rollup.Config memory) {
        return Rollup.Config({
            token: token,
            staking: staking,
            registry: registry,
            verifier: verifier,
            epochs: epochs,
            sequencer: SEQUENCER,
            validatorPool: VALIDATORS,
            treasury: TREASURY,
            exitDelay: EXIT_DELAY
        });
    }

    /// @dev Deposits for both users, stakes for both workers.
    function _fund() internal {
        _deposit(user, 1000 ether);
        _deposit(otherUser, 1000 ether);
        _stake(worker, MINIMUM_STAKE);
        _stake(otherWorker, MINIMUM_STAKE);
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

    /// @dev Registers a model with so many slots, once.
    function _model(uint32 slots) internal returns (bytes32 modelId) {
        return _model(slots, PRICE);
    }

    function _model(uint32 slots, uint128 price) internal returns (bytes32 modelId) {
        if (slots == SLOTS && price == PRICE) return MODEL;
        modelId = keccak256(abi.encode("model", slots, price));
        IModelRegistry.ModelSpec memory spec = _spec(modelId, slots);
        spec.price = price;
        if (registry.vkCodeHash(modelId) != 0) return modelId;
        _register(spec);
    }

    function _deposit(address account, uint256 amount) internal {
        token.approve(address(rollup), amount);
        rollup.depositFor(account, amount);
    }

    function _stake(address account, uint256 amount) internal {
        _stake(IStaking.Role.Worker, account, amount);
    }

    function _stake(IStaking.Role role, address account, uint256 amount) internal {
        token.transfer(account, amount);
        vm.prank(account);
        token.approve(address(staking), amount);
        vm.prank(account);
        staking.stake(role, amount);
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev `count` tasks of `user` for the model of four slots, executed by `worker`.
    function _bundle(uint256 count) internal returns (Bundle memory b) {
        return _bundle(count, SLOTS);
    }

    /// @dev `count` tasks of `user`, executed by `worker`, for a model with so many slots.
    function _bundle(uint256 count, uint32 slots) internal returns (Bundle memory b) {
        b = _draft(count, slots);
        _seal(b);
    }

    /// @dev As `_bundle`, to be changed before it is sealed.
    function _draft(uint256 count, uint32 slots) internal returns (Bundle memory b) {
        b.batchSlots = slots;
        b.nullInput = NULL_INPUT;
        b.price = PRICE;
        b.header = I.BatchHeader({
            chainId: block.chainid,
            rollup: address(rollup),
            batchId: rollup.nextBatchId(),
            modelId: _model(slots),
            slotsHash: 0,
            openedAt: uint64(block.timestamp),
            deadline: uint64(block.timestamp + 1 hours)
        });
        b.workers = new address[](1);
        b.workers[0] = worker;
        b.orders = new I.Order[](count);
        b.executors = new uint8[](count);
        (b.labels, b.salts) = (new uint256[](count), new bytes32[](count));
        for (uint256 i; i < count; ++i) {
            b.orders[i] = _order(user, b.header.modelId);
        }
    }

    /// @dev Both workers, the second one for every other task; users in the same way.
    function _mixed(uint256 count, uint32 slots) internal returns (Bundle memory b) {
        b = _draft(count, slots);
        b.workers = new address[](2);
        (b.workers[0], b.workers[1]) = (worker, otherWorker);
        for (uint256 i = 1; i < count; i += 2) {
            b.executors[i] = 1;
            b.orders[i].user = otherUser;
        }
        _seal(b);
    }

    function _seal(Bundle memory b) internal view {
        _sealOrders(b);
        _sealStatement(b);
        _reprove(b);
        _sealInvoices(b);
    }

    /// @dev A proof of whatever the public inputs say.
    function _reprove(Bundle memory b) internal view {
        b.proof.proof = verifier.prove(VK, b.proof.instances);
    }

    function _commit(Bundle memory b) internal {
        vm.prank(SEQUENCER);
        rollup.commitBatch(b.header);
    }

    /// @dev The sequencer sends the proof, with every chunk.
    function _prove(Bundle memory b) internal {
        vm.prank(SEQUENCER);
        rollup.proveBatch(b.header, b.proof, b.slotHashes, b.chunks);
    }

    /// @dev The sequencer sends the proof alone.
    function _proveOnly(Bundle memory b) internal {
        vm.prank(SEQUENCER);
        rollup.proveBatch(b.header, b.proof, b.slotHashes, new I.Chunk[](0));
    }

    function _proveReverts(Bundle memory b, bytes memory reason) internal {
        vm.prank(SEQUENCER);
        vm.expectRevert(reason);
        rollup.proveBatch(b.header, b.proof, b.slotHashes, b.chunks);
    }

    function _settle(Bundle memory b, uint256 chunk) internal {
        I.Opening memory opening = _opening(b, chunk);
        vm.prank(SEQUENCER);
        rollup.settleChunks(b.header, _only(b.chunks[chunk]), opening);
    }

    /// @dev The sequencer settles several chunks at once.
    function _settleSome(Bundle memory b, uint256 from, uint256 to, I.Opening memory o) internal {
        I.Chunk[] memory chunks = _some(b, from, to);
        vm.prank(SEQUENCER);
        rollup.settleChunks(b.header, chunks, o);
    }

    function _settleReverts(Bundle memory b, uint256 chunk, bytes memory reason) internal {
        I.Opening memory opening = _opening(b, chunk);
        vm.prank(SEQUENCER);
        vm.expectRevert(reason);
        rollup.settleChunks(b.header, _only(b.chunks[chunk]), opening);
    }

    function _all(Bundle memory b) internal returns (Bundle memory) {
        _commit(b);
        _prove(b);
        return b;
    }

    /// @dev What `staking` holds of the worker's stake for a false receipt of the batch.
    function _holdingId(uint64 batchId, address account) internal view returns (bytes32) {
        return staking.holdingId(address(rollup), IStaking.Role.Worker, account, bytes32(uint256(batchId)));
    }

    /// @dev Waits until the holding may be paid, and pays it.
    function _payOut(bytes32 id) internal {
        uint64 releaseAt = staking.holdingOf(id).releaseAt;
        if (block.timestamp < releaseAt) vm.warp(releaseAt);
        staking.payOut(id);
    }

    /// @dev What is expected of the next call: this event of the chunk.
    function _expectOutcomes(Bundle memory b, uint256 chunk, I.Outcome[] memory outcomes) internal {
        uint256 packed;
        for (uint256 i; i < outcomes.length; ++i) {
            packed |= uint256(outcomes[i]) << (4 * i);
        }
        vm.expectEmit(address(rollup));
        emit I.ChunkSettled(b.header.batchId, chunk, packed);
    }
}
