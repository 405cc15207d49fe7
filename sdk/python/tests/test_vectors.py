"""The vectors that Rust and JavaScript are held to: ``core/testdata/commitment.json``."""

import json
import unittest
from pathlib import Path

from deepnode.commitment import input_commitment, output_commitment
from deepnode.digest import tree
from deepnode.order import Asked, access_token, sign
from deepnode.poseidon import FIELD_ORDER, poseidon5
from deepnode.values import Chain, Model
from eth_account import Account

FILE = json.loads((Path(__file__).parents[3] / "core/testdata/commitment.json").read_text())
ZERO = "0x" + "00" * 20


def chain(of: dict) -> Chain:
    names = ("token", "registry", "staking", "sequencer")
    return Chain(of["chain_id"], of["rollup"], **dict.fromkeys(names, ZERO))


def model(of: dict) -> Model:
    codes = {name: (1.0,) for name in ("input_scale", "input_offset", "output_scale", "output_offset")}
    return Model(of["model_id"], "m", "s", 3, 2, **codes, classes=4, price=int(of["price"]), batch_slots=64, vk=ZERO)


class Vectors(unittest.TestCase):
    def test_commitments_are_those_of_rust(self):
        for case in FILE["commitments"]:
            salt = int(case["salt"], 16)
            self.assertEqual(input_commitment(case["values"], salt), int(case["input"], 16))
            self.assertEqual(output_commitment(case["values"], salt), int(case["output"], 16))

    def test_what_is_no_code_and_no_salt_is_refused(self):
        for values, salt in (([128], 1), ([-129], 1), ([0], FIELD_ORDER), ([0], -1)):
            with self.assertRaises(ValueError):
                input_commitment(values, salt)
        for elements in ([1] * 4, [1] * 6, [FIELD_ORDER, 0, 0, 0, 0]):
            with self.assertRaises(ValueError):
                poseidon5(elements)

    def test_a_digest_is_that_of_rust(self):
        leaves = [int(leaf, 16) for leaf in FILE["digest"]["leaves"]]
        self.assertEqual(tree(leaves)[0], int(FILE["digest"]["root"], 16))
        with self.assertRaises(ValueError):
            tree(leaves[:-1])

    def test_a_signed_order_is_that_of_rust(self):
        of = FILE["order"]
        body, on, account = of["body"], chain(of["chain"]), Account.from_key(of["key"])
        label = body["label"]
        asked = Asked(
            model(of["model"]),
            body["input"],
            int(body["salt"], 16),
            label["class"],
            account.address,
            body["order"]["deadline"],
            body["order"]["nonce"],
            bytes.fromhex(label["salt"][2:]),
        )
        (signed,) = sign(on, account, [asked])
        self.assertEqual(signed.body, body | {"order": body["order"] | {"user": body["order"]["user"].lower()}})
        self.assertEqual(signed.task_id(on), of["task_id"])

    def test_an_access_token_is_that_of_rust(self):
        """The vector of ``sdk/src/order.rs``."""
        account = Account.from_key("0x" + "01" * 32)
        token = access_token(chain({"chain_id": 31337, "rollup": "0x" + "07" * 20}), account, 1234)
        expected = (
            "0xa576b928fe45054136e32d14a77e488d8451849711920d72178ebb9f07c07724"
            "7357607aee96470fc302aeb7e1929271c9174d69746afab068bfd12851f4efab1b"
        )
        self.assertEqual(token, f"{account.address.lower()}.1234.{expected}")


if __name__ == "__main__":
    unittest.main()
