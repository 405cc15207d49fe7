// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IEpochs} from "./interfaces/IEpochs.sol";
import {IInferenceRollup} from "./interfaces/IInferenceRollup.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {IValidators} from "./interfaces/IValidators.sol";

/// @title Validators
contract Validators is IValidators {
    using SafeCast for uint256;

    /// @notice Most validators: bounds the median of an epoch.
    uint256 public constant MAX_VALIDATORS = 16;
    /// @notice Validators that an epoch's draw chooses, on average.
    uint256 public constant SEATS = 4;
    /// @notice Blocks from an epoch's start to the one whose hash draws.
    uint256 public constant DRAW_DELAY = 2;

    /// @dev A pool of probes. `stake` is its validator's when it was committed.
    struct Pool {
        bytes32 root;
        uint256 stake;
    }

    /// @dev Place in `_validators` plus one, and the epoch of registration.
    struct Place {
        uint32 number;
        uint32 epoch;
    }

    /// @notice Where validators' stakes are.
    IStaking public immutable staking;
    /// @notice Tells the epoch.
    IEpochs public immutable epochs;

    /// @notice Randomness of an epoch's draw; zero until drawn.
    mapping(uint32 epoch => bytes32) public seedOf;
    /// @inheritdoc IValidators
    mapping(uint32 epoch => uint64) public firstBatchOf;
    /// @notice Stake of all pools of an epoch.
    mapping(uint32 epoch => uint256) public stakeOf;

    /// @dev A validator's pool for an epoch.
    mapping(uint32 epoch => mapping(address validator => Pool)) private _poolOf;

    address[] private _validators;
    mapping(address account => Place) private _places;

    constructor(IStaking staking_, IEpochs epochs_) {
        require(address(staking_) != address(0) && address(epochs_) != address(0), ZeroAddress());
        staking = staking_;
        epochs = epochs_;
    }

    /// @inheritdoc IValidators
    function register(address replaced) external {
        require(staking.isActive(IStaking.Role.Validator, msg.sender), NotStaked(msg.sender));
        require(_places[msg.sender].number == 0, AlreadyRegistered(msg.sender));
        if (_validators.length == MAX_VALIDATORS) {
            uint256 bonded = staking.bondedOf(IStaking.Role.Validator, msg.sender);
            uint256 needed = 2 * staking.bondedOf(IStaking.Role.Validator, replaced);
            require(bonded >= needed, NoRoom(replaced, bonded, needed));
            _remove(replaced);
        }
        _validators.push(msg.sender);
        uint32 epoch = epochs.current();
        _places[msg.sender] = Place(uint32(_validators.length), epoch);
        emit ValidatorRegistered(msg.sender, epoch);
    }

    /// @inheritdoc IValidators
    function leave() external {
        _remove(msg.sender);
    }

    /// @inheritdoc IValidators
    function remove(address validator) external {
        require(!staking.isActive(IStaking.Role.Validator, validator), StillActive(validator));
        _remove(validator);
    }

    /// @inheritdoc IValidators
    function commitPool(bytes32 root) external {
        require(isValidator(msg.sender), NotRegistered(msg.sender));
        require(root != 0, EmptyRoot());
        uint32 epoch = epochs.current() + 1;
        require(_poolOf[epoch][msg.sender].root == 0, PoolAlreadyCommitted(epoch, msg.sender));
        uint256 stake = staking.bondedOf(IStaking.Role.Validator, msg.sender);
        _poolOf[epoch][msg.sender] = Pool(root, stake);
        stakeOf[epoch] += stake;
        emit PoolCommitted(epoch, msg.sender, root, stake);
    }

    /// @inheritdoc IValidators
    function draw() external {
        uint32 epoch = epochs.current();
        require(seedOf[epoch] == 0, AlreadyDrawn(epoch));
        bytes32 hash = Blockhash.blockHash(drawBlock());
        require(hash != 0, DrawNotOpen(drawBlock()));
        bytes32 seed = keccak256(abi.encode(address(this), epoch, hash));
        seedOf[epoch] = seed;
        firstBatchOf[epoch] = IInferenceRollup(epochs.rollup()).nextBatchId();
        emit EpochDrawn(epoch, seed);
    }

    /// @inheritdoc IValidators
    function poolOf(uint32 epoch, address validator) external view returns (bytes32) {
        return _poolOf[epoch][validator].root;
    }

    /// @inheritdoc IValidators
    function isDrawn(uint32 epoch, address account) public view returns (bool) {
        bytes32 seed = seedOf[epoch];
        uint256 stake = _poolOf[epoch][account].stake;
        if (seed == 0 || stake == 0) return false;
        uint256 lot = uint256(keccak256(abi.encode(seed, account))) >> 128;
        return Math.mulDiv(lot, stakeOf[epoch], 1 << 128) < SEATS * stake;
    }

    /// @inheritdoc IValidators
    function isValidator(address account) public view returns (bool) {
        return _places[account].number != 0 && staking.isActive(IStaking.Role.Validator, account);
    }

    /// @inheritdoc IValidators
    function registeredIn(address account) external view returns (uint32) {
        Place memory place = _places[account];
        require(place.number != 0, NotRegistered(account));
        return place.epoch;
    }

    /// @inheritdoc IValidators
    function count() external view returns (uint256) {
        return _validators.length;
    }

    /// @notice The registered validators, in no order.
    function all() external view returns (address[] memory) {
        return _validators;
    }

    /// @notice Block whose hash draws the current epoch.
    function drawBlock() public view returns (uint256) {
        return epochs.startBlock() + DRAW_DELAY;
    }

    /// @dev The last one takes the place that becomes free.
    function _remove(address validator) private {
        uint256 number = _places[validator].number;
        require(number != 0, NotRegistered(validator));
        address last = _validators[_validators.length - 1];
        _validators[number - 1] = last;
        _places[last].number = uint32(number);
        _validators.pop();
        delete _places[validator];
        emit ValidatorRemoved(validator);
    }
}
