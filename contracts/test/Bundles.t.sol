// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IInferenceRollup as I} from "../src/interfaces/IInferenceRollup.sol";
import {RollupFixture} from "./base/RollupFixture.sol";

/// @dev Orders that are signed together, and settle wherever they land.
contract BundlesTest is RollupFixture {
    function setUp() external {
        _deploySystem();
        _fund();
    }

    /// @dev `size` orders of the user from nonce `first` on, with one signature.
    function _orders(uint256 size, uint64 first) private returns (I.Order[] memory all) {
        all = new I.Order[](size);
        nextNonce = first;
        for (uint256 i; i < size; ++i) {
            all[i] = _order(user, _model(64));
        }
    }

    /// @dev A batch of those orders of a bundle that the mask names.
    function _some(I.Order[] memory all, uint256 mask) private returns (Bundle memory b) {
        uint256 count;
        for (uint256 i; i < all.length; ++i) {
            count += mask >> i & 1;
        }
        b = _draft(count, 64);
        (b.wholes, b.wholeOf) = (new I.Order[][](1), new uint8[](count));
        b.wholes[0] = all;
        count = 0;
        for (uint256 i; i < all.length; ++i) {
            if (mask >> i & 1 == 0) continue;
            (b.orders[count], b.wholeOf[count]) = (all[i], 1);
            ++count;
        }
    }

    function _expect(Bundle memory b, I.Outcome outcome) private {
        I.Outcome[] memory outcomes = new I.Outcome[](b.orders.length);
        for (uint256 i; i < outcomes.length; ++i) {
            outcomes[i] = outcome;
        }
        _expectOutcomes(b, 0, outcomes);
        _prove(b);
    }

    function _isPaid(uint256 tasks) private view {
        eq(rollup.balanceOf(worker), tasks * WORKER_PAID, "worker");
        eq(rollup.balanceOf(user), 1000 ether - tasks * PRICE, "user");
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzzABundleIsPaidInTwoBatches(uint256 size, uint256 first, uint256 mask) external {
        size = bound(size, 2, 64);
        I.Order[] memory all = _orders(size, uint64(bound(first, 0, 64 - size) + 64 * bound(mask, 0, 9)));
        uint256 full = (1 << size) - 1;
        mask = bound(mask, 1, full - 1);
        Bundle memory b = _some(all, mask);
        _seal(b);
        _commit(b);
        _expect(b, I.Outcome.Paid);
        Bundle memory c = _some(all, full ^ mask);
        _seal(c);
        _commit(c);
        _expect(c, I.Outcome.Paid);
        _isPaid(size);
    }

    function testABundleWithStrangersAroundIt() external {
        Bundle memory b = _some(_orders(5, 64), 0x16);
        Bundle memory c = _draft(5, 64);
        (c.wholes, c.wholeOf) = (b.wholes, new uint8[](5));
        for (uint256 i; i < 3; ++i) {
            (c.orders[i + 1], c.wholeOf[i + 1]) = (b.orders[i], 1);
        }
        (c.orders[0].user, c.orders[4].user) = (otherUser, otherUser);
        _seal(c);
        eq(c.chunks[0].signatures.length, 3 * 64, "signatures");
        _all(c);
        eq(rollup.balanceOf(worker), 5 * WORKER_PAID, "worker");
        eq(rollup.balanceOf(user), 1000 ether - 3 * uint256(PRICE), "user");
    }

    function testChunksEachHaveTheirPart() external {
        Bundle memory b = _draft(64, 70);
        for (uint256 i; i < 64; ++i) {
            b.orders[i].nonce = 128 + uint64(i);
            b.orders[i].deadline = b.header.deadline;
        }
        _join(b, 64);
        _seal(b);
        eq(b.chunks[1].signatures.length, 64, "one signature");
        _all(b);
        _isPaid(64);
    }

    function testRejectsAnOrderTwice() external {
        I.Order[] memory all = _orders(5, 64);
        Bundle memory b = _some(all, 0x0b);
        _seal(b);
        _all(b);
        b = _some(all, 0x1e);
        _seal(b);
        _commit(b);
        I.Outcome[] memory outcomes = new I.Outcome[](4);
        (outcomes[0], outcomes[2]) = (I.Outcome.Used, I.Outcome.Used);
        (outcomes[1], outcomes[3]) = (I.Outcome.Paid, I.Outcome.Paid);
        _expectOutcomes(b, 0, outcomes);
        _prove(b);
        _isPaid(5);
    }

    /// @dev An order by itself and one in a bundle: one nonce, one charge.
    function testRejectsAnOrderByItselfAndInItsBundle() external {
        I.Order[] memory all = _orders(3, 64);
        Bundle memory b = _draft(1, 64);
        b.orders[0] = _order(user, b.header.modelId);
        b.orders[0].nonce = 65;
        _seal(b);
        _all(b);
        b = _some(all, 2);
        _seal(b);
        _commit(b);
        _expect(b, I.Outcome.Used);
    }

    function testABalanceThatEndsWithinABundle() external {
        vm.prank(user);
        rollup.requestExit(1000 ether - 2 * uint256(PRICE));
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(user);
        rollup.claimExit();
        Bundle memory b = _some(_orders(4, 64), 15);
        _seal(b);
        _commit(b);
        I.Outcome[] memory outcomes = new I.Outcome[](4);
        (outcomes[0], outcomes[1]) = (I.Outcome.Paid, I.Outcome.Paid);
        (outcomes[2], outcomes[3]) = (I.Outcome.Short, I.Outcome.Short);
        _expectOutcomes(b, 0, outcomes);
        _prove(b);
        eq(rollup.balanceOf(user), 0, "all of it");
        require(!rollup.isUsed(user, 66), "not used");
    }

    function testABundleThatIsLateOrDear() external {
        I.Order[] memory all = _orders(5, 64);
        for (uint256 i; i < 5; ++i) {
            all[i].maxFee = PRICE - 1;
        }
        Bundle memory b = _some(all, 0x15);
        _seal(b);
        _commit(b);
        _expect(b, I.Outcome.Dear);
        for (uint256 i; i < 5; ++i) {
            all[i].deadline = uint64(block.timestamp - 1);
        }
        b = _some(all, 0x0a);
        _seal(b);
        _commit(b);
        _expect(b, I.Outcome.Late);
        _isPaid(0);
    }

    /// @dev Every field of a bundle is signed, and every order of it.
    function testForgedByEveryChangedField() external {
        for (uint256 field; field < 9; ++field) {
            I.Order[] memory all = _orders(4, 64);
            Bundle memory b = _some(all, 5);
            _seal(b);
            bytes memory signatures = b.chunks[0].signatures;
            if (field == 8) {
                I.Order[] memory more = _orders(5, 64);
                for (uint256 i; i < 4; ++i) {
                    more[i] = all[i];
                }
                all = more;
            }
            for (uint256 i; i < 4; ++i) {
                if (field == 0) all[i].user = otherUser;
                if (field == 1) all[i].modelId = MODEL;
                if (field == 2) ++all[i].maxFee;
                if (field == 3) ++all[i].deadline;
                if (field == 4) ++all[i].nonce;
            }
            if (field == 5) all[0].inputHash ^= bytes32(uint256(1));
            if (field == 6) all[3].inputHash ^= bytes32(uint256(1));
            if (field == 7) all[3].tag ^= bytes32(uint256(1));
            b = _some(all, 5);
            if (field == 1) b.header.modelId = _model(64, PRICE + 1);
            _seal(b);
            b.chunks[0].signatures = signatures;
            _commit(b);
            _expect(b, I.Outcome.Forged);
        }
        _isPaid(0);
    }

    /// @dev Two orders of a bundle in each other's place: neither was signed so.
    function testForgedByAnotherPlace() external {
        I.Order[] memory all = _orders(4, 64);
        Bundle memory b = _some(all, 3);
        (b.orders[0], b.orders[1]) = (all[1], all[0]);
        _seal(b);
        b.chunks[0].orders[28] = 0x03;
        _resealSlots(b);
        _commit(b);
        _expect(b, I.Outcome.Forged);
    }

    /// @dev The slots were changed by hand.
    function _resealSlots(Bundle memory b) private view {
        b.slotHashes[0] = _slotsHash(b.chunks[0]);
        b.header.slotsHash = keccak256(abi.encodePacked(b.slotHashes));
        _bind(b);
        _reprove(b);
        _sealInvoices(b);
    }

    /// @dev An inner node is no leaf: the number of leaves is signed.
    function testForgedByAnInnerNode() external {
        I.Order[] memory all = _orders(4, 64);
        (bytes32[] memory inputs,) = _leaves(all);
        I.Order[] memory two = _orders(2, 64);
        two[0].inputHash = keccak256(abi.encode(inputs[0], inputs[1]));
        two[1].inputHash = keccak256(abi.encode(inputs[2], inputs[3]));
        Bundle memory b = _some(two, 3);
        _seal(b);
        b.chunks[0].signatures = _signCompact(user, rollup.bundleDigest(_whole(all)));
        _commit(b);
        _expect(b, I.Outcome.Forged);
    }

    function testOnlyTheSequencerLeavesABundlesSignatureOut() external {
        Bundle memory b = _some(_orders(4, 64), 6);
        _seal(b);
        b.chunks[0].signatures[5] ^= 0x01;
        _commit(b);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(I.OnlySequencer.selector, STRANGER));
        rollup.proveBatch(b.header, b.proof, b.slotHashes, b.chunks);
    }

    function testRejectsMoreAndFewerSiblings() external {
        Bundle memory b = _some(_orders(8, 64), 6);
        _seal(b);
        _commit(b);
        bytes32[] memory siblings = b.chunks[0].siblings;
        eq(siblings.length, 3, "siblings");
        b.chunks[0].siblings = _append(siblings, 0);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, 3, 4));
        b.chunks[0].siblings = new bytes32[](2);
        (b.chunks[0].siblings[0], b.chunks[0].siblings[1]) = (siblings[0], siblings[1]);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, 3, 2));
    }

    /// @dev A sibling that is none makes the orders nobody's: they cost nobody anything but the sequencer.
    function testAnotherSiblingIsForged() external {
        Bundle memory b = _some(_orders(8, 64), 6);
        _seal(b);
        _commit(b);
        b.chunks[0].siblings[1] ^= bytes32(uint256(1));
        _expect(b, I.Outcome.Forged);
        _isPaid(0);
    }

    function _isNoBundle(uint8 size, uint64 members, uint64 nonce) private {
        Bundle memory b = _some(_orders(2, 64), 3);
        _seal(b);
        bytes memory orders = b.chunks[0].orders;
        bytes memory changed = abi.encodePacked(size, members);
        for (uint256 i; i < changed.length; ++i) {
            orders[20 + i] = changed[i];
        }
        for (uint256 i; i < 8; ++i) {
            orders[53 + i] = bytes8(nonce)[i];
        }
        _resealSlots(b);
        _commit(b);
        _proveReverts(b, abi.encodeWithSelector(I.WrongBundle.selector, 0));
    }

    function testRejectsWhatIsNoBundle() external {
        _isNoBundle(0, 0, 64);
        _isNoBundle(2, 0, 64);
        _isNoBundle(2, 6, 64);
        _isNoBundle(1, 3, 64);
        _isNoBundle(65, 3, 64);
        _isNoBundle(2, 3, 127);
        _isNoBundle(64, 3, 65);
    }

    function testRejectsMoreAndFewerMembersThanTasks() external {
        Bundle memory b = _some(_orders(4, 64), 3);
        _seal(b);
        b.chunks[0].orders[28] = 0x07;
        _resealSlots(b);
        _commit(b);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, 3, 2));
        b = _some(_orders(4, 64), 3);
        _seal(b);
        b.chunks[0].orders[28] = 0x01;
        _resealSlots(b);
        _commit(b);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, 1, 2));
    }

    function _labelled(uint256 mask, uint256 labelled) private returns (Bundle memory b) {
        I.Order[] memory all = _orders(6, 64);
        b = _some(all, mask);
        for (uint256 i; i < b.orders.length; ++i) {
            if (labelled >> i & 1 == 0) continue;
            (b.labels[i], b.salts[i]) = (i + 3, keccak256(abi.encode("salt", i)));
            b.orders[i].tag = keccak256(abi.encode(b.labels[i] - 1, b.salts[i]));
        }
        _seal(b);
        _commit(b);
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzzLabelsThatABundlesTagsBind(uint256 mask, uint256 labelled) external {
        Bundle memory b = _labelled(bound(mask, 1, 63), labelled);
        _expect(b, I.Outcome.Paid);
    }

    function testRejectsLabelsThatABundlesTagsDoNotBind() external {
        Bundle memory b = _labelled(0x2d, 5);
        b.chunks[0].salts[1] = 0;
        _proveReverts(b, abi.encodeWithSelector(I.WrongLabel.selector, 0));
        b = _labelled(0x2d, 5);
        b.chunks[0].tagSiblings[0] = 0;
        _proveReverts(b, abi.encodeWithSelector(I.WrongLabel.selector, 0));
        b = _labelled(0x2d, 5);
        uint256 siblings = b.chunks[0].tagSiblings.length;
        b.chunks[0].tagSiblings = _append(b.chunks[0].tagSiblings, 0);
        _proveReverts(b, abi.encodeWithSelector(I.WrongLength.selector, siblings, siblings + 1));
    }

    function testALiarsVictimIsTheBundlesUser() external {
        Bundle memory b = _some(_orders(4, 64), 10);
        _seal(b);
        _all(b);
        I.Receipt memory r = _receipt(b, 1, 7);
        bytes memory signature = _sign(worker, rollup.receiptDigest(r));
        rollup.slashReceipt(b.header, b.chunks[0], _opening(b, 0), 1, r, signature);
        bytes32 id = _holdingId(b.header.batchId, worker);
        eq(staking.holdingOf(id).refund, PRICE, "refund");
        require(staking.holdingOf(id).victim == user, "victim");
    }
}
