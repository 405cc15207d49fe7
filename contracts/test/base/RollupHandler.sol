// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {IEpochs} from "../../src/interfaces/IEpochs.sol";
import {IInferenceRollup as I} from "../../src/interfaces/IInferenceRollup.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {RollupFixture} from "./RollupFixture.sol";

/// @dev Drives the whole system through random steps, and keeps its own books of charges and exits.
contract RollupHandler is RollupFixture {
    /// @dev Two chunks.
    uint32 private constant WIDE = 65;

    /// @dev Each a `Bundle`, encoded.
    bytes[] private batches;
    bytes32[] private headerHashes;
    uint256[] private settledByUs;
    Charged[] private charged;
    address[] private accounts;
    mapping(address account => mapping(uint64 nonce => bool)) private isCharged;
    bytes32[] private holdings;
    mapping(address worker => uint256) private slashesOf;
    mapping(address worker => uint256) private earnedBy;
    uint256 public slashes;
    uint256 public payouts;
    uint256 public settlements;
    /// @dev Announcements so far; the last one's salt.
    uint256 private announced;

    struct Charged {
        address user;
        uint64 nonce;
    }

    constructor() {
        _deploySystem();
        _fund();
        accounts = [
            user, otherUser, worker, otherWorker, DEVELOPER, VALIDATORS, TREASURY, PROVER, STRANGER, SEQUENCER
        ];
        keyOf[STRANGER] = 0x57;
    }

    function _account(uint256 seed) private view returns (address) {
        return accounts[seed % accounts.length];
    }

    // Money.

    function deposit(uint256 who, uint256 amount) external {
        _deposit(_account(who), bound(amount, 1, 20 ether));
    }

    function depositOwn(uint256 who, uint256 amount) external {
        address account = who % 2 == 0 ? user : otherUser;
        amount = bound(amount, 1, 20 ether);
        token.transfer(account, amount);
        vm.prank(account);
        token.approve(address(rollup), amount);
        vm.prank(account);
        rollup.deposit(amount);
    }

    function donate(uint256 amount) external {
        token.transfer(address(rollup), bound(amount, 0, 1 ether));
    }

    function requestExit(uint256 who, uint256 amount) external {
        address account = _account(who);
        uint256 balance = rollup.balanceOf(account);
        if (balance == 0) return;
        vm.prank(account);
        rollup.requestExit(bound(amount, 1, balance));
        require(rollup.exitOf(account).readyAt == block.timestamp + EXIT_DELAY, "ready after the delay");
    }

    function cancelExit(uint256 who) external {
        address account = _account(who);
        if (rollup.exitOf(account).readyAt == 0) return;
        vm.prank(account);
        rollup.cancelExit();
    }

    /// @dev A claim succeeds from its time on, whatever else has happened: a revert here breaks the run.
    function claimExit(uint256 who) external {
        address account = _account(who);
        IAccounts.Exit memory exit = rollup.exitOf(account);
        if (exit.readyAt == 0) return;
        if (block.timestamp < exit.readyAt) vm.warp(exit.readyAt);
        uint256 balance = rollup.balanceOf(account);
        uint256 wallet = token.balanceOf(account);
        vm.prank(account);
        uint256 paid = rollup.claimExit();
        eq(paid, exit.amount < balance ? exit.amount : balance, "the least of both");
        eq(token.balanceOf(account), wallet + paid, "paid");
    }

    /// @dev What is put aside leaves whole: some burns, the rest is in the pool.
    function passOn() external {
        uint256 supply = token.totalSupply();
        uint256 pool = token.balanceOf(address(epochs));
        (uint256 toBurn, uint256 toPool) = (rollup.toBurn(), rollup.toPool());
        (uint256 burned, uint256 pooled) = rollup.passOn();
        require(burned == toBurn && pooled == toPool && rollup.toBurn() + rollup.toPool() == 0, "all");
        eq(token.totalSupply(), supply - burned, "burned");
        eq(token.balanceOf(address(epochs)), pool + pooled, "pooled");
    }

    // Batches.

    /// @dev Orders of both users, some of them late, dear, used or forged; some invoices are missing.
    function commit(uint256 count, uint256 seed, bool wide) external {
        wide = wide && seed & 7 == 0;
        uint32 slots = wide ? WIDE : SLOTS;
        Bundle memory b = _draft(wide ? bound(count, 58, WIDE) : bound(count, 1, SLOTS), slots);
        b.workers = new address[](2);
        (b.workers[0], b.workers[1]) = (worker, otherWorker);
        for (uint256 i; i < b.orders.length; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            if (dice & 1 == 1) b.orders[i].user = otherUser;
            b.executors[i] = uint8(dice >> 1 & 1);
            if (dice >> 8 & 15 == 0) b.orders[i].deadline = b.header.openedAt - 1;
            if (dice >> 12 & 15 == 0) b.orders[i].maxFee = PRICE - 1;
            if (dice >> 16 & 15 == 0) b.orders[i].nonce = uint64(dice >> 20 & 255);
        }
        if (seed >> 32 & 1 == 1) _together(b, seed);
        _seal(b);
        for (uint256 c; c < b.chunks.length; ++c) {
            if (seed >> c & 3 == 0) _putInvoice(b.chunks[c], 1, "");
            if (seed >> c & 12 == 0) b.chunks[c].signatures[0] ^= 0x01;
        }
        _commit(b);
        batches.push(abi.encode(b));
        headerHashes.push(keccak256(abi.encode(b.header)));
        settledByUs.push(0);
    }

    /// @dev Makes a batch's orders those of bundles of the user. Some nonces were used before.
    function _together(Bundle memory b, uint256 seed) private view {
        uint256 size = bound(seed >> 40, 1, 5);
        for (uint256 i; i < b.orders.length; ++i) {
            b.orders[i].user = user;
            (b.orders[i].maxFee, b.orders[i].deadline) = (b.orders[0].maxFee, b.orders[0].deadline);
            b.orders[i].nonce = uint64(64 * (seed >> 48 & 3) + 64 * (i / size) + i % size);
        }
        if (size > 1) _join(b, size);
    }

    function prove(uint256 which) external {
        (Bundle memory b, bool found) = _find(which, I.BatchStatus.Committed);
        if (!found || block.timestamp > b.header.deadline) return;
        _proveOnly(b);
    }

    function proveAndSettle(uint256 which) external {
        (Bundle memory b, bool found) = _find(which, I.BatchStatus.Committed);
        if (!found || block.timestamp > b.header.deadline) return;
        Books memory before = _books(b);
        _prove(b);
        for (uint256 c; c < b.chunks.length; ++c) {
            _noteSettled(b, c);
        }
        _noteCharges(b, before);
    }

    function settle(uint256 which, uint256 chunk) external {
        (Bundle memory b, bool found) = _find(which, I.BatchStatus.Proven);
        if (!found) return;
        chunk = chunk % b.chunks.length;
        if (settledByUs[b.header.batchId] >> chunk & 1 == 1) {
            _settleReverts(b, chunk, abi.encodeWithSelector(I.NothingToSettle.selector, b.header.batchId));
            return;
        }
        Books memory before = _books(b);
        _settle(b, chunk);
        _noteSettled(b, chunk);
        _noteCharges(b, before);
    }

    /// @dev All chunks at once, whichever are settled: what is left of them is.
    function settleAll(uint256 which) external {
        (Bundle memory b, bool found) = _find(which, I.BatchStatus.Proven);
        uint256 all = (1 << b.chunks.length) - 1;
        if (!found || settledByUs[b.header.batchId] == all) return;
        Books memory before = _books(b);
        _settleSome(b, 0, b.chunks.length, _openingOf(b, 0, b.chunks.length));
        settledByUs[b.header.batchId] = all;
        ++settlements;
        _noteCharges(b, before);
    }

    /// @dev Nothing settles before its proof.
    function settleUnproven(uint256 which) external {
        (Bundle memory b, bool found) = _find(which, I.BatchStatus.Committed);
        if (!found) return;
        bytes4 selector = I.BatchNotProven.selector;
        _settleReverts(b, 0, abi.encodeWithSelector(selector, b.header.batchId, I.BatchStatus.Committed));
    }

    function expire(uint256 which) external {
        (Bundle memory b, bool found) = _find(which, I.BatchStatus.Committed);
        if (!found) return;
        if (block.timestamp <= b.header.deadline) vm.warp(b.header.deadline + 1);
        rollup.expireBatch(b.header);
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1, 10 minutes));
    }

    // Stakes.

    function stake(uint256 who, uint256 amount) external {
        _stake(who % 2 == 0 ? worker : otherWorker, bound(amount, MINIMUM_STAKE, 3 * MINIMUM_STAKE));
    }

    function unbond(uint256 who) external {
        address account = who % 2 == 0 ? worker : otherWorker;
        uint256 bonded = staking.stakeOf(IStaking.Role.Worker, account).bonded;
        if (bonded == 0) return;
        vm.prank(account);
        staking.unbond(IStaking.Role.Worker, bonded);
    }

    function withdrawStake(uint256 who) external {
        address account = who % 2 == 0 ? worker : otherWorker;
        IStaking.Stake memory s = staking.stakeOf(IStaking.Role.Worker, account);
        if (s.unbonding == 0) return;
        if (block.timestamp < s.releaseAt) vm.warp(s.releaseAt);
        vm.prank(account);
        staking.withdraw(IStaking.Role.Worker);
    }

    /// @dev Slashed stake is held to the wei, whether somebody has announced the report or nobody.
    function slash(uint256 which, uint256 i, bool first, bool isAnnounced) external {
        (Bundle memory b, bool found) = _find(which, I.BatchStatus.Proven);
        address liar = first ? worker : otherWorker;
        if (!found || staking.slashableOf(IStaking.Role.Worker, liar) == 0) return;
        i = bound(i, 0, b.orders.length - 1);
        uint64 batchId = b.header.batchId;
        if (rollup.isSlashed(batchId, liar)) {
            _report(
                b, i, liar, false, abi.encodeWithSelector(I.ReceiptAlreadySlashed.selector, batchId, liar)
            );
            return;
        }
        uint256 before = staking.slashableOf(IStaking.Role.Worker, liar);
        _report(b, i, liar, isAnnounced, "");
        bytes32 id = _holdingId(batchId, liar);
        eq(staking.holdingOf(id).amount, (before + 9) / 10, "a tenth");
        holdings.push(id);
        ++slashes;
        ++slashesOf[liar];
        if (!isAnnounced) return;
        vm.prank(STRANGER);
        staking.claimReward(id, bytes32(announced));
    }

    /// @dev Reports a receipt of task `i`; where a reason is given, in vain.
    function _report(Bundle memory b, uint256 i, address liar, bool isAnnounced, bytes memory reason)
        private
    {
        uint256 chunk = b.chunks.length == 1 || i < 60 ? 0 : 1;
        I.Receipt memory r = _receipt(b, i, 7);
        bytes memory signature = _sign(liar, rollup.receiptDigest(r));
        I.Opening memory o = _opening(b, chunk);
        if (isAnnounced) {
            staking.announce(keccak256(abi.encode(STRANGER, keccak256(signature), bytes32(++announced))));
            vm.roll(block.number + 1);
        }
        vm.prank(STRANGER);
        if (reason.length != 0) vm.expectRevert(reason);
        rollup.slashReceipt(b.header, b.chunks[chunk], o, i - 60 * chunk, r, signature);
    }

    /// @dev From its time on a holding is paid, whatever else has happened, and once.
    function payOut(uint256 which) external {
        if (holdings.length == 0) return;
        bytes32 id = holdings[which % holdings.length];
        IStaking.Holding memory h = staking.holdingOf(id);
        if (h.amount == 0) {
            vm.expectRevert(abi.encodeWithSelector(IStaking.UnknownHolding.selector, id));
            staking.payOut(id);
            return;
        }
        (uint256 supply, uint256 inStaking) = (token.totalSupply(), token.balanceOf(address(staking)));
        _payOut(id);
        uint256 burned = supply - token.totalSupply();
        eq(inStaking - token.balanceOf(address(staking)), h.amount, "all of it");
        eq(burned, h.amount - h.refund - (h.reporter == address(0) ? 0 : h.amount / 5), "the rest burns");
        ++payouts;
    }

    // Books.

    /// @dev Which of a batch's orders were used before a step, and both users' balances.
    struct Books {
        bool[] used;
        uint256 balance;
        uint256 otherBalance;
        uint256 workerBalance;
        uint256 otherWorkerBalance;
    }

    function _books(Bundle memory b) private view returns (Books memory books) {
        books.used = new bool[](b.orders.length);
        for (uint256 i; i < b.orders.length; ++i) {
            books.used[i] = rollup.isUsed(b.orders[i].user, b.orders[i].nonce);
        }
        (books.balance, books.otherBalance) = (rollup.balanceOf(user), rollup.balanceOf(otherUser));
        (books.workerBalance, books.otherWorkerBalance) =
        (rollup.balanceOf(worker), rollup.balanceOf(otherWorker));
    }

    /// @dev Whoever paid did so by nonces that this step used up, each for its order's maximum at most.
    function _noteCharges(Bundle memory b, Books memory before) private {
        (uint256 most, uint256 otherMost) = (0, 0);
        for (uint256 i; i < b.orders.length; ++i) {
            I.Order memory o = b.orders[i];
            // One that is too dear is never charged, whoever else had its nonce.
            if (o.maxFee < PRICE || before.used[i] || isCharged[o.user][o.nonce]) continue;
            if (!rollup.isUsed(o.user, o.nonce)) continue;
            isCharged[o.user][o.nonce] = true;
            charged.push(Charged(o.user, o.nonce));
            if (o.user == user) most += PRICE;
            else otherMost += PRICE;
        }
        require(before.balance - rollup.balanceOf(user) <= most, "a user paid more than it signed for");
        require(before.otherBalance - rollup.balanceOf(otherUser) <= otherMost, "as above");
        earnedBy[worker] += rollup.balanceOf(worker) - before.workerBalance;
        earnedBy[otherWorker] += rollup.balanceOf(otherWorker) - before.otherWorkerBalance;
    }

    function _noteSettled(Bundle memory b, uint256 chunk) private {
        settledByUs[b.header.batchId] |= 1 << chunk;
        ++settlements;
    }

    function _find(uint256 which, I.BatchStatus status) private view returns (Bundle memory b, bool found) {
        for (uint256 i; i < batches.length && i < 8 && !found; ++i) {
            uint256 id = (which % batches.length + i) % batches.length;
            found = rollup.batch(uint64(id)).status == status;
            if (found) b = abi.decode(batches[id], (Bundle));
        }
    }

    function sums() external view returns (uint256 credits, uint256 stakes, uint256 wallets) {
        for (uint256 i; i < accounts.length; ++i) {
            credits += rollup.balanceOf(accounts[i]);
            stakes += staking.slashableOf(IStaking.Role.Worker, accounts[i]);
            wallets += token.balanceOf(accounts[i]);
        }
        credits += uint256(rollup.toBurn()) + rollup.toPool();
        return (credits, stakes + staking.held(), wallets + token.balanceOf(address(this)));
    }

    function held() external view returns (uint256 inRollup, uint256 inStaking, uint256 supply) {
        return (token.balanceOf(address(rollup)), token.balanceOf(address(staking)), token.totalSupply());
    }

    /// @dev The pool's part of every task whose worker was paid, sent or not: no more and no less.
    function checkPool() external view {
        uint256 tasks = (earnedBy[worker] + earnedBy[otherWorker]) / WORKER_PAID;
        eq(
            rollup.toPool() + token.balanceOf(address(epochs)),
            tasks * POOL_SHARE,
            "a fifth of workers' shares"
        );
    }

    function inPool() external view returns (uint256) {
        return token.balanceOf(address(epochs));
    }

    /// @dev What the chain says of every batch is what was done here, and settled only if proven.
    function checkBatches() external view {
        for (uint256 i; i < batches.length; ++i) {
            I.Batch memory batch = rollup.batch(uint64(i));
            eq(batch.settled, settledByUs[i], "settled chunks");
            require(batch.settled == 0 || batch.status == I.BatchStatus.Proven, "settled only if proven");
            require(batch.headerHash == headerHashes[i], "committed");
        }
        eq(rollup.nextBatchId(), batches.length, "ids");
    }

    /// @dev Each holding has its parts within it, and together they are all that is held.
    function checkHoldings() external view {
        uint256 sum;
        for (uint256 i; i < holdings.length; ++i) {
            IStaking.Holding memory h = staking.holdingOf(holdings[i]);
            sum += h.amount;
            require(h.amount == 0 || h.refund <= h.amount / 2, "at most half to the victim");
        }
        eq(staking.held(), sum, "held");
    }

    /// @dev The epochs know of the fees of tasks that workers were paid for, and of slashes: no more and no less.
    function checkWork() external view {
        address[2] memory both = [worker, otherWorker];
        for (uint256 i; i < 2; ++i) {
            IEpochs.Work memory w = epochs.workOf(both[i], epochs.current());
            eq(w.fees, earnedBy[both[i]] / WORKER_PAID * (PRICE / epochs.UNIT()), "fees of paid tasks");
            eq(w.faults, slashesOf[both[i]], "faults");
        }
    }

    /// @dev A nonce that was charged stays used.
    function checkNonces() external view {
        for (uint256 i; i < charged.length; ++i) {
            require(rollup.isUsed(charged[i].user, charged[i].nonce), "used");
        }
    }
}
