// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IEpochs} from "../src/interfaces/IEpochs.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {EpochsFixture} from "./base/EpochsFixture.sol";

/// @dev Replays core/testdata/economy.json, which `core::economy` wrote: every sum, weight, pool and payout is equal.
contract EconomyTraceTest is EpochsFixture {
    uint256 private constant WORKERS = 6;
    uint256 private constant REPORTERS = 3;
    uint256 private constant RECORDS = 8;
    uint256 private constant STEP = 1e12;

    string private trace;
    uint256[] private said;
    uint256[] private stakes;

    function setUp() external {
        trace = vm.readFile("../core/testdata/economy.json");
        _setUpEpochs();
        uint16[3] memory weights = [1000, 2000, 2500];
        for (uint256 i; i < REPORTERS; ++i) {
            _addValidator(i, uint256(weights[i]) * 1 ether);
        }
        for (uint256 i; i < WORKERS; ++i) {
            _addWorker(_worker(i), 1000 ether);
        }
        said = _column(".attestValue");
        stakes = _column(".workerStake");
    }

    function _worker(uint256 i) private pure returns (address) {
        return address(uint160(0x1000 + i));
    }

    function _column(string memory key) private view returns (uint256[] memory values) {
        values = vm.parseJsonUintArray(trace, key);
        require(values.length != 0, key);
    }

    function testQualitiesAreThoseOfTheTrace() external {
        uint256[] memory model = _column(".probeModel");
        (uint256[] memory count, uint256[] memory correct) =
            (_column(".probeCount"), _column(".probeCorrect"));
        (uint256[] memory margin, uint256[] memory out) = (_column(".probeMargin"), _column(".probeQuality"));
        for (uint256 i; i < out.length; ++i) {
            epochs.recordQuality(bytes32(model[i]), uint32(count[i]), uint32(correct[i]), uint32(margin[i]));
            eq(epochs.qualityOf(bytes32(model[i])), out[i], "quality");
        }
    }

    function testEpochsAreThoseOfTheTrace() external {
        uint256 count = _column(".epochPool").length;
        uint256[] memory fund = _column(".epochFund");
        uint256[] memory burned = _column(".epochBurned");
        uint256[] memory late = _column(".epochLate");
        uint256[] memory liar = _column(".epochLiar");
        uint256[] memory speaks = _column(".epochSpeaks");
        Samples memory samples = _samples();
        Records memory records = _records();
        Expected memory expected = _expected();
        for (uint256 e; e < count; ++e) {
            for (uint256 i = 2 * e; i < 2 * e + 2; ++i) {
                _probe(samples, i);
            }
            for (uint256 i = RECORDS * e; i < RECORDS * (e + 1); ++i) {
                _recordOf(records, i);
            }
            if (liar[e] < WORKERS) epochs.recordFault(_worker(liar[e]));
            token.transfer(address(epochs), fund[e] * STEP);
            token.burn(burned[e] * STEP);
            _mockStakes(e);
            _advance();
            token.transfer(address(epochs), late[e] * STEP);
            _closeWith(_tables(e, speaks[e] == 1));
            _check(expected, e);
        }
    }

    struct Samples {
        uint256[] model;
        uint256[] count;
        uint256[] correct;
        uint256[] margin;
    }

    struct Records {
        uint256[] worker;
        uint256[] model;
        uint256[] units;
        uint256[] items;
        uint256[] fees;
    }

    struct Expected {
        uint256[] pool;
        uint256[] minted;
        uint256[] scores;
        uint256[] trust;
        uint256[] history;
        uint256[] claimable;
        uint256[] claimer;
        uint256[] amount;
    }

    function _samples() private view returns (Samples memory p) {
        (p.model, p.count) = (_column(".probeModel"), _column(".probeCount"));
        (p.correct, p.margin) = (_column(".probeCorrect"), _column(".probeMargin"));
    }

    function _records() private view returns (Records memory r) {
        (r.worker, r.model) = (_column(".recordWorker"), _column(".recordModel"));
        (r.units, r.items, r.fees) =
        (_column(".recordUnits"), _column(".recordItems"), _column(".recordFees"));
    }

    function _expected() private view returns (Expected memory x) {
        (x.pool, x.minted, x.scores) =
        (_column(".epochPool"), _column(".epochMinted"), _column(".epochScores"));
        (x.trust, x.history) = (_column(".workerTrust"), _column(".workerHistory"));
        x.claimable = _column(".workerClaimable");
        (x.claimer, x.amount) = (_column(".claimWorker"), _column(".claimAmount"));
    }

    function _probe(Samples memory p, uint256 i) private {
        epochs.recordQuality(
            bytes32(p.model[i]), uint32(p.count[i]), uint32(p.correct[i]), uint32(p.margin[i])
        );
    }

    function _recordOf(Records memory r, uint256 i) private {
        IEpochs.Share[] memory shares = new IEpochs.Share[](1);
        shares[0] = IEpochs.Share(_worker(r.worker[i]), uint32(r.items[i]), uint128(r.fees[i] * STEP));
        epochs.recordWork(bytes32(r.model[i]), uint64(r.units[i]), shares);
    }

    function _mockStakes(uint256 e) private {
        for (uint256 i; i < WORKERS; ++i) {
            vm.mockCall(
                address(staking),
                abi.encodeCall(staking.bondedOf, (IStaking.Role.Worker, _worker(i))),
                abi.encode(stakes[e * WORKERS + i] * STEP)
            );
        }
    }

    function _tables(uint256 e, bool speaks) private view returns (bytes[] memory tables) {
        if (!speaks) return tables;
        tables = new bytes[](REPORTERS);
        for (uint256 v; v < REPORTERS; ++v) {
            for (uint256 i; i < WORKERS; ++i) {
                uint256 at = ((e * WORKERS + i) * REPORTERS + v) * 3;
                tables[v] =
                    abi.encodePacked(tables[v], uint32(said[at]), uint32(said[at + 1]), uint32(said[at + 2]));
            }
        }
    }

    function _check(Expected memory x, uint256 e) private {
        (uint64 pool, uint64 minted, uint128 scores) = epochs.resultOf(uint32(e));
        eq(pool, x.pool[e], "pool");
        eq(minted, x.minted[e], "minted");
        eq(scores, x.scores[e], "scores");
        for (uint256 i; i < WORKERS; ++i) {
            uint256 at = e * WORKERS + i;
            eq(epochs.weightOf(_worker(i)), x.trust[at], "trust");
            eq(epochs.trustOf(_worker(i)).history, x.history[at], "history");
            eq(epochs.claimableWei(_worker(i)), x.claimable[at] * STEP, "claimable");
        }
        if (x.amount[e] == 0) return;
        vm.prank(_worker(x.claimer[e]));
        eq(epochs.claim(), x.amount[e] * STEP, "claimed");
    }
}
