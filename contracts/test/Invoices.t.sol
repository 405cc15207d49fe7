// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev What a worker's signature pays, and what it does not.
contract InvoicesTest is RollupFixture {
    function setUp() external {
        _deploySystem();
        _fund();
    }

    /// @dev The digest of what EIP-712 says, by hand.
    function _digest(bytes32 structHash) private view returns (uint256) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("deepnode"),
                keccak256("1"),
                block.chainid,
                address(rollup)
            )
        );
        return uint256(keccak256(abi.encodePacked(hex"1901", domain, structHash)));
    }

    function testDigestsAreEip712() external {
        I.Order memory o = _order(user, MODEL);
        bytes32 kind = keccak256(
            "Order(address user,bytes32 modelId,bytes32 inputHash,uint128 maxFee,uint64 deadline,uint64 nonce,bytes32 tag)"
        );
        bytes32 hash =
            keccak256(abi.encode(kind, o.user, o.modelId, o.inputHash, o.maxFee, o.deadline, o.nonce, o.tag));
        eq(uint256(rollup.orderDigest(o)), _digest(hash), "order");
        I.Invoice memory v = I.Invoice(keccak256("batch"), 3, keccak256("outputs"));
        kind = keccak256("Invoice(bytes32 batchHash,uint256 chunk,bytes32 outputs)");
        hash = keccak256(abi.encode(kind, v.batchHash, v.chunk, v.outputs));
        eq(uint256(rollup.invoiceDigest(v)), _digest(hash), "invoice");
        I.Receipt memory r = I.Receipt("task", "model", "input", "output", 8, 9);
        kind = keccak256(
            "Receipt(bytes32 taskId,bytes32 modelId,bytes32 inputHash,bytes32 outputHash,uint64 startedAtMs,uint64 finishedAtMs)"
        );
        hash = keccak256(
            abi.encode(kind, r.taskId, r.modelId, r.inputHash, r.outputHash, r.startedAtMs, r.finishedAtMs)
        );
        eq(uint256(rollup.receiptDigest(r)), _digest(hash), "receipt");
    }

    /// @dev Chunk 0 of 130 slots, two workers: with `signature` for the second one's invoice nothing is paid to it.
    function _isUnsigned(Bundle memory b, bytes memory signature) private {
        _putInvoice(b.chunks[0], 1, signature);
        _commit(b);
        _proveOnly(b);
        _settle(b, 0);
        eq(rollup.balanceOf(worker), 30 * WORKER_PAID, "worker");
        eq(rollup.balanceOf(otherWorker), 0, "the other one");
        eq(rollup.balanceOf(otherUser), 1000 ether - 30 * (uint256(PRICE) - WORKER_SHARE), "its users");
    }

    function _with(Bundle memory b, I.Invoice memory v, address signer) private {
        _isUnsigned(b, _signCompact(signer, rollup.invoiceDigest(v)));
    }

    function testNotOfAnotherBatch() external {
        Bundle memory b = _mixed(130, 130);
        I.Invoice memory v = _invoice(b, 0, 1);
        v.batchHash ^= bytes32(uint256(1));
        _with(b, v, otherWorker);
    }

    function testNotOfAnotherChunk() external {
        Bundle memory b = _mixed(130, 130);
        _with(b, _invoice(b, 1, 1), otherWorker);
    }

    function testNotUnderAnotherChunksNumber() external {
        Bundle memory b = _mixed(130, 130);
        I.Invoice memory v = _invoice(b, 0, 1);
        v.chunk = 1;
        _with(b, v, otherWorker);
    }

    function testNotWithAnotherWorkersOutputs() external {
        Bundle memory b = _mixed(130, 130);
        _with(b, _invoice(b, 0, 0), otherWorker);
    }

    function testNotByAnotherWorker() external {
        Bundle memory b = _mixed(130, 130);
        _with(b, _invoice(b, 0, 1), worker);
    }

    function testNotWithAFalseOutput() external {
        Bundle memory b = _mixed(130, 130);
        I.Invoice memory v = _invoice(b, 0, 1);
        bytes memory outputs;
        for (uint256 i = 1; i < 60; i += 2) {
            outputs = abi.encodePacked(outputs, i == 59 ? 7 : _output(b, i));
        }
        v.outputs = keccak256(outputs);
        _with(b, v, otherWorker);
    }

    function testNotWithABrokenSignature() external {
        Bundle memory b = _mixed(130, 130);
        bytes memory signature = _invoiceOf(b.chunks[0], 1);
        signature[63] ^= 0x01;
        _isUnsigned(b, signature);
    }

    function testNotWithTheOtherParity() external {
        Bundle memory b = _mixed(130, 130);
        bytes memory signature = _invoiceOf(b.chunks[0], 1);
        signature[32] ^= 0x80;
        _isUnsigned(b, signature);
    }

    function testNotOfAWorkerWithoutAStake() external {
        vm.prank(otherWorker);
        staking.unbond(IStaking.Role.Worker, MINIMUM_STAKE);
        Bundle memory b = _mixed(130, 130);
        _isUnsigned(b, _invoiceOf(b.chunks[0], 1));
    }

    function testNotForNobody() external {
        Bundle memory b = _draft(2, SLOTS);
        b.workers = new address[](2);
        (b.workers[0], b.executors[1]) = (worker, 1);
        keyOf[address(0)] = 0xB2;
        _seal(b);
        _all(b);
        eq(rollup.balanceOf(address(0)), 0, "nobody");
        eq(rollup.balanceOf(worker), WORKER_PAID, "worker");
    }

    function testAnInvoiceForNoTaskPaysNothing() external {
        Bundle memory b = _draft(2, SLOTS);
        b.workers = new address[](2);
        (b.workers[0], b.workers[1]) = (worker, otherWorker);
        _seal(b);
        _all(b);
        eq(rollup.balanceOf(otherWorker), 0, "nothing done");
        eq(rollup.balanceOf(worker), 2 * WORKER_PAID, "worker");
    }

    function testRejectsMoreAndFewerInvoicesThanWorkers() external {
        Bundle memory b = _mixed(2, SLOTS);
        _commit(b);
        for (uint256 n = 1; n < 4; n += 2) {
            b.chunks[0].invoices = new bytes(64 * n);
            _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, 128, 64 * n));
        }
    }

    function testRejectsASlotOfAnUnlistedWorker() external {
        Bundle memory b = _mixed(2, SLOTS);
        b.executors[1] = 2;
        _seal(b);
        _commit(b);
        _proveReverts(b, abi.encodeWithSelector(I.NoSuchWorker.selector, 2));
    }

    function testRejectsMoreThan64Workers() external {
        Bundle memory b = _draft(2, SLOTS);
        b.workers = new address[](65);
        for (uint256 i; i < 65; ++i) {
            b.workers[i] = worker;
        }
        _seal(b);
        _commit(b);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, 64, 65));
    }
}
