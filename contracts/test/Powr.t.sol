// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Powr} from "../src/Powr.sol";
import {TestBase} from "./base/TestBase.sol";

/// @dev Every golden vector of core/testdata/powr.json, and the laws that the formulas promise.
contract PowrTest is TestBase {
    string private vectors;

    function setUp() external {
        vectors = vm.readFile("../core/testdata/powr.json");
    }

    function _column(string memory key) private view returns (uint256[] memory values) {
        values = vm.parseJsonUintArray(vectors, key);
        require(values.length != 0, key);
    }

    function testMul() external view {
        (uint256[] memory a, uint256[] memory b) = (_column(".mul.a"), _column(".mul.b"));
        uint256[] memory out = _column(".mul.out");
        for (uint256 i; i < out.length; ++i) {
            eq(Powr.mul(a[i], b[i]), out[i], "mul");
        }
    }

    function testContribution() external view {
        uint256[] memory units = _column(".contribution.workUnits");
        uint256[] memory items = _column(".contribution.items");
        uint256[] memory out = _column(".contribution.out");
        for (uint256 i; i < out.length; ++i) {
            eq(Powr.contribution(uint64(units[i]), uint32(items[i])), out[i], "contribution");
        }
    }

    function testQuality() external view {
        uint256[] memory count = _column(".quality.probeCount");
        uint256[] memory correct = _column(".quality.probeCorrect");
        uint256[] memory margin = _column(".quality.marginSum");
        uint256[] memory out = _column(".quality.out");
        for (uint256 i; i < out.length; ++i) {
            eq(Powr.quality(uint32(count[i]), uint32(correct[i]), uint32(margin[i])), out[i], "quality");
        }
    }

    function testObserve() external view {
        (uint256[] memory m, uint256[] memory s) = (_column(".observe.m"), _column(".observe.s"));
        (uint256[] memory shift, uint256[] memory out) = (_column(".observe.shift"), _column(".observe.out"));
        for (uint256 i; i < out.length; ++i) {
            eq(Powr.observe(m[i], s[i], shift[i]), out[i], "observe");
        }
    }

    function testHistory() external view {
        (uint256[] memory h, uint256[] memory units) = (_column(".history.h"), _column(".history.units"));
        (uint256[] memory next, uint256[] memory hist) = (_column(".history.next"), _column(".history.hist"));
        for (uint256 i; i < next.length; ++i) {
            uint96 got = Powr.advanceHistory(uint96(h[i]), uint64(units[i]));
            eq(got, next[i], "next");
            eq(Powr.historyFraction(got), hist[i], "hist");
        }
    }

    function testTrust() external view {
        (uint256[] memory c, uint256[] memory a) = (_column(".trust.c"), _column(".trust.a"));
        (uint256[] memory u, uint256[] memory s) = (_column(".trust.u"), _column(".trust.s"));
        uint256[] memory h = _column(".trust.h");
        (uint256[] memory base, uint256[] memory out) = (_column(".trust.base"), _column(".trust.out"));
        for (uint256 i; i < out.length; ++i) {
            Powr.Trust memory t =
                Powr.Trust(uint32(c[i]), uint32(a[i]), uint32(u[i]), uint32(s[i]), uint96(h[i]), 0);
            eq(Powr.base(t), base[i], "base");
            eq(Powr.trustWeight(t), out[i], "trust");
        }
    }

    function testScore() external view {
        (uint256[] memory work, uint256[] memory trust) = (_column(".score.work"), _column(".score.trust"));
        (uint256[] memory k, uint256[] memory stake) = (_column(".score.k"), _column(".score.stake"));
        uint256[] memory out = _column(".score.out");
        for (uint256 i; i < out.length; ++i) {
            eq(Powr.score(work[i], trust[i], k[i], stake[i]), out[i], "score");
        }
    }

    function testPayout() external view {
        (uint256[] memory pool, uint256[] memory own) = (_column(".payout.pool"), _column(".payout.score"));
        (uint256[] memory total, uint256[] memory out) = (_column(".payout.total"), _column(".payout.out"));
        for (uint256 i; i < out.length; ++i) {
            eq(Powr.payout(pool[i], own[i], total[i]), out[i], "payout");
        }
    }

    function testWorkerOverAHundredEpochs() external view {
        (uint256[] memory c, uint256[] memory a) = (_column(".worker.c"), _column(".worker.a"));
        (uint256[] memory u, uint256[] memory s) = (_column(".worker.u"), _column(".worker.s"));
        (uint256[] memory units, uint256[] memory trust) =
            (_column(".worker.units"), _column(".worker.trust"));
        Powr.Trust memory t = Powr.newTrust();
        for (uint256 i; i < trust.length; ++i) {
            t.completion = uint32(Powr.observe(t.completion, c[i], Powr.SLOW_FALL));
            t.accuracy = uint32(Powr.observe(t.accuracy, a[i], Powr.FAST_FALL));
            t.uptime = uint32(Powr.observe(t.uptime, u[i], Powr.SLOW_FALL));
            t.speed = uint32(Powr.observe(t.speed, s[i], Powr.SLOW_FALL));
            t.history = Powr.advanceHistory(t.history, uint64(units[i]));
            eq(Powr.trustWeight(t), trust[i], "trust");
        }
    }

    function testFuzzTrustNeverExceedsCompletionOrAccuracy(Powr.Trust memory t) external pure {
        uint256 weight = Powr.trustWeight(t);
        require(weight <= t.completion && weight <= t.accuracy, "bought back");
    }

    function testFuzzObserveStaysBetween(uint32 m, uint32 s) external pure {
        uint256 next = Powr.observe(m, s, Powr.FAST_FALL);
        require(s > m ? next > m && next <= s : next >= s && next <= m, "between");
    }

    function testFuzzPayoutsStayInThePool(uint128 pool, uint96[4] memory scores) external pure {
        uint256 total = uint256(scores[0]) + scores[1] + scores[2] + scores[3];
        uint256 paid;
        for (uint256 i; i < 4; ++i) {
            paid += Powr.payout(pool, scores[i], total);
        }
        require(paid <= pool, "pool");
    }

    /// @dev Two identities that share the work and the stake of one never score more than the one.
    function testFuzzSplittingGainsNothing(
        uint64 work,
        uint64 part,
        uint32 trust,
        uint96 stake,
        uint96 stakePart
    ) external pure {
        part = uint64(bound(part, 0, work));
        stakePart = uint96(bound(stakePart, 0, stake));
        uint256 split =
            Powr.score(part, trust, 3, stakePart) + Powr.score(work - part, trust, 3, stake - stakePart);
        require(split <= Powr.score(work, trust, 3, stake), "split gains");
    }

    function qualityOf(uint32 count, uint32 correct) external pure returns (uint256) {
        return Powr.quality(count, correct, 0);
    }

    function testQualityNeedsProbes() external {
        vm.expectRevert(abi.encodeWithSelector(Powr.NoProbes.selector));
        this.qualityOf(0, 0);
        vm.expectRevert(abi.encodeWithSelector(Powr.MoreCorrectThanProbes.selector, 2, 1));
        this.qualityOf(1, 2);
    }
}
