// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {FIELD_ORDER} from "../src/Field.sol";
import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev Statements that become the chain's, and every one that must not.
contract ProveTest is RollupFixture {
    function setUp() external {
        _deploySystem();
        _fund();
    }

    function _open(uint256 count) private returns (Bundle memory b) {
        b = _bundle(count);
        _commit(b);
    }

    function _instanceReverts(Bundle memory b, uint256 index, uint256 value) private {
        uint256 expected = b.proof.instances[index];
        b.proof.instances[index] = value;
        _reprove(b);
        _proveReverts(b, abi.encodeWithSelector(I.WrongInstance.selector, index, expected, value));
        b.proof.instances[index] = expected;
    }

    function testProves() external {
        Bundle memory b = _draft(3, SLOTS);
        (b.labels[1], b.labels[2]) = (8, 1);
        _seal(b);
        _commit(b);
        vm.expectEmit(address(rollup));
        emit I.BatchProven(0, MODEL, PROVER, 3, 2, 2, 510);
        _proveOnly(b);
        require(rollup.batch(0).status == I.BatchStatus.Proven, "status");
        eq(rollup.batch(0).settled, 0, "no chunk");
        require(rollup.isProven(0, 0, _opening(b, 0)), "proven");
        eq(rollup.balanceOf(user), 1000 ether, "nothing charged yet");
    }

    function testAnybodyProves() external {
        Bundle memory b = _open(2);
        vm.prank(STRANGER);
        rollup.proveBatch(b.header, b.proof, b.slotHashes, b.chunks);
        eq(rollup.batch(0).settled, 1, "settled");
    }

    function testProvenMeansThisStatementOfThisChunk() external {
        Bundle memory b = _bundle(130, 130);
        require(!rollup.isProven(0, 0, _opening(b, 0)), "no batch");
        _commit(b);
        require(!rollup.isProven(0, 0, _opening(b, 0)), "committed");
        _proveOnly(b);
        for (uint256 c; c < 3; ++c) {
            I.Opening memory o = _opening(b, c);
            require(rollup.isProven(0, c, o), "each chunk");
            require(!rollup.isProven(0, (c + 1) % 3, o), "another chunk");
            require(!rollup.isProven(0, 3, o), "no chunk");
            require(!rollup.isProven(1, c, o), "another batch");
            o.statement[0] ^= 1;
            require(!rollup.isProven(0, c, o), "another input");
            o.leaves[c] = keccak256(abi.encodePacked(o.statement));
            require(!rollup.isProven(0, c, o), "another leaf");
            o = _opening(b, c);
            o.statement[o.statement.length - 1] ^= 1;
            require(!rollup.isProven(0, c, o), "another output");
            o = _opening(b, c);
            o.prover = STRANGER;
            require(!rollup.isProven(0, c, o), "another prover");
        }
        I.Opening memory more = _opening(b, 0);
        more.leaves = _append(more.leaves, more.leaves[0]);
        require(!rollup.isProven(0, 3, more), "one leaf more");
    }

    /// @dev What is settled stands in the same word as the statement.
    function testProvenStaysProvenWhileChunksSettle() external {
        Bundle memory b = _bundle(130, 130);
        _commit(b);
        _proveOnly(b);
        for (uint256 c; c < 3; ++c) {
            _settle(b, c);
            require(rollup.isProven(0, c, _opening(b, c)), "still");
        }
    }

    function testRejectsProvingTwice() external {
        Bundle memory b = _open(1);
        _prove(b);
        _proveReverts(b, abi.encodeWithSelector(I.BatchNotOpen.selector, 0, I.BatchStatus.Proven));
    }

    function testRejectsAnUncommittedBatch() external {
        Bundle memory b = _bundle(1);
        bytes32 hash = keccak256(abi.encode(b.header));
        _proveReverts(b, abi.encodeWithSelector(I.WrongHeader.selector, 0, bytes32(0), hash));
    }

    function testFuzzRejectsEveryOtherHeader(uint256 field, uint64 value) external {
        Bundle memory b = _open(1);
        bytes32 committed = keccak256(abi.encode(b.header));
        field = bound(field, 0, 5);
        if (field == 0) b.header.chainId ^= uint256(value) + 1;
        if (field == 1) b.header.rollup = address(uint160(value));
        if (field == 2) b.header.modelId ^= bytes32(uint256(value) + 1);
        if (field == 3) b.header.slotsHash ^= bytes32(uint256(value) + 1);
        if (field == 4 && value != b.header.openedAt) b.header.openedAt = value;
        if (field == 5 && value != b.header.deadline) b.header.deadline = value;
        bytes32 got = keccak256(abi.encode(b.header));
        if (got == committed) return;
        if (field == 2) vm.expectRevert(); // its model is asked for first
        else vm.expectRevert(abi.encodeWithSelector(I.WrongHeader.selector, 0, committed, got));
        rollup.proveBatch(b.header, b.proof, b.slotHashes, b.chunks);
    }

    /// @dev The proof is valid here: the contract's own checks must stop every input that it is able to check.
    function testRejectsEveryWrongPublicInputThatItKnows() external {
        Bundle memory b = _open(2);
        _instanceReverts(b, 0, b.proof.instances[0] + 1);
        _instanceReverts(b, 1, b.proof.instances[1] ^ 1);
        _instanceReverts(b, 1, b.proof.instances[1] | 1 << 253);
        _instanceReverts(b, 5, uint256(NULL_INPUT) + 1);
        _instanceReverts(b, 6, 0);
    }

    function testRejectsCountsOutOfRange() external {
        Bundle memory b = _open(2);
        uint256[3] memory counts = [uint256(0), SLOTS + 1, type(uint256).max];
        for (uint256 i; i < counts.length; ++i) {
            b.proof.instances[2] = counts[i];
            _reprove(b);
            _proveReverts(b, abi.encodeWithSelector(I.TaskCountOutOfRange.selector, counts[i], SLOTS));
        }
    }

    function testRejectsWrongLengths() external {
        Bundle memory b = _open(2);
        uint256 length = b.proof.instances.length;
        for (uint256 other = length - 1; other <= length + 1; other += 2) {
            b.proof.instances = new uint256[](other);
            _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, length, other));
        }
    }

    function testFuzzRejectsAnyChangedInstance(uint256 index, uint256 value) external {
        Bundle memory b = _open(2);
        index = bound(index, 0, b.proof.instances.length - 1);
        value = bound(value, 0, FIELD_ORDER - 1);
        if (b.proof.instances[index] == value) return;
        b.proof.instances[index] = value;
        vm.expectRevert();
        _prove(b);
    }

    function testRejectsAnInvalidProof() external {
        Bundle memory b = _open(1);
        b.proof.proof = hex"00";
        _proveReverts(b, abi.encodeWithSelector(I.InvalidProof.selector, 0));
    }

    function testRejectsAProofOfAnotherProver() external {
        Bundle memory b = _open(1);
        (uint256 got, address thief) = (b.proof.instances[1], STRANGER);
        b.proof.prover = thief;
        _bind(b);
        uint256 expected = b.proof.instances[1];
        b.proof.instances[1] = got;
        _proveReverts(b, abi.encodeWithSelector(I.WrongInstance.selector, 1, expected, got));
        // With the input that names the thief there is no proof.
        b.proof.instances[1] = expected;
        _proveReverts(b, abi.encodeWithSelector(I.InvalidProof.selector, 0));
    }

    function testRejectsAProofOfAnotherBatch() external {
        Bundle memory a = _open(1);
        Bundle memory b = _open(1);
        uint256 got = a.proof.instances[1];
        uint256 expected = b.proof.instances[1];
        require(got != expected, "bound");
        b.proof = a.proof;
        _proveReverts(b, abi.encodeWithSelector(I.WrongInstance.selector, 1, expected, got));
    }

    function testRejectsAProofAfterTheDeadline() external {
        Bundle memory b = _open(1);
        vm.warp(b.header.deadline + 1);
        _proveReverts(b, abi.encodeWithSelector(I.BatchDeadlinePassed.selector, 0, b.header.deadline));
        vm.warp(b.header.deadline);
        _prove(b);
    }

    function testRejectsAReplacedVerifyingKey() external {
        Bundle memory b = _open(1);
        vm.etch(VK, hex"00445566");
        _proveReverts(b, abi.encodeWithSelector(I.VerifyingKeyChanged.selector, MODEL));
    }

    function testACommittedBatchIsProvenAfterTheModelStops() external {
        Bundle memory b = _open(1);
        vm.prank(DEVELOPER);
        registry.setActive(MODEL, false);
        _prove(b);
        eq(rollup.balanceOf(user), 1000 ether - PRICE, "charged");
    }
}
