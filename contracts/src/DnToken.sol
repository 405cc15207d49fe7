// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title DN, the token of deepnode.
/// @notice The whole supply is minted to the deployer. Afterwards one contract can mint, fixed at deployment, and only
/// in place of what was burned: there are never more tokens than at the start. There is no owner.
contract DnToken is ERC20, ERC20Burnable, ERC20Permit {
    /// @notice Tokens at the start, and most that ever exist: one billion, 18 decimals.
    uint256 public constant MAX_SUPPLY = 1_000_000_000 ether;

    /// @notice The only account that can mint: `Emission`.
    address public immutable minter;

    error OnlyMinter(address caller);
    error AboveMaxSupply(uint256 supply, uint256 amount);

    constructor(address minter_) ERC20("deepnode", "DN") ERC20Permit("deepnode") {
        minter = minter_;
        _mint(msg.sender, MAX_SUPPLY);
    }

    /// @notice Mints `amount` to `to`, up to `MAX_SUPPLY` tokens in existence.
    function mint(address to, uint256 amount) external {
        require(msg.sender == minter, OnlyMinter(msg.sender));
        require(amount <= MAX_SUPPLY - totalSupply(), AboveMaxSupply(totalSupply(), amount));
        _mint(to, amount);
    }
}
