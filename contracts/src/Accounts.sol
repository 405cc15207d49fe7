// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {DnToken} from "./DnToken.sol";
import {IAccounts} from "./interfaces/IAccounts.sol";

/// @title Accounts
/// @dev Invariant: the token balance is at least the sum of all balances and of what waits to be burned.
///
/// One storage slot holds what settling an order reads and writes: `balance 128 | word 64 | used 64`. `used` has a bit
/// for each of the 64 nonces of `word = nonce / 64`, the lowest first; the bits of all other words stand in `_used`, four
/// words to a slot.
abstract contract Accounts is IAccounts {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    uint256 private constant BALANCE_AT = 128;
    uint256 private constant WORD_AT = 64;
    uint256 private constant BITS = type(uint64).max;

    /// @notice The token of fees and stakes.
    DnToken public immutable token;
    /// @inheritdoc IAccounts
    uint64 public immutable exitDelay;

    /// @dev Named so that its place is computed once where it is read and written.
    struct Account {
        uint256 slot;
    }

    mapping(address account => Account) private _accounts;
    mapping(address account => mapping(uint256 words => uint256)) private _used;
    mapping(address account => Exit) private _exits;

    constructor(DnToken token_, uint64 exitDelay_) {
        require(address(token_) != address(0), ZeroAddress());
        token = token_;
        exitDelay = exitDelay_;
    }

    /// @inheritdoc IAccounts
    function deposit(uint256 amount) external {
        _deposit(msg.sender, amount);
    }

    /// @inheritdoc IAccounts
    function depositFor(address account, uint256 amount) external {
        require(account != address(0), ZeroAddress());
        _deposit(account, amount);
    }

    /// @inheritdoc IAccounts
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        // Whoever copies the signature and is faster has given the same approval: only the deposit must not fail.
        try token.permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(msg.sender, amount);
    }

    /// @inheritdoc IAccounts
    function requestExit(uint256 amount) external {
        require(amount != 0, ZeroAmount());
        uint256 balance = balanceOf(msg.sender);
        require(amount <= balance, InsufficientBalance(balance, amount));
        uint64 readyAt = uint64(block.timestamp) + exitDelay;
        _exits[msg.sender] = Exit(amount.toUint128(), readyAt);
        emit ExitRequested(msg.sender, amount, readyAt);
    }

    /// @inheritdoc IAccounts
    function cancelExit() external {
        require(_exits[msg.sender].readyAt != 0, NoExit(msg.sender));
        delete _exits[msg.sender];
        emit ExitCancelled(msg.sender);
    }

    /// @inheritdoc IAccounts
    function claimExit() external returns (uint256 paid) {
        Exit memory exit = _exits[msg.sender];
        require(exit.readyAt != 0, NoExit(msg.sender));
        require(block.timestamp >= exit.readyAt, ExitNotReady(exit.readyAt));
        delete _exits[msg.sender];
        uint256 balance = balanceOf(msg.sender);
        paid = exit.amount < balance ? exit.amount : balance;
        _accounts[msg.sender].slot -= paid << BALANCE_AT;
        emit ExitClaimed(msg.sender, paid);
        IERC20(token).safeTransfer(msg.sender, paid);
    }

    /// @inheritdoc IAccounts
    function balanceOf(address account) public view returns (uint256) {
        return _accounts[account].slot >> BALANCE_AT;
    }

    /// @inheritdoc IAccounts
    function spendableOf(address account) external view returns (uint256) {
        (uint256 balance, uint256 leaving) = (balanceOf(account), _exits[account].amount);
        return balance < leaving ? 0 : balance - leaving;
    }

    /// @inheritdoc IAccounts
    function exitOf(address account) external view returns (Exit memory) {
        return _exits[account];
    }

    /// @inheritdoc IAccounts
    function isUsed(address account, uint64 nonce) external view returns (bool) {
        (uint256 slot, uint256 word) = (_accounts[account].slot, nonce >> 6);
        uint256 used = word == slot >> WORD_AT & BITS ? slot : _stored(account, word);
        return used >> (nonce & 63) & 1 != 0;
    }

    function _deposit(address account, uint256 amount) private {
        require(amount != 0, ZeroAmount());
        _credit(account, amount);
        emit Deposited(account, msg.sender, amount);
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @dev The supply is far below 2^128, so no balance overflows.
    function _credit(address account, uint256 amount) internal {
        if (amount != 0) _accounts[account].slot += amount << BALANCE_AT;
    }

    /// @dev An account as it is stored, and which nonces of a word it has used.
    function _open(address account, uint256 word)
        internal
        view
        returns (Account storage a, uint256 slot, uint256 used)
    {
        a = _accounts[account];
        slot = a.slot;
        used = word == slot >> WORD_AT & BITS ? slot & BITS : _stored(account, word);
    }

    /// @dev The balance in an account's slot.
    function _balance(uint256 slot) internal pure returns (uint256) {
        return slot >> BALANCE_AT;
    }

    /// @dev Stores what `_open` has read with another balance and more used nonces. Their word becomes the one beside the
    /// balance.
    function _shut(
        address account,
        Account storage a,
        uint256 slot,
        uint256 word,
        uint256 balance,
        uint256 used
    ) internal {
        uint256 current = slot >> WORD_AT & BITS;
        // A word only ever gains bits.
        if (word != current && slot & BITS != 0) {
            _used[account][current >> 2] |= (slot & BITS) << _shift(current);
        }
        a.slot = balance << BALANCE_AT | word << WORD_AT | used;
    }

    /// @dev The used nonces of a word that does not stand beside the balance.
    function _stored(address account, uint256 word) private view returns (uint256) {
        return _used[account][word >> 2] >> _shift(word) & BITS;
    }

    /// @dev Where a word stands in its slot.
    function _shift(uint256 word) private pure returns (uint256) {
        return (word & 3) << 6;
    }
}
