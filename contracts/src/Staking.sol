// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {DnToken} from "./DnToken.sol";
import {IStaking} from "./interfaces/IStaking.sol";

/// @title Staking
/// @dev Invariant: the token balance is at least the sum of all bonded, unbonding and held stakes.
contract Staking is IStaking {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// @notice Longest life of an order when its batch is committed.
    uint64 public constant ORDER_LIFE = 1 days;
    /// @notice Longest time between a batch's commitment and its proof.
    uint64 public constant PROVING_WINDOW = 1 days;
    /// @notice Time to bring a proven fault to the chain.
    uint64 public constant CHALLENGE_TIME = 5 days;

    /// @notice Seconds between leaving and payout: a lie told in the last moment is proven and slashed before.
    uint64 public constant UNBONDING_DELAY = ORDER_LIFE + PROVING_WINDOW + CHALLENGE_TIME;

    /// @notice Most of a stake that one fault costs.
    uint256 public constant MAX_SLASH_PERCENT = 50;
    /// @notice Most of a holding that the victim gets.
    uint256 public constant MAX_REFUND_PERCENT = 50;
    /// @notice Part of a holding that the reporter gets.
    uint256 public constant REWARD_PERCENT = 20;

    /// @notice The staked token.
    DnToken public immutable token;

    /// @inheritdoc IStaking
    uint256 public immutable minimumStake;

    /// @inheritdoc IStaking
    uint256 public held;

    /// @inheritdoc IStaking
    mapping(address account => bool) public isSlasher;

    /// @notice Block in which a commitment was announced; zero if it was not.
    mapping(bytes32 commitment => uint256) public announcedIn;

    mapping(Role role => mapping(address account => Stake)) private _stakes;
    mapping(bytes32 id => Holding) private _holdings;

    constructor(DnToken token_, uint256 minimumStake_, address[] memory slashers) {
        require(address(token_) != address(0), ZeroAddress());
        require(minimumStake_ != 0, ZeroAmount());
        token = token_;
        minimumStake = minimumStake_;
        for (uint256 i; i < slashers.length; ++i) {
            require(slashers[i] != address(0), ZeroAddress());
            isSlasher[slashers[i]] = true;
        }
    }

    /// @inheritdoc IStaking
    function stake(Role role, uint256 amount) external {
        require(amount != 0, ZeroAmount());
        Stake storage s = _stakes[role][msg.sender];
        uint256 bonded = s.bonded + amount;
        require(bonded >= minimumStake, BelowMinimum(bonded, minimumStake));
        s.bonded = bonded.toUint128();
        emit Staked(msg.sender, role, amount);
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
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
        IERC20(token).safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IStaking
    function slash(Fault calldata fault) external returns (uint256 slashed) {
        require(isSlasher[msg.sender], OnlySlasher(msg.sender));
        require(fault.percent != 0 && fault.percent <= MAX_SLASH_PERCENT, PercentOutOfRange(fault.percent));
        bytes32 id = holdingId(msg.sender, fault.role, fault.account, fault.id);
        require(_holdings[id].releaseAt == 0, AlreadySlashed(id));
        slashed = _take(_stakes[fault.role][fault.account], fault.percent);
        if (slashed == 0) return 0;

        uint256 refund =
            fault.victim == address(0) ? 0 : Math.min(fault.refund, slashed * MAX_REFUND_PERCENT / 100);
        held += slashed;
        _holdings[id] = Holding({
            amount: slashed.toUint128(),
            refund: refund.toUint128(),
            victim: fault.victim,
            releaseAt: uint64(block.timestamp) + UNBONDING_DELAY,
            reporter: address(0),
            slashedIn: uint48(block.number),
            announcedIn: 0,
            evidence: fault.evidence
        });
        emit Slashed(fault.account, fault.role, id, slashed);
    }

    /// @inheritdoc IStaking
    function announce(bytes32 commitment) external {
        require(announcedIn[commitment] == 0, AlreadyAnnounced(commitment));
        announcedIn[commitment] = block.number;
        emit ReportAnnounced(commitment);
    }

    /// @inheritdoc IStaking
    function claimReward(bytes32 holding, bytes32 salt) external {
        Holding storage h = _holdings[holding];
        require(h.amount != 0 && h.evidence != 0, UnknownHolding(holding));
        bytes32 commitment = keccak256(abi.encode(msg.sender, h.evidence, salt));
        uint256 announced = announcedIn[commitment];
        require(announced != 0 && announced < h.slashedIn, NotAnnouncedBefore(commitment, h.slashedIn));
        require(
            h.reporter == address(0) || announced < h.announcedIn, AnnouncedLater(announced, h.announcedIn)
        );
        h.reporter = msg.sender;
        h.announcedIn = uint48(announced);
        emit RewardClaimed(holding, msg.sender);
    }

    /// @inheritdoc IStaking
    function payOut(bytes32 holding) external {
        Holding storage h = _holdings[holding];
        (uint256 amount, uint256 refund) = (h.amount, h.refund);
        require(amount != 0, UnknownHolding(holding));
        require(block.timestamp >= h.releaseAt, StillHeld(h.releaseAt));
        uint256 reward = h.reporter == address(0) ? 0 : amount * REWARD_PERCENT / 100;
        uint256 burned = amount - refund - reward;
        h.amount = 0;
        held -= amount;
        emit HoldingPaid(holding, refund, reward, burned);
        if (refund != 0) IERC20(token).safeTransfer(h.victim, refund);
        if (reward != 0) IERC20(token).safeTransfer(h.reporter, reward);
        token.burn(burned);
    }

    /// @inheritdoc IStaking
    function holdingId(address slasher, Role role, address account, bytes32 id)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(slasher, role, account, id));
    }

    /// @inheritdoc IStaking
    function holdingOf(bytes32 holding) external view returns (Holding memory) {
        return _holdings[holding];
    }

    /// @inheritdoc IStaking
    function stakeOf(Role role, address account) external view returns (Stake memory) {
        return _stakes[role][account];
    }

    /// @inheritdoc IStaking
    function bondedOf(Role role, address account) external view returns (uint256) {
        return _stakes[role][account].bonded;
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

    /// @dev Takes `percent` of the whole stake, rounded up, bonded tokens first.
    function _take(Stake storage s, uint256 percent) private returns (uint256 taken) {
        uint256 total = uint256(s.bonded) + s.unbonding;
        taken = (total * percent + 99) / 100;
        uint256 fromBonded = Math.min(taken, s.bonded);
        s.bonded -= fromBonded.toUint128();
        s.unbonding -= (taken - fromBonded).toUint128();
    }
}
