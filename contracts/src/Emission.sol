// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {DnToken} from "./DnToken.sol";
import {IEmission} from "./interfaces/IEmission.sol";

/// @title Emission
/// @dev Invariant: 10 * minted <= 9 * burned.
contract Emission is IEmission {
    /// @notice Tenths of what burned that are minted.
    uint256 public constant TENTHS = 9;

    /// @notice Token wei of the smallest amount that is minted: 10^-6 DN.
    uint256 public constant UNIT = 1e12;

    /// @notice The token that it mints.
    DnToken public immutable token;

    /// @notice Receives what is minted.
    address public immutable epochs;

    /// @inheritdoc IEmission
    uint256 public immutable cap;

    /// @inheritdoc IEmission
    uint256 public minted;

    /// @notice Part of `burned` that earlier emissions have counted or left out.
    uint256 public counted;

    constructor(DnToken token_, address epochs_, uint256 cap_) {
        require(address(token_) != address(0) && epochs_ != address(0), ZeroAddress());
        token = token_;
        epochs = epochs_;
        cap = cap_;
    }

    /// @inheritdoc IEmission
    function emitEpoch(uint256 until, uint256 excluded) external returns (uint256 amount) {
        require(msg.sender == epochs, OnlyEpochs(msg.sender));
        uint256 counts = until - counted;
        amount = Math.min(counts * TENTHS / 10, cap) / UNIT * UNIT;
        counted = until + excluded;
        minted += amount;
        emit Emitted(counts, amount);
        if (amount != 0) token.mint(epochs, amount);
    }

    /// @inheritdoc IEmission
    function burned() public view returns (uint256) {
        return token.MAX_SUPPLY() + minted - token.totalSupply();
    }
}
