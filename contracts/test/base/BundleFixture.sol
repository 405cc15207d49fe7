// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Chunks} from "../../src/Chunks.sol";
import {Rollup} from "./Rollup.sol";
import {IInferenceRollup as I} from "../../src/interfaces/IInferenceRollup.sol";
import {TestBase} from "./TestBase.sol";

/// @dev Everything that a batch needs on its way: signed orders, packed slots, a statement, invoices, openings.
abstract contract BundleFixture is TestBase {
    address internal constant PROVER = address(0x9807);

    Rollup internal rollup;
    uint64 internal nextNonce;
    mapping(address account => uint256) internal keyOf;

    struct Bundle {
        // What is asked for.
        uint32 batchSlots;
        bytes32 nullInput;
        uint128 price;
        I.BatchHeader header;
        I.Order[] orders;
        address[] workers; // of every chunk
        uint8[] executors; // of each task, an index into `workers`
        uint256[] labels; // of each task: a class and 1, or zero
        bytes32[] salts; // of each task
        I.Order[][] wholes; // orders that are signed together
        uint8[] wholeOf; // of each task: an index into `wholes` and 1, or zero
        // What is made of it.
        bytes32[] slotHashes;
        bytes32[] leaves;
        I.BatchProof proof;
        I.Chunk[] chunks;
    }

    function _actor(uint256 key) internal returns (address account) {
        account = vm.addr(key);
        keyOf[account] = key;
    }

    function _order(address account, bytes32 modelId) internal returns (I.Order memory) {
        uint64 nonce = nextNonce++;
        return I.Order({
            user: account,
            modelId: modelId,
            inputHash: bytes32(uint256(keccak256(abi.encode("input", nonce))) >> 4),
            maxFee: type(uint96).max,
            deadline: uint64(block.timestamp + 1 hours),
            nonce: nonce,
            tag: keccak256(abi.encode("tag", nonce))
        });
    }

    function _sign(address account, bytes32 digest) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf[account], digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev As EIP-2098 has it.
    function _signCompact(address account, bytes32 digest) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf[account], digest);
        return abi.encodePacked(r, bytes32(uint256(s) | uint256(v - 27) << 255));
    }

    /// @dev Tags, slots, signatures, and the header's hash of the slots. Chunks without a task are left out.
    function _sealOrders(Bundle memory b) internal view {
        uint256 count = b.orders.length;
        uint256 chunks = Chunks.count(b.batchSlots);
        b.slotHashes = new bytes32[](chunks + 1);
        uint256 used = count == 0 ? 0 : (count - 1) / Chunks.SLOTS + 1;
        b.chunks = new I.Chunk[](used < chunks ? used : chunks);
        for (uint256 c; c < b.chunks.length; ++c) {
            (uint256 from, uint256 to) = Chunks.slots(b.batchSlots, c);
            I.Chunk memory chunk = b.chunks[c];
            (chunk.index, chunk.workers) = (c, b.workers);
            (chunk.orders, chunk.executors, chunk.signatures) = ("", "", "");
            chunk.salts = new bytes32[](0);
            to = to < count ? to : count;
            for (uint256 i = from; i < to; ++i) {
                _addTask(b, chunk, i);
            }
            for (uint256 i = from; i < to;) {
                i += _addSigned(b, chunk, i, to);
            }
            b.slotHashes[c] = _slotsHash(chunk);
        }
        b.slotHashes[chunks] = _inputsHash(b);
        b.header.slotsHash = keccak256(abi.encodePacked(b.slotHashes));
    }

    function _inputsHash(Bundle memory b) internal pure returns (bytes32) {
        bytes32[] memory inputs = new bytes32[](b.orders.length);
        for (uint256 i; i < inputs.length; ++i) {
            inputs[i] = b.orders[i].inputHash;
        }
        return keccak256(abi.encodePacked(inputs));
    }

    function _addTask(Bundle memory b, I.Chunk memory chunk, uint256 i) private pure {
        I.Order memory o = b.orders[i];
        if (b.labels[i] != 0) {
            o.tag = keccak256(abi.encode(b.labels[i] - 1, b.salts[i]));
            chunk.salts = _append(chunk.salts, b.salts[i]);
        }
        chunk.executors = abi.encodePacked(chunk.executors, b.executors[i]);
    }

    function _slotsHash(I.Chunk memory chunk) internal pure returns (bytes32) {
        (uint8 orders, uint8 tasks) = (uint8(chunk.orders.length / 93), uint8(chunk.executors.length));
        return keccak256(abi.encodePacked(orders, tasks, chunk.orders, chunk.executors, chunk.workers));
    }

    /// @dev Adds the entry of task `i`, and of those behind it that were signed with it. Returns their number.
    function _addSigned(Bundle memory b, I.Chunk memory chunk, uint256 i, uint256 to)
        private
        view
        returns (uint256 count)
    {
        I.Order memory o = b.orders[i];
        uint256 whole = b.wholeOf.length == 0 ? 0 : b.wholeOf[i];
        if (whole == 0) {
            chunk.orders = abi.encodePacked(
                chunk.orders, o.user, uint8(1), uint64(1), o.maxFee, o.deadline, o.nonce, o.tag
            );
            bytes memory signature = _signCompact(o.user, rollup.orderDigest(o));
            chunk.signatures = abi.encodePacked(chunk.signatures, signature);
            return 1;
        }
        I.Order[] memory all = b.wholes[whole - 1];
        uint64 members;
        uint64 labelled;
        while (i + count < to && b.wholeOf[i + count] == whole) {
            uint64 bit = uint64(1) << (b.orders[i + count].nonce - all[0].nonce);
            members |= bit;
            if (b.labels[i + count] != 0) labelled |= bit;
            ++count;
        }
        _sign(chunk, all, members, labelled);
    }

    function _sign(I.Chunk memory chunk, I.Order[] memory all, uint64 members, uint64 labelled) private view {
        I.Bundle memory whole = _whole(all);
        chunk.orders = bytes.concat(
            chunk.orders,
            abi.encodePacked(whole.user, whole.size, members, whole.maxFee),
            abi.encodePacked(whole.deadline, whole.nonce, whole.tags)
        );
        bytes memory signature = _signCompact(whole.user, rollup.bundleDigest(whole));
        chunk.signatures = abi.encodePacked(chunk.signatures, signature);
        (bytes32[] memory inputs, bytes32[] memory tags) = _leaves(all);
        chunk.siblings = _concat(chunk.siblings, _siblings(inputs, members));
        if (labelled != 0) chunk.tagSiblings = _concat(chunk.tagSiblings, _siblings(tags, labelled));
    }

    /// @dev Signs the batch's orders together, so many at a time.
    function _join(Bundle memory b, uint256 size) internal pure {
        uint256 count = b.orders.length;
        b.wholes = new I.Order[][]((count + size - 1) / size);
        b.wholeOf = new uint8[](count);
        for (uint256 w; w < b.wholes.length; ++w) {
            uint256 rest = count - w * size;
            b.wholes[w] = new I.Order[](rest < size ? rest : size);
            for (uint256 i; i < b.wholes[w].length; ++i) {
                b.wholes[w][i] = b.orders[w * size + i];
                b.wholeOf[w * size + i] = uint8(w + 1);
            }
        }
    }

    function _leaves(I.Order[] memory all)
        internal
        pure
        returns (bytes32[] memory inputs, bytes32[] memory tags)
    {
        (inputs, tags) = (new bytes32[](all.length), new bytes32[](all.length));
        for (uint256 i; i < all.length; ++i) {
            (inputs[i], tags[i]) = (all[i].inputHash, all[i].tag);
        }
    }

    function _whole(I.Order[] memory all) internal pure returns (I.Bundle memory) {
        I.Order memory o = all[0];
        (bytes32[] memory inputs, bytes32[] memory tags) = _leaves(all);
        return I.Bundle({
            user: o.user,
            modelId: o.modelId,
            inputs: _tree(inputs),
            maxFee: o.maxFee,
            deadline: o.deadline,
            nonce: o.nonce,
            tags: _tree(tags),
            size: uint8(all.length)
        });
    }

    /// @dev The level above.
    function _above(bytes32[] memory level) private pure returns (bytes32[] memory above) {
        above = new bytes32[]((level.length + 1) / 2);
        for (uint256 i; i < above.length; ++i) {
            bool isPair = 2 * i + 1 < level.length;
            above[i] = isPair ? keccak256(abi.encode(level[2 * i], level[2 * i + 1])) : level[2 * i];
        }
    }

    function _tree(bytes32[] memory level) internal pure returns (bytes32) {
        while (level.length > 1) {
            level = _above(level);
        }
        return level[0];
    }

    function _siblings(bytes32[] memory level, uint256 mask) internal pure returns (bytes32[] memory found) {
        while (level.length > 1) {
            uint256 next;
            for (uint256 i; i < level.length; ++i) {
                if (mask >> i & 1 == 0) continue;
                next |= 1 << (i / 2);
                if (mask >> (i ^ 1) & 1 == 0 && (i ^ 1) < level.length) found = _append(found, level[i ^ 1]);
            }
            (level, mask) = (_above(level), next);
        }
    }

    function _concat(bytes32[] memory list, bytes32[] memory more) internal pure returns (bytes32[] memory) {
        for (uint256 i; i < more.length; ++i) {
            list = _append(list, more[i]);
        }
        return list;
    }

    function _append(bytes32[] memory list, bytes32 last) internal pure returns (bytes32[] memory all) {
        all = new bytes32[](list.length + 1);
        for (uint256 i; i < list.length; ++i) {
            all[i] = list[i];
        }
        all[list.length] = last;
    }

    /// @dev The public inputs of the sealed orders.
    function _sealStatement(Bundle memory b) internal view {
        uint256 count = b.orders.length;
        uint256 outputs = _outputsAt(b.batchSlots);
        uint256[] memory x = new uint256[](outputs + b.batchSlots);
        (x[0], x[2]) = (rollup.STATEMENT_VERSION(), count);
        if (b.proof.prover == address(0)) b.proof.prover = PROVER;
        for (uint256 i; i < b.batchSlots; ++i) {
            x[3 + i] = uint256(i < count ? b.orders[i].inputHash : b.nullInput);
            x[outputs + i] = uint256(keccak256(abi.encode("output", x[3 + i]))) >> 4;
            if (i < count && b.labels[i] != 0) {
                x[3 + b.batchSlots + i / 15] |= b.labels[i] << (16 * (i % 15));
                ++x[outputs - 3];
            }
        }
        (x[outputs - 2], x[outputs - 1]) = (x[outputs - 3], 255 * x[outputs - 3]);
        b.proof.instances = x;
        _bind(b);
    }

    /// @dev Binds the public inputs to header and prover.
    function _bind(Bundle memory b) internal pure {
        bytes32 headerHash = keccak256(abi.encode(b.header));
        b.proof.instances[1] = uint256(keccak256(abi.encode(headerHash, b.proof.prover))) & ((1 << 253) - 1);
    }

    /// @dev Every worker's invoice for every chunk.
    function _sealInvoices(Bundle memory b) internal view {
        for (uint256 c; c < b.chunks.length; ++c) {
            b.chunks[c].invoices = new bytes(64 * b.workers.length);
            for (uint256 w; w < b.workers.length; ++w) {
                bytes memory signature = _signCompact(b.workers[w], rollup.invoiceDigest(_invoice(b, c, w)));
                _putInvoice(b.chunks[c], w, signature);
            }
        }
    }

    /// @dev Puts a worker's signature where it belongs; zeros for nothing.
    function _putInvoice(I.Chunk memory chunk, uint256 w, bytes memory signature) internal pure {
        for (uint256 i; i < 64; ++i) {
            chunk.invoices[64 * w + i] = i < signature.length ? signature[i] : bytes1(0);
        }
    }

    function _invoiceOf(I.Chunk memory chunk, uint256 w) internal pure returns (bytes memory signature) {
        signature = new bytes(64);
        for (uint256 i; i < 64; ++i) {
            signature[i] = chunk.invoices[64 * w + i];
        }
    }

    function _invoice(Bundle memory b, uint256 chunk, uint256 w) internal pure returns (I.Invoice memory v) {
        (v.batchHash, v.chunk) = (keccak256(abi.encode(b.header)), chunk);
        (uint256 from, uint256 to) = Chunks.slots(b.batchSlots, chunk);
        bytes memory outputs;
        for (uint256 i = from; i < to && i < b.orders.length; ++i) {
            if (b.executors[i] == w) outputs = abi.encodePacked(outputs, _output(b, i));
        }
        v.outputs = keccak256(outputs);
    }

    /// @dev Index of the first output commitment, as the statement has it.
    function _outputsAt(uint256 batchSlots) internal pure returns (uint256) {
        return 6 + batchSlots + (batchSlots + 14) / 15;
    }

    /// @dev The proven output of task `i`.
    function _output(Bundle memory b, uint256 i) internal pure returns (uint256) {
        return b.proof.instances[_outputsAt(b.batchSlots) + i];
    }

    /// @dev Where the chunk stands in its batch.
    function _opening(Bundle memory b, uint256 chunk) internal pure returns (I.Opening memory o) {
        (o.prover, o.slotHashes) = (b.proof.prover, b.slotHashes);
        o.leaves = new bytes32[](Chunks.count(b.batchSlots));
        for (uint256 i; i < o.leaves.length; ++i) {
            o.leaves[i] = keccak256(abi.encodePacked(_statement(b, i)));
        }
        o.statement = _statement(b, chunk);
    }

    /// @dev Where several chunks stand in their batch.
    function _openingOf(Bundle memory b, uint256 from, uint256 to)
        internal
        pure
        returns (I.Opening memory o)
    {
        o = _opening(b, from);
        for (uint256 i = from + 1; i < to; ++i) {
            o.statement = abi.decode(
                abi.encodePacked(
                    uint256(0x20), o.statement.length + _statement(b, i).length, o.statement, _statement(b, i)
                ),
                (uint256[])
            );
        }
    }

    function _some(Bundle memory b, uint256 from, uint256 to)
        internal
        pure
        returns (I.Chunk[] memory chunks)
    {
        chunks = new I.Chunk[](to - from);
        for (uint256 i; i < chunks.length; ++i) {
            chunks[i] = b.chunks[from + i];
        }
    }

    function _only(I.Chunk memory chunk) internal pure returns (I.Chunk[] memory chunks) {
        chunks = new I.Chunk[](1);
        chunks[0] = chunk;
    }

    function _statement(Bundle memory b, uint256 chunk) internal pure returns (uint256[] memory x) {
        (uint256 from, uint256 to) = Chunks.slots(b.batchSlots, chunk);
        (uint256 word, uint256 end) = Chunks.words(b.batchSlots, chunk);
        (uint256 size, uint256 words) = (to - from, end - word);
        x = new uint256[](2 * size + words);
        for (uint256 i; i < size; ++i) {
            (x[i], x[size + words + i]) = (b.proof.instances[3 + from + i], _output(b, from + i));
        }
        for (uint256 i; i < words; ++i) {
            x[size + i] = b.proof.instances[3 + b.batchSlots + word + i];
        }
    }

    /// @dev The receipt for task `i`, honest if `output` is the proven one.
    function _receipt(Bundle memory b, uint256 i, uint256 output) internal pure returns (I.Receipt memory) {
        I.Order memory o = b.orders[i];
        return I.Receipt(keccak256(abi.encode(o)), o.modelId, o.inputHash, bytes32(output), 1, 2);
    }
}
