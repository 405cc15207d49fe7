// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title DN, the token of deepnode.
/// @notice The whole supply is minted once, to the deployer. It can only shrink, by burning. There is no owner.
contract DnToken is ERC20, ERC20Burnable, ERC20Permit {
    /// @notice Tokens that will ever exist: one billion, 18 decimals.
    uint256 public constant INITIAL_SUPPLY = 1_000_000_000 ether;

    constructor() ERC20("deepnode", "DN") ERC20Permit("deepnode") {
        _mint(msg.sender, INITIAL_SUPPLY);
    }
}
