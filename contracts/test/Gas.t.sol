// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev What batches cost all in; `forge test --match-contract GasTest -vv` prints it. The verification's gas is the figure
/// that was measured with real proofs. Accounts have balances and nonces from before, the four workers have worked before,
/// and every slot is cold when a transaction begins.
contract GasTest is RollupFixture {
    /// @dev Execution of a verification of 64 and of 1,024 listed tasks with merged openings, and the length of the proof
    /// (`docs/book/costs.md`).
    uint256 private constant VERIFYING_64 = 253_332;
    uint256 private constant VERIFYING_1024 = 576_149;
    uint256 private constant PROOF_BYTES = 4160;

    /// @dev Chunks of 1,024 tasks that are settled with the proof: so many that it stays below three million gas.
    uint256 private constant WITH_PROOF = 4;
    /// @dev Chunks that are settled in one transaction without a proof.
    uint256 private constant AT_ONCE = 7;

    address[] private users;
    address[] private workers;

    /// @dev Sums over transactions. `tokens` are calldata's bytes that are zero and four for each other one.
    /// @param gas At 4 gas a token, with the 21,000 of a transaction.
    /// @param floor40 At least 10 gas a token (EIP-7623).
    /// @param floor64 At least 16 (EIP-7976).
    struct Cost {
        uint256 execution;
        uint256 tokens;
        uint256 length;
        uint256 gas;
        uint256 floor40;
        uint256 floor64;
    }

    function setUp() external {
        _deploySystem();
        for (uint256 i; i < 64; ++i) {
            users.push(_actor(0x1000 + i));
            _deposit(users[i], 1000 ether);
        }
        for (uint256 i; i < 4; ++i) {
            workers.push(_actor(0x2000 + i));
            _stake(workers[i], MINIMUM_STAKE);
        }
        _all(_of(64, 64, 64, 0));
        _model(1024);
        verifier.prove(VK, new uint256[](1));
    }

    /// @dev `count` tasks of so many users, whose nonces begin with `nonce`; four workers in turn.
    function _of(uint256 count, uint32 slots, uint256 payers, uint64 nonce)
        private
        returns (Bundle memory b)
    {
        b = _draft(count, slots);
        b.workers = workers;
        uint256 each = count / payers;
        for (uint256 i; i < count; ++i) {
            // In the order in which a sequencer puts them.
            b.orders[i].user = users[i / each];
            b.orders[i].maxFee = PRICE;
            b.orders[i].deadline = b.header.deadline;
            b.orders[i].nonce = nonce + uint64(i % each);
            b.executors[i] = uint8(i % 4);
        }
        if (each > 1) _join(b, each < 64 ? each : 64);
        _seal(b);
    }

    function _add(Cost memory sum, bytes memory data) private {
        _cool();
        vm.prank(SEQUENCER);
        (bool ok,) = address(rollup).call(data);
        uint256 execution = vm.lastCallGas().total;
        require(ok, "succeeds");
        _count(sum, execution, _tokens(data), data.length);
    }

    /// @dev With a real verifier's gas and a real proof's bytes in the place of the fake ones'. A proof has hardly a zero.
    function _addProof(Cost memory sum, bytes memory data, uint256 fake, uint256 verifying) private {
        Cost memory with;
        _add(with, data);
        uint256 execution = with.execution - fake + verifying;
        _count(sum, execution, with.tokens + 4 * PROOF_BYTES, data.length + PROOF_BYTES);
    }

    function _tokens(bytes memory data) private pure returns (uint256 tokens) {
        for (uint256 i; i < data.length; ++i) {
            tokens += data[i] == 0 ? 1 : 4;
        }
    }

    function _count(Cost memory sum, uint256 execution, uint256 tokens, uint256 length) private pure {
        uint256 standard = execution + 4 * tokens;
        sum.execution += execution;
        sum.tokens += tokens;
        sum.length += length;
        sum.gas += 21_000 + standard;
        sum.floor40 += 21_000 + (standard > 10 * tokens ? standard : 10 * tokens);
        sum.floor64 += 21_000 + (standard > 16 * tokens ? standard : 16 * tokens);
    }

    function _cool() private {
        vm.cool(address(rollup));
        vm.cool(address(registry));
        vm.cool(address(staking));
        vm.cool(address(epochs));
        vm.cool(address(verifier));
    }

    /// @dev What the fake verifier takes.
    function _fake(Bundle memory b) private returns (uint256) {
        vm.cool(address(verifier));
        verifier.verify(VK, b.proof.proof, b.proof.instances);
        return vm.lastCallGas().total;
    }

    function _print(string memory what, Cost memory c, uint256 tasks) private view {
        log(string.concat(what, ": gas a task"), c.gas / tasks);
        log("  execution", c.execution / tasks);
        log("  calldata", 4 * c.tokens / tasks);
        log("  gas with a floor of 40", c.floor40 / tasks);
        log("  gas with a floor of 64", c.floor64 / tasks);
        log("  bytes", c.length / tasks);
    }

    function _inOne(string memory what, Bundle memory b) private returns (Cost memory c) {
        uint256 fake = _fake(b);
        _add(c, abi.encodeCall(rollup.commitBatch, (b.header)));
        log("commit", c.gas);
        bytes memory data = abi.encodeCall(rollup.proveBatch, (b.header, b.proof, b.slotHashes, b.chunks));
        _addProof(c, data, fake, VERIFYING_64);
        _print(what, c, b.orders.length);
    }

    function testGas64Strangers() external {
        Cost memory c = _inOne("64 strangers", _of(64, 64, 64, 1));
        require(c.gas <= 64 * 23_900, "gas");
    }

    function testGas8Users() external {
        Cost memory c = _inOne("8 users", _of(64, 64, 8, 8));
        require(c.gas <= 64 * 13_100, "gas");
    }

    function testGas1024InChunks() external {
        Bundle memory b = _of(1024, 1024, 8, 64);
        uint256 fake = _fake(b);
        Cost memory c;
        _add(c, abi.encodeCall(rollup.commitBatch, (b.header)));
        bytes memory data =
            abi.encodeCall(rollup.proveBatch, (b.header, b.proof, b.slotHashes, _some(b, 0, WITH_PROOF)));
        _addProof(c, data, fake, VERIFYING_1024);
        log("commit and prove, with chunks", c.gas);
        require(c.gas < 3_000_000, "the proof");
        log("  bytes", c.length);
        for (uint256 from = WITH_PROOF; from < b.chunks.length; from += AT_ONCE) {
            uint256 to = from + AT_ONCE < b.chunks.length ? from + AT_ONCE : b.chunks.length;
            Cost memory one;
            data =
                abi.encodeCall(rollup.settleChunks, (b.header, _some(b, from, to), _openingOf(b, from, to)));
            _add(one, data);
            log("chunks", one.gas);
            require(one.floor64 < 3_000_000 && one.length < 80_000, "chunks");
            _count(c, one.execution, one.tokens, one.length);
        }
        _print("1,024 of 8 users, all in", c, 1024);
        require(c.gas <= 1024 * 5_100, "gas");
    }
}
