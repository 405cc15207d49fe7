// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Chunks} from "../../src/Chunks.sol";
import {Poseidon} from "../../src/Poseidon.sol";
import {IProbes} from "../../src/interfaces/IProbes.sol";
import {EpochsFixture} from "./EpochsFixture.sol";

/// @dev A validator with a pool of sixteen probes for epoch 1, and a proven batch with their answers: the label of probe
/// `i` is `i % 4`, of four outputs that of the label leads by 100, but those of 3, 7, 11 and 15 are wrong.
abstract contract ProbesFixture is EpochsFixture {
    uint32 internal constant E = 1;
    uint256 internal constant POOL = 16;
    uint256 internal constant SALT_OF = 0x5a17;

    bytes32[] private _pool;

    /// @dev For `Poseidon`, which reads calldata.
    function commit(bytes calldata values, uint256 salt) external pure returns (uint256) {
        return Poseidon.output(Poseidon.load(), values, salt);
    }

    function _labelSalt(uint256 i) internal pure returns (bytes32) {
        return keccak256(abi.encode("label", i));
    }

    function _probed(uint256 i) internal pure returns (bytes memory output) {
        output = new bytes(4);
        for (uint256 k; k < 4; ++k) {
            output[k] = bytes1(uint8(int8(-20)));
        }
        output[i % 4 == 3 ? 0 : i % 4] = bytes1(uint8(int8(80)));
    }

    /// @dev A draft whose first orders ask the probes.
    function _asked(uint32 slots, uint256 count) internal returns (Bundle memory b) {
        b = _draft(count, slots);
        for (uint256 i; i < count; ++i) {
            b.orders[i].inputHash = bytes32(1000 + i % POOL);
        }
    }

    /// @dev Seals and commits it, with the probes' outputs, and proves it.
    function _answered(Bundle memory b) internal {
        bytes[] memory outputs = new bytes[](POOL);
        for (uint256 i; i < POOL; ++i) {
            outputs[i] = _probed(i);
        }
        _answeredWith(b, outputs);
    }

    /// @dev With these outputs of the probes.
    function _answeredWith(Bundle memory b, bytes[] memory outputs) internal {
        _seal(b);
        uint256 at = _outputsAt(b.batchSlots);
        for (uint256 i; i < b.orders.length; ++i) {
            b.proof.instances[at + i] = this.commit(outputs[i % POOL], SALT_OF);
        }
        _reprove(b);
        _sealInvoices(b);
        _commit(b);
        _proveOnly(b);
    }

    function _commitProbes(uint256 validator) internal {
        delete _pool;
        for (uint256 i; i < POOL; ++i) {
            bytes32 tag = keccak256(abi.encode(i % 4, _labelSalt(i)));
            _pool.push(keccak256(bytes.concat(keccak256(abi.encode(i, bytes32(1000 + i), tag)))));
        }
        bytes32[] memory level = _pool;
        while (level.length > 1) {
            level = _sortedAbove(level);
        }
        vm.prank(_validator(validator));
        validators.commitPool(level[0]);
    }

    function _sortedAbove(bytes32[] memory level) private pure returns (bytes32[] memory above) {
        above = new bytes32[](level.length / 2);
        for (uint256 i; i < above.length; ++i) {
            (bytes32 x, bytes32 y) = (level[2 * i], level[2 * i + 1]);
            above[i] = x < y ? keccak256(abi.encode(x, y)) : keccak256(abi.encode(y, x));
        }
    }

    function _path(uint256 i) internal view returns (bytes32[] memory path) {
        path = new bytes32[](4);
        bytes32[] memory level = _pool;
        for (uint256 k; k < 4; ++k) {
            path[k] = level[i ^ 1];
            (level, i) = (_sortedAbove(level), i / 2);
        }
    }

    function _drawEpoch() internal {
        vm.roll(validators.drawBlock() + 1);
        vm.setBlockhash(validators.drawBlock(), keccak256("block"));
        validators.draw();
    }

    function _answer(uint256 slot, uint256 i) internal view returns (IProbes.Answer memory) {
        return IProbes.Answer(slot, i, i % 4, _labelSalt(i), _probed(i), SALT_OF, _path(i));
    }

    /// @dev Probes `from` to `to` in a chunk of the batch.
    function _answers(Bundle memory b, uint256 chunk, uint256 from, uint256 to)
        internal
        view
        returns (IProbes.Answers memory a)
    {
        (a.header, a.chunk, a.opening) = (b.header, chunk, _opening(b, chunk));
        a.answers = new IProbes.Answer[](to - from);
        (uint256 first,) = Chunks.slots(b.batchSlots, chunk);
        for (uint256 i = from; i < to; ++i) {
            a.answers[i - from] = _answer(i - first, i % POOL);
        }
    }

    function _one(IProbes.Answers memory a) internal pure returns (IProbes.Answers[] memory all) {
        all = new IProbes.Answers[](1);
        all[0] = a;
    }
}
