// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev What becomes of one order leaves its neighbours as they are.
contract OutcomesTest is RollupFixture {
    function setUp() external {
        _deploySystem();
        _fund();
    }

    /// @dev Settles three tasks: the middle one as `outcome`, the others paid.
    function _middle(Bundle memory b, I.Outcome outcome) private {
        _commit(b);
        I.Outcome[] memory outcomes = new I.Outcome[](3);
        (outcomes[0], outcomes[1], outcomes[2]) = (I.Outcome.Paid, outcome, I.Outcome.Paid);
        uint256 balance = rollup.balanceOf(otherUser);
        _expectOutcomes(b, 0, outcomes);
        _prove(b);
        eq(rollup.balanceOf(user), 1000 ether - 2 * uint256(PRICE), "neighbours");
        eq(rollup.balanceOf(worker), 2 * WORKER_PAID, "their worker");
        uint256 paid = outcome == I.Outcome.Paid ? PRICE : 0;
        if (outcome == I.Outcome.Unsigned) paid = PRICE - WORKER_SHARE;
        eq(rollup.balanceOf(otherUser), balance - paid, "the middle one");
        eq(
            rollup.balanceOf(PROVER),
            (2 * uint256(PRICE) + (paid == 0 ? 0 : PRICE)) * 5 / 100,
            "charged tasks"
        );
        require(
            rollup.isUsed(otherUser, b.orders[1].nonce) == (paid != 0 || outcome == I.Outcome.Used), "nonce"
        );
        require(rollup.isUsed(user, b.orders[0].nonce) && rollup.isUsed(user, b.orders[2].nonce), "nonces");
    }

    /// @dev Three tasks; the middle one has another user and another worker.
    function _three() private returns (Bundle memory b) {
        b = _draft(3, SLOTS);
        b.orders[1].user = otherUser;
        b.workers = new address[](2);
        (b.workers[0], b.workers[1]) = (worker, otherWorker);
        b.executors[1] = 1;
    }

    function testPaid() external {
        Bundle memory b = _three();
        _seal(b);
        _middle(b, I.Outcome.Paid);
        eq(rollup.balanceOf(otherWorker), WORKER_PAID, "worker");
    }

    function testUnsignedWithoutAnInvoice() external {
        Bundle memory b = _three();
        _seal(b);
        _putInvoice(b.chunks[0], 1, "");
        _middle(b, I.Outcome.Unsigned);
        eq(rollup.balanceOf(otherWorker), 0, "not paid");
    }

    function testShort() external {
        otherUser = _actor(0xA3);
        _deposit(otherUser, PRICE - 1);
        Bundle memory b = _three();
        _seal(b);
        _middle(b, I.Outcome.Short);
    }

    /// @dev Where its worker hasn't signed, a user has to have less.
    function testUnsignedOfAUserWhoCouldNotPayTheWorker() external {
        otherUser = _actor(0xA3);
        _deposit(otherUser, PRICE - WORKER_SHARE);
        Bundle memory b = _three();
        _seal(b);
        _putInvoice(b.chunks[0], 1, "");
        _middle(b, I.Outcome.Unsigned);
        eq(rollup.balanceOf(otherUser), 0, "all of it");
    }

    function testUsedInAnEarlierBatch() external {
        Bundle memory a = _draft(1, SLOTS);
        a.orders[0].user = otherUser;
        _seal(a);
        _all(a);
        uint256 earned = rollup.balanceOf(worker);
        vm.prank(worker);
        rollup.requestExit(earned);
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(worker);
        rollup.claimExit();
        a = _three();
        a.orders[1].nonce = 0;
        _seal(a);
        _commit(a);
        I.Outcome[] memory outcomes = new I.Outcome[](3);
        (outcomes[0], outcomes[1], outcomes[2]) = (I.Outcome.Paid, I.Outcome.Used, I.Outcome.Paid);
        _expectOutcomes(a, 0, outcomes);
        _prove(a);
        eq(rollup.balanceOf(otherUser), 1000 ether - PRICE, "charged once");
        eq(rollup.balanceOf(worker), 2 * WORKER_PAID, "neighbours");
        eq(rollup.balanceOf(otherWorker), 0, "not paid");
    }

    function testUsedInTheSameChunk() external {
        Bundle memory b = _draft(3, SLOTS);
        b.orders[1] = b.orders[0];
        _seal(b);
        _commit(b);
        I.Outcome[] memory outcomes = new I.Outcome[](3);
        (outcomes[0], outcomes[1], outcomes[2]) = (I.Outcome.Paid, I.Outcome.Used, I.Outcome.Paid);
        _expectOutcomes(b, 0, outcomes);
        _prove(b);
        eq(rollup.balanceOf(user), 1000 ether - 2 * uint256(PRICE), "charged once each");
    }

    function testLate() external {
        Bundle memory b = _three();
        b.orders[1].deadline = b.header.openedAt - 1;
        _seal(b);
        _middle(b, I.Outcome.Late);
    }

    function testADeadlineAtTheOpeningIsInTime() external {
        Bundle memory b = _three();
        b.orders[1].deadline = b.header.openedAt;
        _seal(b);
        vm.warp(block.timestamp + 9 minutes);
        _middle(b, I.Outcome.Paid);
    }

    function testDear() external {
        Bundle memory b = _three();
        b.orders[1].maxFee = PRICE - 1;
        _seal(b);
        _middle(b, I.Outcome.Dear);
    }

    function testTheMaximumIsTheMost() external {
        Bundle memory b = _three();
        b.orders[1].maxFee = PRICE;
        _seal(b);
        _middle(b, I.Outcome.Paid);
    }

    function _forge(Bundle memory b, bytes memory signature) private pure {
        bytes memory all = b.chunks[0].signatures;
        for (uint256 i; i < 64; ++i) {
            all[64 + i] = signature[i];
        }
    }

    function testForgedByAnother() external {
        Bundle memory b = _three();
        _seal(b);
        _forge(b, _signCompact(user, rollup.orderDigest(b.orders[1])));
        _middle(b, I.Outcome.Forged);
    }

    function testForgedFromNothing() external {
        Bundle memory b = _three();
        _seal(b);
        _forge(b, new bytes(64));
        _middle(b, I.Outcome.Forged);
    }

    function testForgedForNobody() external {
        Bundle memory b = _three();
        b.orders[1].user = address(0);
        keyOf[address(0)] = 0xA2;
        _seal(b);
        _forge(b, new bytes(64));
        _commit(b);
        _prove(b);
        eq(rollup.balanceOf(user), 1000 ether - 2 * uint256(PRICE), "neighbours");
        require(!rollup.isUsed(address(0), b.orders[1].nonce), "nobody");
    }

    /// @dev The other `s` of the same signature is nobody's.
    function testForgedWithAHighS() external {
        Bundle memory b = _three();
        _seal(b);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf[otherUser], rollup.orderDigest(b.orders[1]));
        uint256 n = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        // Compact signatures have no bit for such an `s`, but for one in 2^128: what is left of it is another number.
        uint256 high = n - uint256(s);
        _forge(b, abi.encodePacked(r, bytes32(high & (1 << 255) - 1 | uint256(28 - v) << 255)));
        _middle(b, I.Outcome.Forged);
    }

    /// @dev Every field of an order is signed.
    function testForgedByEveryChangedField() external {
        for (uint256 field; field < 7; ++field) {
            Bundle memory b = _draft(1, SLOTS);
            _seal(b);
            bytes memory signatures = b.chunks[0].signatures;
            I.Order memory o = b.orders[0];
            if (field == 0) o.user = otherUser;
            if (field == 1) b.header.modelId = _model(SLOTS, PRICE + 1);
            if (field == 2) o.inputHash ^= bytes32(uint256(1));
            if (field == 3) ++o.maxFee;
            if (field == 4) ++o.deadline;
            if (field == 5) ++o.nonce;
            if (field == 6) o.tag ^= bytes32(uint256(1));
            _seal(b);
            b.chunks[0].signatures = signatures;
            _commit(b);
            I.Outcome[] memory outcomes = new I.Outcome[](1);
            outcomes[0] = I.Outcome.Forged;
            _expectOutcomes(b, 0, outcomes);
            _prove(b);
        }
        eq(rollup.balanceOf(user) + rollup.balanceOf(otherUser), 2000 ether, "nothing charged");
        eq(
            rollup.balanceOf(PROVER) + rollup.balanceOf(DEVELOPER) + rollup.balanceOf(worker),
            0,
            "nobody paid"
        );
    }

    function testForgedOnAnotherChain() external {
        Bundle memory b = _bundle(1);
        bytes memory signatures = b.chunks[0].signatures;
        vm.chainId(block.chainid + 1);
        b.header.chainId = block.chainid;
        _seal(b);
        b.chunks[0].signatures = signatures;
        _commit(b);
        I.Outcome[] memory outcomes = new I.Outcome[](1);
        outcomes[0] = I.Outcome.Forged;
        _expectOutcomes(b, 0, outcomes);
        _prove(b);
    }

    /// @dev All at once, in one chunk.
    function testEveryOutcomeInOneChunk() external {
        Bundle memory b = _draft(8, 64);
        b.workers = new address[](2);
        (b.workers[0], b.workers[1]) = (worker, otherWorker);
        b.executors[1] = 1;
        b.orders[2].user = _actor(0xA3);
        b.orders[3].nonce = b.orders[0].nonce;
        b.orders[4].deadline = 0;
        b.orders[5].maxFee = 0;
        _seal(b);
        _putInvoice(b.chunks[0], 1, "");
        b.chunks[0].signatures[6 * 64] ^= 0x01;
        _commit(b);
        I.Outcome[] memory outcomes = new I.Outcome[](8);
        for (uint256 i; i < 7; ++i) {
            outcomes[i] = I.Outcome(i + 1);
        }
        outcomes[7] = I.Outcome.Paid;
        _expectOutcomes(b, 0, outcomes);
        _prove(b);
        eq(rollup.balanceOf(user), 1000 ether - 3 * uint256(PRICE) + WORKER_SHARE, "user");
        eq(rollup.balanceOf(worker), 2 * WORKER_PAID, "worker");
    }
}
