// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Balances of DN inside the rollup, for whoever orders, works, proves or develops.
/// @notice What is deposited can be spent by signed orders at once and leaves by an exit: requested first, paid
/// `exitDelay` later. So nobody can take away what has been answered already, and nobody can stop an exit.
/// @dev Amounts are token wei. A nonce is good for one charge; those with equal `nonce / 64` share a storage word, so
/// consecutive nonces are cheap to settle and scattered ones dear.
interface IAccounts {
    /// @param amount Most that the exit pays.
    /// @param readyAt Unix seconds from which it can be claimed; zero when there is none.
    struct Exit {
        uint128 amount;
        uint64 readyAt;
    }

    event Deposited(address indexed account, address indexed payer, uint256 amount);
    event ExitRequested(address indexed account, uint256 amount, uint64 readyAt);
    event ExitCancelled(address indexed account);
    event ExitClaimed(address indexed account, uint256 amount);

    error ZeroAmount();
    error ZeroAddress();
    error InsufficientBalance(uint256 balance, uint256 requested);
    error NoExit(address account);
    error ExitNotReady(uint64 readyAt);

    /// @notice Adds `amount` DN, which the caller has approved, to the caller's balance.
    function deposit(uint256 amount) external;

    /// @notice Adds `amount` DN, which the caller has approved, to the balance of `account`.
    function depositFor(address account, uint256 amount) external;

    /// @notice As `deposit`, approved by the caller's EIP-2612 signature.
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Asks for `amount` of the caller's balance. Replaces an exit that was asked for before, and its time.
    /// @dev Until it is claimed, orders that were signed before are still charged; sequencers take no new ones for it.
    function requestExit(uint256 amount) external;

    /// @notice Takes the caller's request back.
    function cancelExit() external;

    /// @notice Pays the caller what it asked for, as far as the balance still has it. Nobody can stop or delay it.
    /// @return paid Token wei that were paid.
    function claimExit() external returns (uint256 paid);

    /// @notice Deposits and earnings of `account`, those asked for by an exit included.
    function balanceOf(address account) external view returns (uint256);

    /// @notice The balance of `account` less what an exit asks for: what new orders can count on.
    function spendableOf(address account) external view returns (uint256);

    /// @notice The exit that `account` has asked for.
    function exitOf(address account) external view returns (Exit memory);

    /// @notice Whether an order of `account` with this nonce has been charged.
    function isUsed(address account, uint64 nonce) external view returns (bool);

    /// @notice Seconds between an exit's request and its payment: at least the rollup's longest time to prove a batch and
    /// to settle it.
    function exitDelay() external view returns (uint64);
}
