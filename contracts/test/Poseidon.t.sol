// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Poseidon} from "../src/Poseidon.sol";
import {TestBase} from "./base/TestBase.sol";

/// @dev The vectors of core/testdata/commitment.json, which `poseidon-lite` made.
contract PoseidonTest is TestBase {
    string private vectors;

    function setUp() external {
        vectors = vm.readFile("../core/testdata/commitment.json");
    }

    function commit(bytes calldata values, uint256 salt) external pure returns (uint256) {
        return Poseidon.output(Poseidon.load(), values, salt);
    }

    function _at(uint256 i, string memory what) private pure returns (string memory) {
        bytes memory digit = new bytes(1);
        digit[0] = bytes1(uint8(48 + i));
        return string.concat(".commitments[", string(digit), what);
    }

    function testCommitmentsAreThoseOfCircomlib() external view {
        for (uint256 i; i < 10; ++i) {
            int256[] memory numbers = vm.parseJsonIntArray(vectors, _at(i, "].values"));
            bytes memory values = new bytes(numbers.length);
            for (uint256 k; k < values.length; ++k) {
                values[k] = bytes1(uint8(int8(numbers[k])));
            }
            uint256 salt = vm.parseJsonUint(vectors, _at(i, "].salt"));
            uint256 expected = vm.parseJsonUint(vectors, _at(i, "].output"));
            eq(this.commit(values, salt), expected, "commitment");
        }
    }

    /// @dev A salt is any word: it stands for what it leaves of the field's order.
    function testASaltIsTakenByTheFieldsOrder() external view {
        bytes memory values = hex"01ff7f80";
        uint256 order = Poseidon.FIELD;
        eq(this.commit(values, order + 7), this.commit(values, 7), "order and seven");
        eq(this.commit(values, order), this.commit(values, 0), "order");
        eq(this.commit(values, type(uint256).max), this.commit(values, type(uint256).max % order), "largest");
        require(this.commit(values, order - 1) != this.commit(values, 0), "another one");
    }

    function testAnOutputOfTenValuesTakesAtMost95000Gas() external view {
        this.commit(new bytes(10), 7);
        uint256 used = vm.lastCallGas().total;
        log("gas of a commitment", used);
        require(used < 95_000, "gas");
    }
}
