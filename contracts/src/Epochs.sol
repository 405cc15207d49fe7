// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {DnToken} from "./DnToken.sol";
import {Metrics} from "./Metrics.sol";
import {Powr} from "./Powr.sol";
import {IEmission} from "./interfaces/IEmission.sol";
import {IEpochs} from "./interfaces/IEpochs.sol";
import {IInferenceRollup} from "./interfaces/IInferenceRollup.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {IValidators} from "./interfaces/IValidators.sol";

/// @title Epochs
/// @dev Invariants: `reserved + surplus` units are in the contract, and `gathered` besides until the epoch is closed; the claims of an epoch never exceed its pool; trust,
/// quality and metrics are at most `Powr.ONE`. Trust, work and claims belong to a worker's address for good: there is no
/// call that moves them.
contract Epochs is Metrics {
    using SafeERC20 for IERC20;

    /// @notice Token wei of a unit.
    uint256 public constant UNIT = 1e12;
    /// @notice Per mille of the fees of a worker's tasks that its payout is bounded by: 20 percent of the worker's 65,
    /// and nine tenths of the 5 that burn.
    uint256 public constant PAID_IN_PER_MILLE = 175;

    /// @notice Most seats: bounds a table to 98,304 bytes.
    uint256 public constant MAX_SEATS = 8192;

    /// @dev Addresses and rates that the contract trusts for its whole life.
    struct Config {
        DnToken token;
        IStaking staking;
        IValidators validators;
        IEmission emission;
        address rollup;
        address probes;
        uint64 length;
        uint256 workPerUnit;
        uint256 workPerStake;
    }

    /// @dev A worker's seat. Tables of epochs before `since` mean who had it then.
    struct Seat {
        address worker;
        uint32 since;
    }

    /// @notice The token that is paid.
    DnToken public immutable token;
    /// @notice Mints an epoch's DN.
    IEmission public immutable emission;
    /// @inheritdoc IEpochs
    address public immutable rollup;
    /// @notice Records quality.
    address public immutable probes;
    /// @notice Work that one unit of fees counts for at most.
    uint256 public immutable workPerUnit;
    /// @notice Score that one unit of stake answers for.
    uint256 public immutable workPerStake;

    /// @notice Smoothed quality of a model version; zero for one without a probe, which counts as `Powr.INITIAL`.
    mapping(bytes32 modelId => uint256) public qualityOf;
    /// @notice Closed epochs.
    mapping(uint32 epoch => Result) public resultOf;
    /// @notice What workers may claim.
    mapping(address worker => Claim) public claimOf;
    /// @notice Seats, in order.
    Seat[] public seats;
    /// @notice Units of pools that are not claimed yet.
    uint128 public reserved;
    /// @notice Units that the bound of payouts left over, to be burned.
    uint128 public surplus;
    /// @notice Units that nobody was owed when the last epoch ended: its pool, but for what is minted.
    uint128 public gathered;
    /// @notice Token wei that were ever burned when the last epoch ended.
    uint128 public burnedAtEnd;

    /// @dev Number of a worker's seat plus one.
    mapping(address worker => uint256) private _numbers;
    mapping(address worker => Powr.Trust) private _trust;
    /// @dev Work of even and of odd epochs.
    mapping(address worker => Work[2]) private _work;

    /// @dev The epoch that is being closed: pages done, whether reports speak, scores so far.
    uint32 private _pages;
    bool private _quorum;
    uint128 private _scores;

    modifier onlyRollup() {
        require(msg.sender == rollup, OnlyRollup(msg.sender));
        _;
    }

    constructor(Config memory c) Metrics(c.staking, c.validators, c.length) {
        require(
            address(c.token) != address(0) && address(c.emission) != address(0) && c.rollup != address(0)
                && c.probes != address(0),
            ZeroAddress()
        );
        require(c.workPerUnit != 0 && c.workPerStake != 0, ZeroAmount());
        token = c.token;
        emission = c.emission;
        rollup = c.rollup;
        probes = c.probes;
        workPerUnit = c.workPerUnit;
        workPerStake = c.workPerStake;
    }

    /// @inheritdoc IEpochs
    function seat(address worker, uint256 number) external {
        require(staking.isActive(IStaking.Role.Worker, worker), NotStaked(worker));
        require(_numbers[worker] == 0, AlreadySeated(worker));
        uint256 count = seats.length;
        require(number <= count && number < MAX_SEATS, NoSuchSeat(number));
        address replaced;
        if (number == count) {
            seats.push();
        } else {
            replaced = seats[number].worker;
            require(_isGone(replaced), SeatTaken(number, replaced));
            delete _numbers[replaced];
        }
        seats[number] = Seat(worker, current);
        _numbers[worker] = number + 1;
        if (_trust[worker].completion == 0) _trust[worker] = Powr.newTrust();
        emit WorkerSeated(worker, number, replaced);
    }

    /// @inheritdoc IEpochs
    function recordQuality(bytes32 modelId, uint32 probeCount, uint32 probeCorrect, uint32 marginSum)
        external
    {
        require(msg.sender == probes, OnlyProbes(msg.sender));
        uint256 sample = Powr.quality(probeCount, probeCorrect, marginSum);
        // At least one: zero says that there was no probe.
        uint256 smoothed = Math.max(1, Powr.observe(_quality(modelId), sample, Powr.FAST_FALL));
        qualityOf[modelId] = smoothed;
        emit QualityObserved(modelId, sample, smoothed);
    }

    /// @inheritdoc IEpochs
    function recordWork(bytes32 modelId, uint64 workUnits, Share[] calldata shares) external onlyRollup {
        uint256 quality = _quality(modelId);
        uint32 epoch = current;
        for (uint256 i; i < shares.length; ++i) {
            Share calldata s = shares[i];
            uint256 fees = s.feesWei / UNIT;
            uint256 units = Powr.contribution(workUnits, s.items);
            units = Math.min(Math.min(units, Math.saturatingMul(fees, workPerUnit)), type(uint64).max);
            Work memory w = _workIn(s.worker, epoch);
            w.fees = uint64(Math.min(w.fees + fees, type(uint64).max));
            w.units = uint64(Math.min(w.units + units, type(uint64).max));
            uint256 work = Powr.mul(units, quality);
            w.work = uint96(Math.min(w.work + work, type(uint96).max));
            _work[s.worker][epoch & 1] = w;
            emit WorkRecorded(s.worker, epoch, units, work);
        }
    }

    /// @inheritdoc IEpochs
    function recordFault(address worker) external onlyRollup {
        uint32 epoch = current;
        Work memory w = _workIn(worker, epoch);
        if (w.faults != type(uint8).max) ++w.faults;
        _work[worker][epoch & 1] = w;
        emit FaultRecorded(worker, epoch);
    }

    /// @inheritdoc IEpochs
    function close(uint256 page, Page[] calldata reports) external {
        uint32 running = current;
        require(running != 0 && closed < running, NothingToClose(running));
        uint32 epoch = running - 1;
        require(block.timestamp >= _phase(2), NotThePhase(_phase(2), type(uint256).max));
        require(page == _pages, WrongPage(_pages, page));
        if (page == 0) _quorum = hasQuorum(epoch);
        uint96[] memory weights;
        if (_quorum) weights = _weights(epoch, page, reports);
        else require(reports.length == 0, WrongReports(0, reports.length));

        uint256 last = Math.min((page + 1) * PAGE, tableSeats);
        uint256 scores = _scores;
        for (uint256 number = page * PAGE; number < last; ++number) {
            scores += _closeSeat(epoch, number, reports, weights);
        }
        _scores = uint128(scores);
        _pages = uint32(page + 1);
        if (last == tableSeats) _finish(epoch);
    }

    /// @inheritdoc IEpochs
    function claim() external returns (uint256 amountWei) {
        Claim memory c = _settled(msg.sender);
        require(c.amount != 0, NothingToClaim(msg.sender));
        reserved -= c.amount;
        amountWei = c.amount * UNIT;
        c.amount = 0;
        claimOf[msg.sender] = c;
        emit Claimed(msg.sender, amountWei);
        IERC20(token).safeTransfer(msg.sender, amountWei);
    }

    /// @inheritdoc IEpochs
    function claimableWei(address worker) external view returns (uint256) {
        Claim memory c = claimOf[worker];
        (uint256 paid,) = _payout(c);
        return (c.amount + paid) * UNIT;
    }

    /// @inheritdoc IEpochs
    function workOf(address worker, uint32 epoch) external view returns (Work memory w) {
        w = _work[worker][epoch & 1];
        if (w.epoch != epoch) delete w;
    }

    /// @notice The worker's smoothed observations; all zero if it never had a seat.
    function trustOf(address worker) external view returns (Powr.Trust memory) {
        return _trust[worker];
    }

    /// @notice The worker's trust weight: what its next score is multiplied by.
    function weightOf(address worker) external view returns (uint256) {
        return Powr.trustWeight(_trust[worker]);
    }

    /// @inheritdoc Metrics
    function seatCount() public view override returns (uint256) {
        return seats.length;
    }

    /// @dev What comes later is the next epoch's, however late this one is closed.
    function _gather() internal override {
        IInferenceRollup(rollup).passOn();
        burnedAtEnd = uint128(emission.burned());
        gathered = uint128(token.balanceOf(address(this)) / UNIT - reserved - surplus);
    }

    /// @dev Closes a seat that was taken in `epoch`. What no report speaks of stays as it was.
    function _closeSeat(uint32 epoch, uint256 number, Page[] calldata reports, uint96[] memory weights)
        private
        returns (uint256)
    {
        Seat memory s = seats[number];
        if (s.since > epoch) return 0;
        Powr.Trust memory t = _trust[s.worker];
        Powr.Trust memory seen = Powr.Trust(t.completion, t.accuracy, t.uptime, t.speed, 0, epoch);
        if (weights.length != 0) {
            uint256[3] memory entry = _entry(reports, weights, number % PAGE);
            (seen.completion, seen.uptime, seen.speed) =
            (uint32(entry[0]), uint32(entry[1]), uint32(entry[2]));
        }
        return _closeWorker(s.worker, t, seen);
    }

    /// @dev Moves a worker's trust by one epoch and notes its score. `t` is its trust of the epoch before.
    function _closeWorker(address worker, Powr.Trust memory t, Powr.Trust memory seen)
        private
        returns (uint256 score)
    {
        uint32 epoch = seen.epoch;
        Work memory w = _work[worker][epoch & 1];
        if (w.epoch != epoch) delete w;
        uint256 trust = Powr.trustWeight(t);
        if (w.work != 0) {
            uint256 stake = staking.bondedOf(IStaking.Role.Worker, worker) / UNIT;
            score = Math.min(Powr.score(w.work, trust, workPerStake, stake), type(uint96).max);
        }
        if (w.faults != 0) seen.accuracy = 0;
        else if (w.units != 0) seen.accuracy = uint32(Powr.ONE);
        Powr.advance(t, seen, w.units);
        _trust[worker] = t;
        emit TrustUpdated(worker, epoch, trust, score);
        if (score == 0) return 0;
        Claim memory c = _settled(worker);
        c.bound = uint64(uint256(w.fees) * PAID_IN_PER_MILLE / 1000);
        (c.score, c.epoch) = (uint96(score), epoch);
        claimOf[worker] = c;
    }

    /// @dev Burns what the bound left over, emits, and opens the claims. Without a score the pool is left to the next epoch.
    function _finish(uint32 epoch) private {
        uint256 burned = surplus * UNIT;
        surplus = 0;
        if (burned != 0) token.burn(burned);
        uint256 minted = emission.emitEpoch(burnedAtEnd, burned);
        uint256 pool = gathered + minted / UNIT;
        uint128 scores = _scores;
        if (scores != 0) reserved += uint128(pool);
        resultOf[epoch] = Result(uint64(pool), uint64(minted / UNIT), scores);
        closed = epoch + 1;
        (_pages, _scores) = (0, 0);
        emit EpochClosed(epoch, pool, minted / UNIT, scores);
    }

    /// @dev A worker's claim with the score of its last closed epoch turned into an amount.
    function _settled(address worker) private returns (Claim memory c) {
        c = claimOf[worker];
        (uint256 paid, uint256 left) = _payout(c);
        c.amount += uint64(paid);
        if (c.epoch < closed) c.score = 0;
        if (left != 0) {
            reserved -= uint128(left);
            surplus += uint128(left);
        }
    }

    /// @dev What the score of a closed epoch pays, and what the bound leaves over.
    function _payout(Claim memory c) private view returns (uint256 paid, uint256 left) {
        if (c.score == 0 || c.epoch >= closed) return (0, 0);
        Result memory r = resultOf[c.epoch];
        uint256 share = Powr.payout(r.pool, c.score, r.scores);
        paid = Math.min(share, c.bound);
        left = share - paid;
    }

    /// @dev The slot of a worker and epoch; empty where an older epoch is in it.
    function _workIn(address worker, uint32 epoch) private view returns (Work memory w) {
        w = _work[worker][epoch & 1];
        if (w.epoch != epoch) delete w;
        w.epoch = uint24(epoch);
    }

    function _quality(bytes32 modelId) private view returns (uint256 quality) {
        quality = qualityOf[modelId];
        if (quality == 0) quality = Powr.INITIAL;
    }

    /// @dev Whether a worker has no stake and no work that is still to be closed.
    function _isGone(address worker) private view returns (bool) {
        uint32 epoch = current;
        for (uint256 i; i < 2; ++i) {
            Work memory w = _work[worker][i];
            bool isRecent = uint256(w.epoch) + 1 >= epoch;
            if (isRecent && (w.units != 0 || w.faults != 0)) return false;
        }
        return !staking.isActive(IStaking.Role.Worker, worker);
    }
}
