// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RollupHandler} from "./base/RollupHandler.sol";
import {TestBase} from "./base/TestBase.sol";

/// @dev What holds whatever is done in whatever order.
contract InvariantsTest is TestBase {
    RollupHandler private handler;

    function setUp() external {
        handler = new RollupHandler();
    }

    // forge asks which contracts to call.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev Balances and what waits to be burned are backed, stakes and what is held of them to the wei, and every token
    /// is somewhere. Chunks settle once, and only if proven; nonces are charged once; only paid work is recorded.
    function invariantBooksAgree() external view {
        (uint256 credits, uint256 stakes, uint256 wallets) = handler.sums();
        (uint256 inRollup, uint256 inStaking, uint256 supply) = handler.held();
        require(inRollup >= credits, "rollup");
        eq(inStaking, stakes, "stakes");
        eq(wallets + inRollup + inStaking + handler.inPool(), supply, "supply");
        handler.checkPool();
        handler.checkBatches();
        handler.checkNonces();
        handler.checkHoldings();
        handler.checkWork();
    }

    /// @dev The handler reaches every step: the invariants are not about nothing.
    function testHandlerReachesEveryStep() external {
        handler.deposit(0, 20 ether - 1);
        handler.depositOwn(1, 5 ether);
        handler.donate(1);
        handler.commit(3, 77, false);
        handler.settleUnproven(0);
        handler.prove(0);
        handler.settle(0, 0);
        handler.settle(0, 0);
        handler.commit(7, 8, true);
        handler.proveAndSettle(1);
        handler.commit(7, 16, true);
        handler.prove(2);
        handler.settle(2, 1);
        eq(handler.settlements(), 4, "settlements");
        handler.slash(0, 0, true, true);
        handler.slash(0, 1, true, true);
        handler.slash(0, 0, false, false);
        eq(handler.slashes(), 2, "slashes");
        this.invariantBooksAgree();
        handler.requestExit(2, type(uint256).max);
        handler.cancelExit(2);
        handler.requestExit(2, type(uint256).max);
        handler.claimExit(2);
        handler.commit(1, 5, false);
        handler.wait(1);
        handler.expire(3);
        handler.stake(0, 0);
        handler.unbond(0);
        handler.withdrawStake(0);
        handler.passOn();
        handler.payOut(0);
        handler.payOut(0);
        eq(handler.payouts(), 1, "payouts");
        this.invariantBooksAgree();
    }
}
