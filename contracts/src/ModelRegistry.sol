// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IKeyCheck} from "./interfaces/IKeyCheck.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {FIELD_ORDER} from "./Field.sol";

/// @title ModelRegistry
/// @dev Invariant: the token balance is at least `bond` for each version whose bond was not returned.
contract ModelRegistry is IModelRegistry {
    using SafeERC20 for IERC20;

    /// @notice Most slots a batch may have: bounds the loops of settlement.
    /// @dev A batch's word in the rollup has twenty bits for settled chunks: 1,204 slots.
    uint32 public constant MAX_BATCH_SLOTS = 1024;

    /// @notice Most bytes of a service name.
    uint256 public constant MAX_SERVICE_BYTES = 64;

    /// @notice From the order to stop a model to its stop: the longest life of an order.
    uint64 public constant NOTICE = 1 days;

    /// @dev `activeUntil` of a model that nobody has stopped.
    uint64 private constant FOREVER = type(uint64).max;

    /// @dev A version. Its developer stands in `spec` of the interface, too.
    struct Version {
        address vk;
        uint32 batchSlots;
        uint64 workUnits;
        address developer;
        uint64 activeUntil;
        bool isDeprecated;
        bool isBonded;
        uint128 price;
        bytes32 nullInputHash;
        bytes32 serviceId;
    }

    /// @notice Says whether a key is one.
    IKeyCheck public immutable keys;
    /// @notice The token of bonds.
    IERC20 public immutable token;
    /// @notice What a version's developer leaves here until it is deprecated, in token wei.
    uint256 public immutable bond;

    /// @notice Block of an announcement; zero if there was none.
    mapping(bytes32 commitment => uint256) public announcedIn;
    /// @notice Name of a service by its hash.
    mapping(bytes32 serviceId => string) public serviceName;
    /// @notice Whom a model is offered to.
    mapping(bytes32 modelId => address) public offeredTo;
    /// @inheritdoc IModelRegistry
    mapping(bytes32 modelId => bytes32) public vkCodeHash;

    mapping(bytes32 modelId => Version) private _versions;
    mapping(bytes32 modelId => address) private _payees;

    constructor(IKeyCheck keys_, IERC20 token_, uint256 bond_) {
        require(address(keys_) != address(0) && address(token_) != address(0), ZeroAddress());
        keys = keys_;
        token = token_;
        bond = bond_;
    }

    /// @inheritdoc IModelRegistry
    function announce(bytes32 commitment) external {
        require(announcedIn[commitment] == 0, AlreadyAnnounced(commitment));
        announcedIn[commitment] = block.number;
        emit ModelAnnounced(commitment);
    }

    /// @inheritdoc IModelRegistry
    function register(ModelSpec calldata spec, bytes32 salt) external {
        bytes32 id = spec.modelId;
        require(id != 0 && spec.workUnits != 0, InvalidModel(id));
        require(_versions[id].developer == address(0), ModelAlreadyRegistered(id));
        require(msg.sender == spec.developer, OnlyDeveloper(id, msg.sender));
        bytes32 commitment = keccak256(abi.encode(id, spec.developer, salt));
        uint256 announced = announcedIn[commitment];
        require(announced != 0 && announced < block.number, NotAnnouncedBefore(commitment));
        require(
            spec.batchSlots != 0 && spec.batchSlots <= MAX_BATCH_SLOTS, BatchSlotsOutOfRange(spec.batchSlots)
        );
        require(uint256(spec.nullInputHash) < FIELD_ORDER, NotAFieldElement(uint256(spec.nullInputHash)));
        keys.check(spec.vk, spec.batchSlots);

        _versions[id] = Version({
            vk: spec.vk,
            batchSlots: spec.batchSlots,
            workUnits: spec.workUnits,
            developer: spec.developer,
            activeUntil: FOREVER,
            isDeprecated: false,
            isBonded: bond != 0,
            price: spec.price,
            nullInputHash: spec.nullInputHash,
            serviceId: _name(spec.service)
        });
        vkCodeHash[id] = spec.vk.codehash;
        emit ModelRegistered(id, spec.developer, spec.service, spec.vk, spec.price);
        if (bond != 0) token.safeTransferFrom(msg.sender, address(this), bond);
    }

    /// @inheritdoc IModelRegistry
    function setActive(bytes32 modelId, bool active) external {
        Version storage v = _own(modelId);
        require(!v.isDeprecated, Deprecated(modelId));
        if (active) {
            v.activeUntil = FOREVER;
            emit ModelActiveUntil(modelId, FOREVER);
        } else {
            _stop(modelId, v);
        }
    }

    /// @inheritdoc IModelRegistry
    function deprecate(bytes32 modelId, bytes32 successor) external {
        Version storage v = _own(modelId);
        require(!v.isDeprecated, Deprecated(modelId));
        require(successor == 0 || _versions[successor].developer != address(0), ModelNotFound(successor));
        v.isDeprecated = true;
        emit ModelDeprecated(modelId, successor);
        _stop(modelId, v);
    }

    /// @inheritdoc IModelRegistry
    function transfer(bytes32 modelId, address to) external {
        _own(modelId);
        offeredTo[modelId] = to;
        emit TransferOffered(modelId, msg.sender, to);
    }

    /// @inheritdoc IModelRegistry
    function accept(bytes32 modelId) external {
        require(msg.sender == offeredTo[modelId], NotOffered(modelId, msg.sender));
        Version storage v = _versions[modelId];
        emit ModelTransferred(modelId, v.developer, msg.sender);
        v.developer = msg.sender;
        delete offeredTo[modelId];
        delete _payees[modelId];
    }

    /// @inheritdoc IModelRegistry
    function setPayee(bytes32 modelId, address payee) external {
        _own(modelId);
        _payees[modelId] = payee;
        emit PayeeSet(modelId, payee);
    }

    /// @inheritdoc IModelRegistry
    function returnBond(bytes32 modelId) external {
        Version storage v = _versions[modelId];
        require(v.isDeprecated && v.isBonded && block.timestamp >= v.activeUntil, BondNotFree(modelId));
        v.isBonded = false;
        emit BondReturned(modelId, v.developer, bond);
        token.safeTransfer(v.developer, bond);
    }

    /// @inheritdoc IModelRegistry
    function model(bytes32 modelId) external view returns (ModelSpec memory) {
        Version storage v = _known(modelId);
        return ModelSpec({
            modelId: modelId,
            vk: v.vk,
            batchSlots: v.batchSlots,
            workUnits: v.workUnits,
            price: v.price,
            nullInputHash: v.nullInputHash,
            developer: v.developer,
            service: serviceName[v.serviceId]
        });
    }

    /// @inheritdoc IModelRegistry
    function isActive(bytes32 modelId) external view returns (bool) {
        return block.timestamp < _versions[modelId].activeUntil;
    }

    /// @inheritdoc IModelRegistry
    function payeeOf(bytes32 modelId) external view returns (address payee) {
        payee = _payees[modelId];
        if (payee == address(0)) payee = _known(modelId).developer;
    }

    /// @notice Unix seconds at which the model stops; the largest number if nobody has stopped it.
    function activeUntil(bytes32 modelId) external view returns (uint64) {
        return _versions[modelId].activeUntil;
    }

    function _known(bytes32 modelId) private view returns (Version storage v) {
        v = _versions[modelId];
        require(v.developer != address(0), ModelNotFound(modelId));
    }

    function _own(bytes32 modelId) private view returns (Version storage v) {
        v = _known(modelId);
        require(msg.sender == v.developer, OnlyDeveloper(modelId, msg.sender));
    }

    /// @dev Gives notice, unless it has been given.
    function _stop(bytes32 modelId, Version storage v) private {
        if (v.activeUntil == FOREVER) v.activeUntil = uint64(block.timestamp) + NOTICE;
        emit ModelActiveUntil(modelId, v.activeUntil);
    }

    /// @dev Id of a service, whose name is stored with its first version.
    function _name(string calldata name) private returns (bytes32 serviceId) {
        uint256 length = bytes(name).length;
        require(length != 0 && length <= MAX_SERVICE_BYTES, ServiceNameLength(length));
        serviceId = keccak256(bytes(name));
        if (bytes(serviceName[serviceId]).length != 0) return serviceId;
        serviceName[serviceId] = name;
        emit ServiceNamed(serviceId, name);
    }
}
