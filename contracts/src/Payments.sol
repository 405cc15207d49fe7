// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Accounts} from "./Accounts.sol";
import {IEpochs} from "./interfaces/IEpochs.sol";
import {IInferenceRollup} from "./interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";

/// @title Payments
/// @dev From charged fees to their shares. What one call settles is summed first: each account is paid once, and each
/// worker's work is recorded once.
abstract contract Payments is IInferenceRollup, Accounts {
    using SafeERC20 for IERC20;

    /// @notice Shares of a fee, in percent. They sum to 100; rounding leaves dust to the treasury. Of the workers' share a
    /// part goes to the epochs' pool.
    uint256 public constant WORKER_PERCENT = 65;
    /// @notice Royalty of the model's developer.
    uint256 public constant DEVELOPER_PERCENT = 15;
    /// @notice Share of the validators.
    uint256 public constant VALIDATORS_PERCENT = 10;
    /// @notice Share of the prover.
    uint256 public constant PROVER_PERCENT = 5;
    /// @notice Burned.
    uint256 public constant BURN_PERCENT = 5;
    /// @notice Part of the workers' shares that the pool of the running epoch gets.
    uint256 public constant POOL_PERCENT = 20;

    /// @notice Keeps account of work and trust.
    IEpochs public immutable epochs;
    /// @notice Receives the validators' share.
    address public immutable validatorPool;
    /// @notice Receives the dust of rounding.
    address public immutable treasury;
    /// @notice Token wei that `passOn` will burn.
    uint128 public toBurn;
    /// @notice Token wei that `passOn` will send to the epochs: in the slot of `toBurn`.
    uint128 public toPool;

    /// @dev What a call has charged so far.
    struct Charges {
        uint256 charged; // tasks whose users have paid, with the worker's share or without
        IEpochs.Share[] shares; // of workers, their fees still zero; each stands here once
    }

    constructor(IEpochs epochs_, address validatorPool_, address treasury_) {
        require(
            address(epochs_) != address(0) && validatorPool_ != address(0) && treasury_ != address(0),
            ZeroAddress()
        );
        (epochs, validatorPool, treasury) = (epochs_, validatorPool_, treasury_);
    }

    /// @inheritdoc IInferenceRollup
    function passOn() external returns (uint256 burned, uint256 pooled) {
        (burned, pooled) = (toBurn, toPool);
        if (burned | pooled == 0) return (0, 0);
        (toBurn, toPool) = (0, 0);
        emit PassedOn(burned, pooled);
        token.burn(burned);
        IERC20(token).safeTransfer(address(epochs), pooled);
    }

    /// @dev An account of charges with room for each worker of each chunk.
    function _charges(Chunk[] calldata chunks) internal pure returns (Charges memory c) {
        uint256 most;
        for (uint256 i; i < chunks.length; ++i) {
            most += chunks[i].workers.length;
        }
        c.shares = new IEpochs.Share[](most);
        _setLength(c.shares, 0);
    }

    /// @dev Adds the tasks that a chunk's workers are paid for.
    function _addShares(Charges memory c, address[] calldata workers, uint256[] memory earned) internal {
        for (uint256 i; i < workers.length; ++i) {
            if (earned[i] == 0) continue;
            (address worker, uint256 at) = (workers[i], _placeOf(c, workers[i]));
            if (at == c.shares.length) {
                _setLength(c.shares, at + 1);
                c.shares[at].worker = worker;
                assembly ("memory-safe") {
                    tstore(worker, at)
                }
            }
            // At most 1,024 tasks.
            c.shares[at].items += uint32(earned[i]);
        }
    }

    /// @dev Whether the worker is paid for an earlier chunk of the call.
    function _isKnown(Charges memory c, address worker) internal view returns (bool) {
        return _placeOf(c, worker) != c.shares.length;
    }

    /// @dev Where the worker stands among the shares; their number if it does not.
    function _placeOf(Charges memory c, address worker) private view returns (uint256 at) {
        uint256 count = c.shares.length;
        // Where it stood last in this transaction; another call's place is held against who stands there.
        assembly ("memory-safe") {
            at := tload(worker)
        }
        if (at >= count || c.shares[at].worker != worker) return count;
    }

    /// @dev Pays what the charged fees owe, and tells the epochs of the work that was paid.
    function _pay(Charges memory c, IModelRegistry.ModelSpec memory spec, address prover) internal {
        if (c.charged == 0) return;
        (uint256 price, uint256 fees) = (spec.price, c.charged * spec.price);
        uint256 workerShare = _workerShare(price);
        (uint256 poolShare, uint256 answered) = (workerShare * POOL_PERCENT / 100, 0);
        for (uint256 i; i < c.shares.length; ++i) {
            IEpochs.Share memory s = c.shares[i];
            // What balances of 128 bits have paid.
            s.feesWei = uint128(s.items * price);
            _credit(s.worker, s.items * (workerShare - poolShare));
            answered += s.items;
        }
        uint256 rest = fees - c.charged * workerShare;
        uint256 developerShare = fees * DEVELOPER_PERCENT / 100;
        uint256 validatorShare = fees * VALIDATORS_PERCENT / 100;
        uint256 proverShare = fees * PROVER_PERCENT / 100;
        uint256 burned = fees * BURN_PERCENT / 100;
        _credit(spec.developer, developerShare);
        _credit(validatorPool, validatorShare);
        _credit(prover, proverShare);
        _credit(treasury, rest - developerShare - validatorShare - proverShare - burned);
        (toBurn, toPool) = (toBurn + uint128(burned), toPool + uint128(answered * poolShare));
        if (c.shares.length != 0) epochs.recordWork(spec.modelId, spec.workUnits, c.shares);
    }

    /// @dev What a task pays to its worker, and through the epochs' pool to all of them.
    function _workerShare(uint256 price) internal pure returns (uint256) {
        return price * WORKER_PERCENT / 100;
    }

    /// @dev Within what was allocated.
    function _setLength(IEpochs.Share[] memory shares, uint256 length) private pure {
        assembly ("memory-safe") {
            mstore(shares, length)
        }
    }
}
