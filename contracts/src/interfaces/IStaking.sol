// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Stakes of the nodes that do the work.
/// @notice A stake is kept per role. Leaving takes `UNBONDING_DELAY`; until the tokens are withdrawn they stay
/// slashable. Only the slashers, contracts that were named at deployment, slash, and only on an objective proof.
///
/// What is slashed is held as long as unbonding takes, so that a slash by one's own hand is no faster way out. Then the
/// fault's victim and its reporter are paid and the rest burns: the victim at most half, the reporter a fifth, so that
/// more burns than the reporter gets.
///
/// A reward takes two steps, so that nobody copies a report out of the queue: first `announce` a hash of reporter,
/// evidence and a salt; then have the fault slashed in a later block; then open the hash with `claimReward`. Of several
/// reporters the one that announced first is paid.
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

    /// @notice A proven fault, as a slasher states it.
    /// @param percent Part of the whole stake that it costs, 1 to `MAX_SLASH_PERCENT`.
    /// @param id Names the fault among those of the slasher, role and account: one id is slashed once.
    /// @param evidence Hash of what only a witness knows, for example of a signature. Zero: nobody is rewarded.
    /// @param victim Receives the refund.
    /// @param refund Most that the victim gets, in token wei.
    struct Fault {
        Role role;
        address account;
        uint256 percent;
        bytes32 id;
        bytes32 evidence;
        address victim;
        uint256 refund;
    }

    /// @notice Slashed stake that is not paid out yet.
    /// @param amount All of it, in token wei.
    /// @param refund Part of the victim.
    /// @param releaseAt Unix seconds from which it is paid.
    /// @param slashedIn Block of the slash.
    /// @param announcedIn Block of the announcement that `reporter` has opened; zero if nobody has.
    struct Holding {
        uint128 amount;
        uint128 refund;
        address victim;
        uint64 releaseAt;
        address reporter;
        uint48 slashedIn;
        uint48 announcedIn;
        bytes32 evidence;
    }

    event Staked(address indexed account, Role indexed role, uint256 amount);
    event UnbondingStarted(address indexed account, Role indexed role, uint256 amount, uint64 releaseAt);
    event StakeWithdrawn(address indexed account, Role indexed role, uint256 amount);
    event Slashed(address indexed account, Role indexed role, bytes32 indexed holding, uint256 amount);
    event ReportAnnounced(bytes32 indexed commitment);
    event RewardClaimed(bytes32 indexed holding, address indexed reporter);
    event HoldingPaid(bytes32 indexed holding, uint256 refunded, uint256 rewarded, uint256 burned);

    error ZeroAmount();
    error ZeroAddress();
    error BelowMinimum(uint256 bonded, uint256 minimum);
    error InsufficientStake(uint256 bonded, uint256 requested);
    error NothingToWithdraw(address account, Role role);
    error StillUnbonding(uint64 releaseAt);
    error OnlySlasher(address caller);
    error PercentOutOfRange(uint256 percent);
    error AlreadySlashed(bytes32 holding);
    error AlreadyAnnounced(bytes32 commitment);
    error NotAnnouncedBefore(bytes32 commitment, uint256 slashedIn);
    error AnnouncedLater(uint256 announcedIn, uint256 earlier);
    error UnknownHolding(bytes32 holding);
    error StillHeld(uint64 releaseAt);

    /// @notice Adds `amount` DN, which the caller has approved, to the caller's stake as `role`.
    /// @dev The stake must reach `minimumStake`.
    function stake(Role role, uint256 amount) external;

    /// @notice Starts to take `amount` out. Restarts the delay of whatever is already unbonding.
    /// @dev What remains bonded is zero or at least `minimumStake`.
    function unbond(Role role, uint256 amount) external;

    /// @notice Pays the unbonded tokens to the caller once the delay is over.
    function withdraw(Role role) external;

    /// @notice Takes `fault.percent` of the account's stake, rounded up, bonded tokens first, and holds it.
    /// @return slashed Amount taken; zero when there is no stake, and then the fault may be slashed again.
    function slash(Fault calldata fault) external returns (uint256 slashed);

    /// @notice Records that somebody knows something: `keccak256(abi.encode(reporter, evidence, salt))`.
    function announce(bytes32 commitment) external;

    /// @notice Names the caller as the reporter of a fault whose evidence it announced before the slash, and before
    /// whoever is named so far.
    function claimReward(bytes32 holding, bytes32 salt) external;

    /// @notice Pays victim and reporter of a fault and burns the rest. Anyone may call it once the time is over.
    function payOut(bytes32 holding) external;

    /// @notice Key of a fault's holding: `keccak256(abi.encode(slasher, role, account, id))`.
    function holdingId(address slasher, Role role, address account, bytes32 id)
        external
        pure
        returns (bytes32);

    /// @notice A holding; all zero before the slash. After it was paid `amount` is zero and `releaseAt` remains.
    function holdingOf(bytes32 holding) external view returns (Holding memory);

    /// @notice Tokens in holdings.
    function held() external view returns (uint256);

    /// @notice The stake of `account` as `role`.
    function stakeOf(Role role, address account) external view returns (Stake memory);

    /// @notice The bonded stake of `account` as `role`.
    function bondedOf(Role role, address account) external view returns (uint256);

    /// @notice Bonded plus unbonding stake, all of it slashable.
    function slashableOf(Role role, address account) external view returns (uint256);

    /// @notice Whether the bonded stake reaches `minimumStake`.
    function isActive(Role role, address account) external view returns (bool);

    /// @notice Whether the contract may slash.
    function isSlasher(address account) external view returns (bool);

    /// @notice Smallest bonded stake, in token wei.
    function minimumStake() external view returns (uint256);
}
