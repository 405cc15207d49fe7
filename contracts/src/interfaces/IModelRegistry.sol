// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title Registry of model versions.
/// @notice A version never changes after registration. Its developer announces it by a hash, registers it in a later block
/// with a bond, and may then hand it on, stop it with notice, name who gets the royalty, and deprecate it for good, which
/// frees the bond. An announcement keeps others from registering the version first: they see it only when it is too late.
/// @dev Before signing an order a client derives the verifying key from the package and compares it with `vk`: the registry
/// knows that a key is a key (`IKeyCheck`), not of which package.
interface IModelRegistry {
    /// @param modelId Keccak-256 of the package file.
    /// @param vk Data contract that holds the verifying key; the weights are part of the key.
    /// @param batchSlots Tasks that one proof covers.
    /// @param workUnits Work of one task, from the circuit's shape.
    /// @param price Fee of one task, in token wei.
    /// @param nullInputHash Input commitment of a padding slot.
    /// @param developer Receives the royalty and may stop the model.
    /// @param service Task category in which the model competes, for example "digits".
    struct ModelSpec {
        bytes32 modelId;
        address vk;
        uint32 batchSlots;
        uint64 workUnits;
        uint128 price;
        bytes32 nullInputHash;
        address developer;
        string service;
    }

    event ModelAnnounced(bytes32 indexed commitment);
    event ModelRegistered(
        bytes32 indexed modelId, address indexed developer, string service, address vk, uint128 price
    );
    event ServiceNamed(bytes32 indexed serviceId, string name);
    event ModelActiveUntil(bytes32 indexed modelId, uint256 time);
    event ModelDeprecated(bytes32 indexed modelId, bytes32 indexed successor);
    event TransferOffered(bytes32 indexed modelId, address indexed from, address indexed to);
    event ModelTransferred(bytes32 indexed modelId, address indexed from, address indexed to);
    event PayeeSet(bytes32 indexed modelId, address indexed payee);
    event BondReturned(bytes32 indexed modelId, address indexed developer, uint256 amount);

    error ZeroAddress();
    error AlreadyAnnounced(bytes32 commitment);
    error NotAnnouncedBefore(bytes32 commitment);
    error ModelAlreadyRegistered(bytes32 modelId);
    error ModelNotFound(bytes32 modelId);
    error OnlyDeveloper(bytes32 modelId, address caller);
    error NotOffered(bytes32 modelId, address caller);
    error Deprecated(bytes32 modelId);
    error BondNotFree(bytes32 modelId);
    error BatchSlotsOutOfRange(uint32 batchSlots);
    error ServiceNameLength(uint256 length);
    error InvalidModel(bytes32 modelId);
    error NotAFieldElement(uint256 value);

    /// @notice Records that somebody is about to register a version: `keccak256(abi.encode(modelId, developer, salt))`.
    function announce(bytes32 commitment) external;

    /// @notice Registers a version that was announced in an earlier block, active at once, and takes the bond, which the
    /// caller has approved. The caller must be `spec.developer`.
    function register(ModelSpec calldata spec, bytes32 salt) external;

    /// @notice Stops a model, which takes effect after `NOTICE`, or resumes it: a stopped one gets no further batches,
    /// committed ones still settle.
    function setActive(bytes32 modelId, bool active) external;

    /// @notice Stops a model for good, with notice, in favour of `successor`, which may be zero. Its bond is free afterwards.
    function deprecate(bytes32 modelId, bytes32 successor) external;

    /// @notice Offers the developer's rights and duties to another account.
    function transfer(bytes32 modelId, address to) external;

    /// @notice Takes an offered model over, the bond and the royalty with it.
    function accept(bytes32 modelId) external;

    /// @notice Names who gets the royalty, for example a `RoyaltySplit`.
    function setPayee(bytes32 modelId, address payee) external;

    /// @notice Returns the bond of a deprecated model whose notice is over to its developer. Anyone may call it.
    function returnBond(bytes32 modelId) external;

    /// @notice Who gets the royalty: the developer, unless it has named somebody else.
    function payeeOf(bytes32 modelId) external view returns (address);

    /// @notice The registered version; reverts with `ModelNotFound`.
    function model(bytes32 modelId) external view returns (ModelSpec memory);

    /// @notice Whether the model is registered and not stopped.
    function isActive(bytes32 modelId) external view returns (bool);

    /// @notice Code hash of the verifying key's contract at registration. The key counts only while it is equal.
    function vkCodeHash(bytes32 modelId) external view returns (bytes32);
}
