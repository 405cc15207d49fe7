// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Powr} from "../src/Powr.sol";
import {IEpochs} from "../src/interfaces/IEpochs.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {EpochsFixture} from "./base/EpochsFixture.sol";

/// @dev Drives epochs, stakes, validators and claims through random legal steps. It stands in the rollup's place.
contract EconomyHandler is EpochsFixture {
    uint256 private constant WORKERS = 5;
    uint256 private constant REPORTERS = 3;
    IStaking.Role private constant WORKER = IStaking.Role.Worker;
    IStaking.Role private constant REPORTER = IStaking.Role.Validator;

    mapping(uint256 validator => bytes table) private _tables;
    bytes32[] private _holdings;
    bytes32[] private _models;
    uint256 private _faults;
    uint256 public closures;
    uint256 public claims;
    uint256 public reveals;

    constructor() {
        _setUpEpochs();
        _models.push("a");
        _models.push("b");
        for (uint256 i; i < REPORTERS; ++i) {
            _addValidator(i, 1000 ether);
        }
        for (uint256 i; i < WORKERS; ++i) {
            _addWorker(_who(i), 1000 ether);
        }
    }

    function _who(uint256 i) private pure returns (address) {
        return address(uint160(0x1000 + i % WORKERS));
    }

    function stakeWorker(uint256 who, uint256 amount) external {
        _stake(WORKER, _who(who), bound(amount, MINIMUM_STAKE, 10 * MINIMUM_STAKE));
    }

    function unbondWorker(uint256 who) external {
        uint256 bonded = staking.bondedOf(WORKER, _who(who));
        if (bonded == 0) return;
        vm.prank(_who(who));
        staking.unbond(WORKER, bonded);
    }

    function withdrawStake(uint256 who) external {
        IStaking.Stake memory s = staking.stakeOf(WORKER, _who(who));
        if (s.unbonding == 0) return;
        if (block.timestamp < s.releaseAt) vm.warp(s.releaseAt);
        vm.prank(_who(who));
        staking.withdraw(WORKER);
    }

    function record(uint256 who, uint256 model, uint64 units, uint32 items, uint96 feesWei) external {
        IEpochs.Share[] memory shares = new IEpochs.Share[](2);
        shares[0] = IEpochs.Share(_who(who), items, feesWei);
        shares[1] = IEpochs.Share(_who(who % WORKERS + 1), items / 2, feesWei / 2);
        epochs.recordWork(_models[model % 2], units, shares);
    }

    function quality(uint256 model, uint32 count, uint32 correct, uint32 margin) external {
        count = uint32(bound(count, 1, type(uint32).max));
        correct = uint32(bound(correct, 0, count));
        epochs.recordQuality(_models[model % 2], count, correct, margin);
    }

    function fault(uint256 who) external {
        epochs.recordFault(_who(who));
    }

    function fund(uint256 amount) external {
        token.transfer(address(epochs), bound(amount, 0, 1000 ether));
    }

    function putAsideForThePool(uint256 amount) external {
        putAside += bound(amount, 0, 1000 ether);
    }

    function burn(uint256 amount) external {
        token.burn(bound(amount, 0, 1000 ether));
    }

    function advance() external {
        if (epochs.closed() == epochs.current()) _advance();
    }

    function commit(uint256 who, uint32 completion, uint32 uptime, uint32 speed) external {
        who = who % REPORTERS;
        (,, uint32 epoch, IEpochs.ReportState state) = epochs.reportOf(_validator(who));
        if (!_inQuarter(0) || !validators.isValidator(_validator(who))) return;
        if (state != IEpochs.ReportState.None && epoch == epochs.current() - 1) return;
        _tables[who] = _table(completion, uptime, speed);
        _commitTable(who, _tables[who]);
    }

    function reveal(uint256 who) external {
        who = who % REPORTERS;
        if (epochs.closed() == epochs.current() || block.timestamp >= epochs.startedAt() + EPOCH / 2) return;
        (,, uint32 epoch, IEpochs.ReportState state) = epochs.reportOf(_validator(who));
        if (state != IEpochs.ReportState.Committed || epoch != epochs.current() - 1) return;
        _quarter(1);
        _reveal(who, _tables[who]);
        ++reveals;
    }

    function close() external {
        if (epochs.closed() == epochs.current()) return;
        if (block.timestamp < epochs.startedAt() + EPOCH / 2) _quarter(2);
        uint32 epoch = epochs.current() - 1;
        address[] memory reporters = epochs.reportersOf(epoch);
        IEpochs.Page[] memory pages = new IEpochs.Page[](reporters.length);
        uint256 n;
        for (uint256 i; i < reporters.length; ++i) {
            (,,, IEpochs.ReportState state) = epochs.reportOf(reporters[i]);
            if (state != IEpochs.ReportState.Revealed) continue;
            for (uint256 v; v < REPORTERS; ++v) {
                if (_validator(v) == reporters[i]) pages[n++] = _report(_tables[v], 0);
            }
        }
        if (!epochs.hasQuorum(epoch)) n = 0;
        assembly ("memory-safe") {
            mstore(pages, n)
        }
        epochs.close(0, pages);
        ++closures;
    }

    function claim(uint256 who) external {
        if (epochs.claimableWei(_who(who)) == 0) return;
        vm.prank(_who(who));
        epochs.claim();
        ++claims;
    }

    function slashMissed(uint256 who) external {
        address v = _validator(who % REPORTERS);
        (,, uint32 epoch, IEpochs.ReportState state) = epochs.reportOf(v);
        bool isLate = epoch + 1 < epochs.current() || block.timestamp >= epochs.startedAt() + EPOCH / 2;
        if (state != IEpochs.ReportState.Committed || !isLate) return;
        epochs.slashMissedReveal(v);
    }

    function leaveOrReturn(uint256 who) external {
        address v = _validator(who % REPORTERS);
        bool isIn = validators.isValidator(v);
        if (!isIn && !staking.isActive(REPORTER, v)) return;
        (,,, IEpochs.ReportState state) = epochs.reportOf(v);
        if (state == IEpochs.ReportState.Committed) return;
        vm.prank(v);
        if (isIn) validators.leave();
        else validators.register(address(0));
    }

    function commitPool(uint256 who, bytes32 root) external {
        address v = _validator(who % REPORTERS);
        if (root == 0 || !validators.isValidator(v)) return;
        if (validators.poolOf(epochs.current() + 1, v) != 0) return;
        vm.prank(v);
        validators.commitPool(root);
    }

    function draw(bytes32 hash) external {
        if (validators.seedOf(epochs.current()) != 0 || hash == 0) return;
        uint256 at = validators.drawBlock();
        if (block.number <= at) vm.roll(at + 1);
        if (block.number > at + 256) return;
        vm.setBlockhash(at, hash);
        validators.draw();
    }

    function slash(uint256 who, uint256 percent, uint256 refund) external {
        bytes32 id = bytes32(++_faults);
        address account = _who(who);
        uint256 slashed = staking.slash(
            IStaking.Fault(WORKER, account, bound(percent, 1, 50), id, "evidence", address(0x71C), refund)
        );
        if (slashed != 0) _holdings.push(staking.holdingId(address(this), WORKER, account, id));
    }

    function payOut(uint256 which) external {
        if (_holdings.length == 0) return;
        bytes32 id = _holdings[which % _holdings.length];
        IStaking.Holding memory h = staking.holdingOf(id);
        if (h.amount == 0) return;
        if (block.timestamp < h.releaseAt) vm.warp(h.releaseAt);
        staking.payOut(id);
    }

    function _inQuarter(uint256 n) private view returns (bool) {
        uint256 start = epochs.startedAt() + n * EPOCH / 4;
        return
            epochs.closed() < epochs.current() && block.timestamp >= start
                && block.timestamp < start + EPOCH / 4;
    }

    function checkEpochs() external view {
        uint256 held = token.balanceOf(address(epochs));
        uint256 owed = uint256(epochs.reserved()) + epochs.surplus();
        if (epochs.closed() < epochs.current()) owed += epochs.gathered();
        require(held >= owed * epochs.UNIT(), "pools are backed");
        uint256 due;
        for (uint256 i; i < WORKERS; ++i) {
            due += epochs.claimableWei(_who(i));
            require(epochs.weightOf(_who(i)) <= Powr.ONE, "trust is a fraction");
        }
        require(due <= uint256(epochs.reserved()) * epochs.UNIT(), "claims stay in their pools");
        for (uint256 i; i < 2; ++i) {
            require(epochs.qualityOf(_models[i]) <= Powr.ONE, "quality is a fraction");
        }
        require(epochs.closed() + 1 >= epochs.current(), "epochs close in order");
    }

    function checkSupply() external view {
        require(10 * emission.minted() <= 9 * emission.burned(), "minted from what burned");
        require(token.totalSupply() <= token.MAX_SUPPLY(), "supply");
    }

    function checkStakes() external view {
        uint256 sum = staking.held();
        for (uint256 i; i < WORKERS; ++i) {
            sum += staking.slashableOf(WORKER, _who(i));
        }
        for (uint256 i; i < REPORTERS; ++i) {
            sum += staking.slashableOf(REPORTER, _validator(i));
        }
        eq(token.balanceOf(address(staking)), sum, "bonded, unbonding, held");
    }
}

contract EconomyInvariantsTest is EpochsFixture {
    EconomyHandler private handler;

    function setUp() external {
        handler = new EconomyHandler();
    }

    // forge asks which contracts to call.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariantTheEconomyIsSound() external view {
        handler.checkEpochs();
        handler.checkSupply();
        handler.checkStakes();
    }

    /// @dev The handler reaches reveals, closures and claims: the invariant is not vacuous.
    function testHandlerReachesEveryStep() external {
        handler.record(0, 0, 1000, 10, 10 ether);
        handler.fund(5 ether);
        handler.burn(1 ether);
        handler.advance();
        handler.commit(0, 1, 2, 3);
        handler.commit(1, 1, 2, 3);
        handler.reveal(0);
        handler.reveal(1);
        handler.close();
        handler.claim(0);
        eq(handler.reveals() * handler.closures() * handler.claims(), 2, "reached");
        this.invariantTheEconomyIsSound();
    }
}
