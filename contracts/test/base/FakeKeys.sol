// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IKeyCheck} from "../../src/interfaces/IKeyCheck.sol";

/// @dev Takes every contract for a key. Tests only.
contract FakeKeys is IKeyCheck {
    function check(address vk, uint256) external view {
        require(vk.code.length != 0, MissingVerifyingKey(vk));
    }
}
