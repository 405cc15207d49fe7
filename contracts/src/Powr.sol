// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Powr
/// @notice PoWR (contribution x quality x trust) and the Dynamic Trust Weight, in integers that round down.
/// @dev ONE stands for 1.0; a "fraction" is at most ONE. Equal to `core::powr` and `core::trust` of the Rust code by
/// the golden vectors in core/testdata/powr.json.
library Powr {
    /// @notice 1.0.
    uint256 internal constant ONE = 2 ** 32 - 1;

    /// @notice Every observation of a worker that has done nothing yet.
    uint32 internal constant INITIAL = uint32(ONE / 4);

    /// @notice History at which `historyFraction` is one half.
    uint256 internal constant HALF_HISTORY = 2 ** 40;

    /// @notice Falls of accuracy and quality: an eighth of the distance per epoch.
    uint256 internal constant FAST_FALL = 3;

    /// @notice Falls of completion, uptime and speed: a sixteenth of the distance per epoch.
    uint256 internal constant SLOW_FALL = 4;

    /// @notice Largest confidence margin of one probe: int8 from -128 to 127.
    uint256 internal constant MAX_MARGIN = 255;

    /// @notice A worker's smoothed observations: one storage slot.
    /// @param history Decaying sum of work units; stays below 64 * 2^64 + 64.
    /// @param epoch Last epoch that was observed.
    struct Trust {
        uint32 completion;
        uint32 accuracy;
        uint32 uptime;
        uint32 speed;
        uint96 history;
        uint32 epoch;
    }

    error NotAFraction(uint256 value);
    error NoProbes();
    error MoreCorrectThanProbes(uint256 correct, uint256 count);

    /// @notice a * b / ONE.
    function mul(uint256 a, uint256 b) internal pure returns (uint256) {
        return Math.mulDiv(a, b, ONE);
    }

    /// @notice Work done: units of the model version times items.
    function contribution(uint64 workUnits, uint32 items) internal pure returns (uint256) {
        return uint256(workUnits) * items;
    }

    /// @notice Quality of a batch from the sums that its proof states: accuracy, scaled by 3/4 to 1 of confidence.
    function quality(uint32 probeCount, uint32 probeCorrect, uint32 marginSum)
        internal
        pure
        returns (uint256)
    {
        require(probeCount != 0, NoProbes());
        require(probeCorrect <= probeCount, MoreCorrectThanProbes(probeCorrect, probeCount));
        uint256 mostMargin = MAX_MARGIN * probeCount;
        uint256 accuracy = probeCorrect * ONE / probeCount;
        uint256 confidence = Math.min(marginSum, mostMargin) * ONE / mostMargin;
        return mul(accuracy, (3 * ONE + confidence) / 4);
    }

    /// @notice Moves `m` towards the sample `s`: slowly up, by `fallShift` down, always by at least one.
    function observe(uint256 m, uint256 s, uint256 fallShift) internal pure returns (uint256) {
        require(m <= ONE, NotAFraction(m));
        require(s <= ONE, NotAFraction(s));
        return _moved(m, s, fallShift);
    }

    /// @dev `observe` of fractions: nothing can overflow, because a step is at most the distance.
    function _moved(uint256 m, uint256 s, uint256 fallShift) private pure returns (uint256) {
        unchecked {
            if (s > m) {
                uint256 rise = (s - m) >> 6;
                return m + (rise == 0 ? 1 : rise);
            }
            if (s < m) {
                uint256 fall = (m - s) >> fallShift;
                return m - (fall == 0 ? 1 : fall);
            }
            return m;
        }
    }

    /// @notice The history after an epoch with `units` of work.
    function advanceHistory(uint96 history, uint64 units) internal pure returns (uint96) {
        return history - (history >> 6) + units;
    }

    /// @notice The history as a fraction that approaches ONE.
    function historyFraction(uint96 history) internal pure returns (uint256) {
        return history * ONE / (history + HALF_HISTORY);
    }

    /// @notice Weighted mean of the observations. The weights sum to 65536.
    function base(Trust memory t) internal pure returns (uint256) {
        uint256 sum = 19661 * uint256(t.completion) + 22938 * uint256(t.accuracy) + 9830 * uint256(t.uptime)
            + 6554 * uint256(t.speed) + 6553 * historyFraction(t.history);
        return sum >> 16;
    }

    /// @notice The trust weight: speed and uptime never buy back missing or wrong work.
    function trustWeight(Trust memory t) internal pure returns (uint256) {
        return mul(base(t), Math.min(t.completion, t.accuracy));
    }

    /// @notice Where every worker starts.
    function newTrust() internal pure returns (Trust memory) {
        return Trust({
            completion: INITIAL, accuracy: INITIAL, uptime: INITIAL, speed: INITIAL, history: 0, epoch: 0
        });
    }

    /// @notice Moves a worker's observations on by an epoch in which `seen` was seen and `units` of work done.
    /// @param seen Samples, and the epoch; its history counts nothing.
    function advance(Trust memory t, Trust memory seen, uint64 units) internal pure {
        t.completion = uint32(_moved(t.completion, seen.completion, SLOW_FALL));
        t.accuracy = uint32(_moved(t.accuracy, seen.accuracy, FAST_FALL));
        t.uptime = uint32(_moved(t.uptime, seen.uptime, SLOW_FALL));
        t.speed = uint32(_moved(t.speed, seen.speed, SLOW_FALL));
        t.history = advanceHistory(t.history, units);
        t.epoch = seen.epoch;
    }

    /// @notice Score of a worker in an epoch.
    /// @param work Sum of mul(contribution, quality) over the worker's batches.
    /// @param k Work that one wei of stake can answer for.
    function score(uint256 work, uint256 trust, uint256 k, uint256 stake) internal pure returns (uint256) {
        return Math.min(mul(work, trust), k * stake);
    }

    /// @notice Part of `pool` for `own` of `total` score; zero when there is no score. Payouts never exceed the pool.
    function payout(uint256 pool, uint256 own, uint256 total) internal pure returns (uint256) {
        return total == 0 ? 0 : Math.mulDiv(pool, own, total);
    }
}
