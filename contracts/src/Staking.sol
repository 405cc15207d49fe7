// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IStaking} from "./interfaces/IStaking.sol";

/// @title Staking
/// @dev Invariant: the token balance is at least the sum of all bonded and unbonding stakes.
contract Staking is IStaking {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// @notice Seconds between leaving and payout: longer than a batch may take to be proven and a receipt challenged.
    uint64 public constant UNBONDING_DELAY = 7 days;

    /// @notice Part of the whole stake that one proven fault costs.
    uint256 public constant SLASH_PERCENT = 50;

    /// @notice The staked token.
    IERC20 public immutable token;

    /// @inheritdoc IStaking
    uint256 public immutable minimumStake;

    /// @notice The only contract that can slash; zero until set.
    address public rollup;

    address private immutable _deployer;
    mapping(Role role => mapping(address account => Stake)) private _stakes;

    constructor(IERC20 token_, uint256 minimumStake_) {
        require(address(token_) != address(0), ZeroAddress());
        require(minimumStake_ != 0, ZeroAmount());
        token = token_;
        minimumStake = minimumStake_;
        _deployer = msg.sender;
    }

    /// @inheritdoc IStaking
    function setRollup(address rollup_) external {
        require(msg.sender == _deployer, OnlyDeployer(msg.sender));
        require(rollup == address(0), RollupAlreadySet(rollup));
        require(rollup_ != address(0), ZeroAddress());
        rollup = rollup_;
        emit RollupSet(rollup_);
    }

    /// @inheritdoc IStaking
    function stake(Role role, uint256 amount) external {
        require(amount != 0, ZeroAmount());
        Stake storage s = _stakes[role][msg.sender];
        uint256 bonded = s.bonded + amount;
        require(bonded >= minimumStake, BelowMinimum(bonded, minimumStake));
        s.bonded = bonded.toUint128();
        emit Staked(msg.sender, role, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IStaking
    function unbond(Role role, uint256 amount) external {
        require(amount != 0, ZeroAmount());
        Stake storage s = _stakes[role][msg.sender];
        require(amount <= s.bonded, InsufficientStake(s.bonded, amount));
        uint256 bonded = s.bonded - amount;
        require(bonded == 0 || bonded >= minimumStake, BelowMinimum(bonded, minimumStake));
        uint64 releaseAt = uint64(block.timestamp) + UNBONDING_DELAY;
        s.bonded = bonded.toUint128();
        s.unbonding = (s.unbonding + amount).toUint128();
        s.releaseAt = releaseAt;
        emit UnbondingStarted(msg.sender, role, amount, releaseAt);
    }

    /// @inheritdoc IStaking
    function withdraw(Role role) external {
        Stake storage s = _stakes[role][msg.sender];
        uint256 amount = s.unbonding;
        require(amount != 0, NothingToWithdraw(msg.sender, role));
        require(block.timestamp >= s.releaseAt, StillUnbonding(s.releaseAt));
        s.unbonding = 0;
        emit StakeWithdrawn(msg.sender, role, amount);
        token.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IStaking
    function slash(Role role, address account) external returns (uint256 slashed) {
        require(msg.sender == rollup, OnlyRollup(msg.sender));
        Stake storage s = _stakes[role][account];
        uint256 total = uint256(s.bonded) + s.unbonding;
        slashed = (total * SLASH_PERCENT + 99) / 100;
        uint256 fromBonded = slashed < s.bonded ? slashed : s.bonded;
        s.bonded -= fromBonded.toUint128();
        s.unbonding -= (slashed - fromBonded).toUint128();
        emit Slashed(account, role, slashed);
        if (slashed != 0) token.safeTransfer(msg.sender, slashed);
    }

    /// @inheritdoc IStaking
    function stakeOf(Role role, address account) external view returns (Stake memory) {
        return _stakes[role][account];
    }

    /// @inheritdoc IStaking
    function slashableOf(Role role, address account) external view returns (uint256) {
        Stake storage s = _stakes[role][account];
        return uint256(s.bonded) + s.unbonding;
    }

    /// @inheritdoc IStaking
    function isActive(Role role, address account) external view returns (bool) {
        return _stakes[role][account].bonded >= minimumStake;
    }
}
