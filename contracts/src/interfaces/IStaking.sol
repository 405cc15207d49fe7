// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Stakes of the nodes that do the work.
/// @notice A stake is kept per role. Leaving takes `UNBONDING_DELAY`; until the tokens are withdrawn they stay
/// slashable. Only the rollup slashes, and only on an objective proof.
interface IStaking {
    /// @notice What a node puts its stake up for.
    enum Role {
        Worker,
        Prover,
        Validator
    }

    /// @param bonded Active stake.
    /// @param unbonding Stake on its way out, still slashable.
    /// @param releaseAt Unix seconds from which `unbonding` can be withdrawn.
    struct Stake {
        uint128 bonded;
        uint128 unbonding;
        uint64 releaseAt;
    }

    event Staked(address indexed account, Role indexed role, uint256 amount);
    event UnbondingStarted(address indexed account, Role indexed role, uint256 amount, uint64 releaseAt);
    event StakeWithdrawn(address indexed account, Role indexed role, uint256 amount);
    event Slashed(address indexed account, Role indexed role, uint256 amount);
    event RollupSet(address indexed rollup);

    error ZeroAmount();
    error ZeroAddress();
    error BelowMinimum(uint256 bonded, uint256 minimum);
    error InsufficientStake(uint256 bonded, uint256 requested);
    error NothingToWithdraw(address account, Role role);
    error StillUnbonding(uint64 releaseAt);
    error OnlyRollup(address caller);
    error OnlyDeployer(address caller);
    error RollupAlreadySet(address rollup);

    /// @notice Adds `amount` DN, which the caller has approved, to the caller's stake as `role`.
    /// @dev The stake must reach `minimumStake`.
    function stake(Role role, uint256 amount) external;

    /// @notice Starts to take `amount` out. Restarts the delay of whatever is already unbonding.
    /// @dev What remains bonded is zero or at least `minimumStake`.
    function unbond(Role role, uint256 amount) external;

    /// @notice Pays the unbonded tokens to the caller once the delay is over.
    function withdraw(Role role) external;

    /// @notice Takes `SLASH_PERCENT` of the account's stake, rounded up, bonded tokens first, and sends it to the rollup.
    /// @return slashed Amount taken; zero when there is no stake.
    function slash(Role role, address account) external returns (uint256 slashed);

    /// @notice Names the rollup. The deployer can do it once; the deployer has no other power.
    function setRollup(address rollup) external;

    /// @notice The stake of `account` as `role`.
    function stakeOf(Role role, address account) external view returns (Stake memory);

    /// @notice Bonded plus unbonding stake, all of it slashable.
    function slashableOf(Role role, address account) external view returns (uint256);

    /// @notice Whether the bonded stake reaches `minimumStake`.
    function isActive(Role role, address account) external view returns (bool);

    /// @notice Smallest bonded stake, in token wei.
    function minimumStake() external view returns (uint256);
}
