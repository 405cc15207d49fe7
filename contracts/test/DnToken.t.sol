// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {DnToken} from "../src/DnToken.sol";
import {TestBase} from "./base/TestBase.sol";

contract DnTokenTest is TestBase {
    address private constant MINTER = address(0x314);

    DnToken private token;

    function setUp() external {
        token = new DnToken(MINTER);
    }

    function testMintsTheSupplyToTheDeployer() external view {
        eq(token.totalSupply(), 1e27, "supply");
        eq(token.balanceOf(address(this)), 1e27, "deployer");
    }

    function testFuzzBurnShrinksTheSupply(uint256 amount) external {
        amount = bound(amount, 0, 1e27);
        token.burn(amount);
        eq(token.totalSupply(), 1e27 - amount, "supply");
    }

    function testFuzzMintsOnlyWhatBurned(uint256 burned, uint256 minted) external {
        burned = bound(burned, 0, 1e27);
        token.burn(burned);
        vm.expectRevert(abi.encodeWithSelector(DnToken.OnlyMinter.selector, address(this)));
        token.mint(address(this), 1);
        vm.startPrank(MINTER);
        if (minted > burned) {
            vm.expectRevert(abi.encodeWithSelector(DnToken.AboveMaxSupply.selector, 1e27 - burned, minted));
            token.mint(address(1), minted);
        } else {
            token.mint(address(1), minted);
            eq(token.totalSupply(), 1e27 - burned + minted, "supply");
            eq(token.balanceOf(address(1)), minted, "minted");
        }
        vm.stopPrank();
    }

    function testFuzzPermitApprovesOnce(uint256 amount) external {
        address owner = vm.addr(0xA1);
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 hash = keccak256(abi.encode(typehash, owner, address(this), amount, 0, block.timestamp));
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(0xA1, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), hash)));
        token.permit(owner, address(this), amount, block.timestamp, v, r, s);
        eq(token.allowance(owner, address(this)), amount, "allowance");
        vm.expectRevert();
        token.permit(owner, address(this), amount, block.timestamp, v, r, s);
    }
}
