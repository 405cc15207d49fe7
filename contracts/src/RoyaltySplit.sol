// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title RoyaltySplit
/// @notice Shares whatever DN arrives here among fixed accounts, by pull. Named as a model's payee in the registry it splits
/// its royalty. Nobody can change it.
contract RoyaltySplit {
    using SafeERC20 for IERC20;

    /// @notice The token that is split.
    IERC20 public immutable token;
    /// @notice Sum of all shares.
    uint256 public immutable totalShares;
    /// @notice Shares of an account.
    mapping(address account => uint256) public sharesOf;
    /// @notice What an account was paid, in token wei.
    mapping(address account => uint256) public paidTo;
    /// @notice What all were paid, in token wei.
    uint256 public paid;

    event Released(address indexed account, uint256 amount);

    error ZeroAddress();
    error WrongShares(uint256 accounts, uint256 shares);
    error AccountTwice(address account);
    error NothingToRelease(address account);

    constructor(IERC20 token_, address[] memory accounts, uint64[] memory shares) {
        require(address(token_) != address(0), ZeroAddress());
        require(
            accounts.length != 0 && accounts.length == shares.length,
            WrongShares(accounts.length, shares.length)
        );
        token = token_;
        uint256 total;
        for (uint256 i; i < accounts.length; ++i) {
            require(accounts[i] != address(0), ZeroAddress());
            require(shares[i] != 0, WrongShares(accounts.length, shares.length));
            require(sharesOf[accounts[i]] == 0, AccountTwice(accounts[i]));
            sharesOf[accounts[i]] = shares[i];
            total += shares[i];
        }
        totalShares = total;
    }

    /// @notice Pays an account its part. Anyone may call it.
    function release(address account) external {
        uint256 amount = dueTo(account);
        require(amount != 0, NothingToRelease(account));
        paidTo[account] += amount;
        paid += amount;
        emit Released(account, amount);
        token.safeTransfer(account, amount);
    }

    /// @notice What `release` would pay, in token wei.
    function dueTo(address account) public view returns (uint256) {
        return (token.balanceOf(address(this)) + paid) * sharesOf[account] / totalShares - paidTo[account];
    }
}
