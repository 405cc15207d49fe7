// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Validators, their pools of probes, and the draw of an epoch.
/// @notice Before an epoch begins a validator commits the questions that it will ask in it, with the answers that it
/// expects (`IProbes`). So neither the labels nor the choice of questions can follow the answers, and nobody but the
/// validator knows a probe before it is proven.
///
/// The draw comes from the hash of a block that does not exist yet when pools are committed. Each validator is drawn by
/// itself, with probability `SEATS * stake / stake of all pools`, at most one: up to that splitting a stake gains nothing,
/// above it each part may be drawn. Who makes the block can leave it out, which costs a block reward and buys one more
/// draw.
interface IValidators {
    event ValidatorRegistered(address indexed validator, uint32 epoch);
    event ValidatorRemoved(address indexed validator);
    event PoolCommitted(uint32 indexed epoch, address indexed validator, bytes32 root, uint256 stake);
    event EpochDrawn(uint32 indexed epoch, bytes32 seed);

    error ZeroAddress();
    error NotStaked(address account);
    error AlreadyRegistered(address account);
    error NotRegistered(address account);
    error StillActive(address account);
    error NoRoom(address replaced, uint256 bonded, uint256 needed);
    error EmptyRoot();
    error PoolAlreadyCommitted(uint32 epoch, address validator);
    error AlreadyDrawn(uint32 epoch);
    error DrawNotOpen(uint256 drawBlock);

    /// @notice Makes the caller, who must have a validator's stake, one of at most `MAX_VALIDATORS`.
    /// @param replaced Where there is no room: a validator with at most half the caller's stake, who loses the place.
    function register(address replaced) external;

    /// @notice Gives the caller's place up.
    function leave() external;

    /// @notice Removes a validator whose stake is below the minimum. Anyone may call it.
    function remove(address validator) external;

    /// @notice Commits the caller's probes of the next epoch, and the stake by which it may be drawn.
    /// @param root Merkle root of leaves `keccak256(keccak256(abi.encode(index, inputHash, tag)))`, pairs sorted: of each
    /// probe its place, the commitment to its input, and `keccak256(abi.encode(label, salt))`.
    function commitPool(bytes32 root) external;

    /// @notice Fixes who is drawn in this epoch, from the hash of block `drawBlock()`. Anyone may call it.
    /// @dev The hash is known to the chain for 8,191 blocks, or 256 without EIP-2935. Not drawn in time: nobody is.
    function draw() external;

    /// @notice Root of the pool that `validator` has committed for `epoch`; zero if there is none.
    function poolOf(uint32 epoch, address validator) external view returns (bytes32);

    /// @notice First batch that was committed after `epoch` was drawn; zero if nobody was drawn for it.
    function firstBatchOf(uint32 epoch) external view returns (uint64);

    /// @notice Whether `account` was drawn for `epoch`.
    function isDrawn(uint32 epoch, address account) external view returns (bool);

    /// @notice Whether `account` is registered and its stake active.
    function isValidator(address account) external view returns (bool);

    /// @notice Epoch in which `account` was registered; reverts with `NotRegistered`.
    function registeredIn(address account) external view returns (uint32);

    /// @notice Number of registered validators.
    function count() external view returns (uint256);
}
