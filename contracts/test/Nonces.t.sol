// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Accounts} from "../src/Accounts.sol";
import {DnToken} from "../src/DnToken.sol";
import {TestBase} from "./base/TestBase.sol";

/// @dev Charges without a batch around them.
contract Charged is Accounts {
    constructor(DnToken token_) Accounts(token_, 1) {}

    enum Charge {
        Done,
        Short,
        Used
    }

    /// @dev As a settlement charges an order.
    function charge(address account, uint64 nonce, uint256 amount) external returns (Charge) {
        (Account storage a, uint256 slot, uint256 used) = _open(account, nonce >> 6);
        uint256 balance = _balance(slot);
        uint256 bit = 1 << (nonce & 63);
        if (used & bit != 0) return Charge.Used;
        if (balance < amount) return Charge.Short;
        _shut(account, a, slot, nonce >> 6, balance - amount, used | bit);
        return Charge.Done;
    }

    function credit(address account, uint256 amount) external {
        _credit(account, amount);
    }
}

/// @dev A nonce is good for one charge, whatever the order in which nonces come.
contract NoncesTest is TestBase {
    address private constant USER = address(0xA1);
    address private constant OTHER = address(0xA2);
    Charged private accounts;
    mapping(uint64 nonce => bool) private charged;

    function setUp() external {
        accounts = new Charged(new DnToken(address(1)));
        accounts.credit(USER, 1 ether);
    }

    function _charge(uint64 nonce) private {
        bool used = charged[nonce];
        require(accounts.isUsed(USER, nonce) == used, "known");
        uint256 balance = accounts.balanceOf(USER);
        Charged.Charge done = accounts.charge(USER, nonce, 3);
        require(done == (used ? Charged.Charge.Used : Charged.Charge.Done), "outcome");
        eq(accounts.balanceOf(USER), balance - (used ? 0 : 3), "balance");
        charged[nonce] = true;
        require(accounts.isUsed(USER, nonce), "used");
    }

    function testEveryNonceOfAWordOnce() external {
        for (uint64 i; i < 64; ++i) {
            _charge(i);
        }
        for (uint64 i; i < 64; ++i) {
            _charge(i);
        }
        require(!accounts.isUsed(USER, 64), "the next word");
        eq(accounts.balanceOf(USER), 1 ether - 64 * 3, "64 charges");
    }

    function testWordsBackAndForth() external {
        uint64[12] memory nonces = [uint64(5), 69, 5, 6, 69, 70, 200, 6, 7, 200, 69, 5];
        for (uint256 i; i < nonces.length; ++i) {
            _charge(nonces[i]);
        }
        require(
            !accounts.isUsed(USER, 8) && !accounts.isUsed(USER, 71) && !accounts.isUsed(USER, 201), "others"
        );
    }

    function testTheLastNonces() external {
        uint64 last = type(uint64).max;
        _charge(last);
        _charge(last);
        _charge(0);
        _charge(last);
        _charge(last - 63);
        _charge(last - 64);
        require(!accounts.isUsed(USER, last - 1), "its neighbour");
        eq(accounts.balanceOf(USER), 1 ether - 4 * 3, "four charges");
    }

    function testFuzzAnyNonces(uint64[16] memory nonces, uint64 near) external {
        for (uint256 i; i < nonces.length; ++i) {
            _charge(nonces[i]);
            unchecked {
                // Neighbours share words.
                _charge(near + uint64(nonces[i] & 255));
            }
            _charge(nonces[i]);
        }
    }

    function testAShortBalanceLeavesTheNonce() external {
        accounts.charge(USER, 70, 1);
        uint256 balance = accounts.balanceOf(USER);
        require(accounts.charge(USER, 3, balance + 1) == Charged.Charge.Short, "short");
        require(accounts.charge(USER, 3, type(uint256).max) == Charged.Charge.Short, "short");
        require(!accounts.isUsed(USER, 3) && accounts.isUsed(USER, 70), "nonces as before");
        require(accounts.charge(USER, 3, balance) == Charged.Charge.Done, "all of it");
        eq(accounts.balanceOf(USER), 0, "empty");
        require(accounts.charge(USER, 4, 1) == Charged.Charge.Short, "nothing left");
        require(accounts.charge(USER, 4, 0) == Charged.Charge.Done, "a free one");
    }

    function testAUsedNonceIsToldBeforeAShortBalance() external {
        accounts.charge(USER, 3, 1 ether);
        require(accounts.charge(USER, 3, 1 ether) == Charged.Charge.Used, "used");
    }

    function testAccountsHaveTheirOwnNonces() external {
        _charge(3);
        require(!accounts.isUsed(OTHER, 3), "another's");
        accounts.credit(OTHER, 9);
        require(accounts.charge(OTHER, 3, 9) == Charged.Charge.Done, "charged");
    }

    /// @dev Deposits and earnings change the balance's lane alone.
    function testFuzzCreditsLeaveNonces(uint128 amount) external {
        _charge(63);
        _charge(64);
        accounts.credit(USER, bound(amount, 0, 1e27));
        require(accounts.isUsed(USER, 63) && accounts.isUsed(USER, 64), "used");
        require(!accounts.isUsed(USER, 62) && !accounts.isUsed(USER, 65), "unused");
    }
}
