// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Powr} from "../../src/Powr.sol";
import {IEpochs} from "../../src/interfaces/IEpochs.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {RollupFixture} from "./RollupFixture.sol";

/// @dev The economy without a rollup: the test contract records work in its place.
abstract contract EpochsFixture is RollupFixture {
    uint256 internal constant VALIDATOR_KEY = 0xC1;
    bytes32 internal constant SALT = keccak256("salt");

    /// @notice As the rollup has it.
    uint64 public constant nextBatchId = 1;

    /// @dev What `passOn` sends.
    uint256 internal putAside;

    function _setUpEpochs() internal {
        vm.warp(1_800_000_000);
        _deployEconomy(address(this), address(this));
    }

    /// @notice As the rollup has it.
    function passOn() external returns (uint256, uint256 pooled) {
        if (msg.sender != address(epochs)) return (0, 0);
        (pooled, putAside) = (putAside, 0);
        token.transfer(address(epochs), pooled);
        return (0, pooled);
    }

    function _validator(uint256 i) internal pure returns (address) {
        return vm.addr(VALIDATOR_KEY + i);
    }

    function _addValidator(uint256 i, uint256 stake) internal {
        _stake(IStaking.Role.Validator, _validator(i), stake);
        vm.prank(_validator(i));
        validators.register(address(0));
    }

    function _addWorker(address account, uint256 stake) internal {
        _stake(IStaking.Role.Worker, account, stake);
        epochs.seat(account, epochs.seatCount());
    }

    function _record(address account, uint32 items, uint256 feesWei) internal {
        IEpochs.Share[] memory shares = new IEpochs.Share[](1);
        shares[0] = IEpochs.Share(account, items, uint128(feesWei));
        epochs.recordWork(MODEL, 1000, shares);
    }

    /// @dev Goes on to the start of a quarter of the running epoch.
    function _quarter(uint256 n) internal {
        vm.warp(epochs.startedAt() + n * EPOCH / 4);
    }

    function _advance() internal {
        if (block.timestamp < epochs.startedAt() + EPOCH) _quarter(4);
        vm.roll(block.number + 3);
        epochs.advance();
    }

    /// @dev The same entry for every seat.
    function _table(uint32 completion, uint32 uptime, uint32 speed)
        internal
        view
        returns (bytes memory table)
    {
        for (uint256 i; i < epochs.tableSeats(); ++i) {
            table = abi.encodePacked(table, completion, uptime, speed);
        }
    }

    function _pageHashes(bytes memory table) internal view returns (bytes32[] memory hashes) {
        uint256 size = epochs.PAGE() * epochs.ENTRY();
        hashes = new bytes32[]((table.length + size - 1) / size);
        for (uint256 i; i < hashes.length; ++i) {
            hashes[i] = keccak256(_page(table, i));
        }
    }

    function _page(bytes memory table, uint256 page) internal view returns (bytes memory part) {
        uint256 size = epochs.PAGE() * epochs.ENTRY();
        uint256 start = page * size;
        uint256 end = start + size < table.length ? start + size : table.length;
        part = new bytes(end > start ? end - start : 0);
        for (uint256 i; i < part.length; ++i) {
            part[i] = table[start + i];
        }
    }

    function _commitment(uint256 i, bytes memory table, bytes32 salt) internal view returns (bytes32) {
        bytes32 hash = keccak256(abi.encodePacked(_pageHashes(table)));
        address v = _validator(i);
        return keccak256(abi.encode(v, validators.registeredIn(v), epochs.current() - 1, hash, salt));
    }

    function _signed(uint256 i, uint32 epoch, bytes32 commitment) internal view returns (bytes memory) {
        return _sign(VALIDATOR_KEY + i, epochs.metricsDigest(epoch, commitment));
    }

    function _commitTable(uint256 i, bytes memory table) internal {
        bytes32 commitment = _commitment(i, table, SALT);
        epochs.commitMetrics(_validator(i), commitment, _signed(i, epochs.current() - 1, commitment));
    }

    function _reveal(uint256 i, bytes memory table) internal {
        vm.prank(_validator(i));
        epochs.revealMetrics(table, SALT);
    }

    function _report(bytes memory table, uint256 page) internal view returns (IEpochs.Page memory) {
        return IEpochs.Page(_pageHashes(table), _page(table, page));
    }

    /// @dev Ends the running epoch and closes it with these reports of validators 0, 1, ...
    function _closeWith(bytes[] memory tables) internal {
        for (uint256 i; i < tables.length; ++i) {
            _commitTable(i, tables[i]);
        }
        _quarter(1);
        for (uint256 i; i < tables.length; ++i) {
            _reveal(i, tables[i]);
        }
        _quarter(2);
        uint32 before = epochs.closed();
        IEpochs.Page[] memory reports = new IEpochs.Page[](tables.length);
        for (uint256 page; epochs.closed() == before; ++page) {
            for (uint256 i; i < tables.length; ++i) {
                reports[i] = _report(tables[i], page);
            }
            epochs.close(page, reports);
        }
    }

    /// @dev Ends the running epoch and closes it with nothing attested.
    function _nextEpoch() internal {
        _advance();
        _closeWith(new bytes[](0));
    }
}
