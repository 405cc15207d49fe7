// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {DnToken} from "../../src/DnToken.sol";
import {IEpochs} from "../../src/interfaces/IEpochs.sol";
import {IHalo2Verifier} from "../../src/interfaces/IHalo2Verifier.sol";
import {IInferenceRollup} from "../../src/interfaces/IInferenceRollup.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {Reports} from "../../src/Reports.sol";

/// @dev `InferenceRollup` as it is built. It is compiled by another pipeline than the tests, which would take minutes with
/// it, and whoever imports a contract is compiled as it is.
interface Rollup is IInferenceRollup {
    /// @dev `InferenceRollup.Config`.
    struct Config {
        DnToken token;
        IStaking staking;
        IModelRegistry registry;
        IHalo2Verifier verifier;
        IEpochs epochs;
        address sequencer;
        address validatorPool;
        address treasury;
        uint64 exitDelay;
    }

    function WORKER_PERCENT() external view returns (uint256);
    function DEVELOPER_PERCENT() external view returns (uint256);
    function VALIDATORS_PERCENT() external view returns (uint256);
    function PROVER_PERCENT() external view returns (uint256);
    function BURN_PERCENT() external view returns (uint256);
    function STATEMENT_VERSION() external view returns (uint256);
    function MAX_PROVING_WINDOW() external view returns (uint64);
    function SETTLING_WINDOW() external view returns (uint64);
    function POOL_PERCENT() external view returns (uint256);
    function toBurn() external view returns (uint128);
    function toPool() external view returns (uint128);
    function reports() external view returns (Reports);
}
