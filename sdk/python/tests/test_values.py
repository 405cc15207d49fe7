"""Codes, bundles, nonces and events."""

import json
import secrets
import unittest
from dataclasses import replace

import numpy as np
from deepnode.bundle import MAX_SIZE, climb, path
from deepnode.errors import Unanswered, Untrue
from deepnode.events import EventReader
from deepnode.order import Nonces, ask, sign
from deepnode.session import _answer
from deepnode.values import ANSWERED, Task
from eth_account import Account
from test_vectors import FILE, chain, model

MODEL = model(FILE["order"]["model"])


class Values(unittest.TestCase):
    def test_inputs_are_quantised_as_everywhere(self):
        of = replace(MODEL, input_len=4, input_scale=(10.0,), input_offset=(0.0,))
        self.assertEqual(of.quantise([-1, 4.9, 25, 35]), [0, 0, 3, 4])
        pairs = replace(of, input_scale=(1.0, 2.0), input_offset=(0.0, 1.0))
        self.assertEqual(pairs.quantise([[1, 2], [3, 5]]), [1, 2, 1, 2])
        self.assertEqual(of.quantise([1e9, -1e9, 1270, -1281]), [127, -128, 127, -128])
        # Numbers of 64 bits come to 2 and 39.
        for scale, value, code in ((0.34, 0.85, 3), (0.056, 2.156, 38)):
            self.assertEqual(replace(of, input_len=1, input_scale=(scale,)).quantise([value]), [code])
        two = replace(of, output_scale=(2.0, 4.0), output_offset=(1.0, 0.0))
        np.testing.assert_array_equal(two.dequantise([3, -1]), np.float32([7, -4]))

    def test_what_cannot_be_quantised_is_refused(self):
        for values in ([1, 2], [1, 2, float("nan")], [1, float("inf"), 2], [[1, 2], [3, 4]]):
            with self.assertRaises(ValueError):
                MODEL.quantise(values)

    def test_every_leaf_leads_to_its_root(self):
        for size in (1, 2, 3, 5, 31, 64):
            leaves = [secrets.token_bytes(32) for _ in range(size)]
            roots = {climb(leaf, size, i, path(leaves, i)) for i, leaf in enumerate(leaves)}
            self.assertEqual(len(roots), 1)
        partners = path(leaves, 3)
        for index, found in ((64, partners), (3, partners[1:]), (3, [*partners, partners[0]])):
            with self.assertRaises(ValueError):
                climb(leaves[3], 64, index, found)
        self.assertNotEqual(climb(leaves[3], 64, 4, partners), roots.pop())

    def test_orders_of_a_word_of_nonces_have_one_signature(self):
        account, on = Account.create(), chain(FILE["order"]["chain"])
        asked = ask(MODEL, account.address, [[0, 1, 2]] * 70, [None] * 70, 1900000000, 3 * MAX_SIZE - 5)
        signed = sign(on, account, asked)
        self.assertEqual([len({one.signature for one in signed[a:b]}) for a, b in ((0, 5), (5, 69), (69, 70))], [1] * 3)
        self.assertEqual(len({one.signature for one in signed}), 3)
        self.assertIsNone(signed[69].bundle)
        self.assertEqual(len({one.task_id(on) for one in signed}), 70)

    def test_two_programs_draw_other_nonces(self):
        one, other = Nonces(), Nonces()
        first = one.take(3)
        self.assertEqual((first % MAX_SIZE, one.take(1), one.take(9)), (0, first + 3, first + 4))
        self.assertGreater(abs(other.take(1) - first), 1 << 20)
        self.assertLess(first, 1 << 53)

    def test_another_task_than_was_asked_for_is_refused(self):
        account, on = Account.create(), chain(FILE["order"]["chain"])
        (asked,) = sign(on, account, ask(MODEL, account.address, [[0, 1, 2]], [None], 1900000000, 7))
        told = {"task_id": asked.task_id(on), "model_id": MODEL.model_id, "user": asked.user, "state": "executed"}
        asked.check(on, Task.read(told))
        with self.assertRaises(Untrue):
            asked.check(on, Task.read(told | {"task_id": "0x" + "12" * 32}))
        with self.assertRaises(Untrue):
            asked.check(on, Task.read(told | {"output": [1, 2], "output_hash": "0x" + "00" * 32}))

    def test_what_is_no_task_is_untrue(self):
        told = {"task_id": "0x1", "model_id": "0x2", "user": "0x3", "state": "executed"}
        Task.read(told | {"output": [1, -128, 127], "new": 5})
        for wrong in ([1.0, 2], [True, 2], [300], ["1"], 5, [None]):
            with self.assertRaises(Untrue):
                Task.read(told | {"output": wrong})
        for receipt in ({}, [], "x", {"task_id": 5}):
            with self.assertRaises(Untrue):
                Task.read(told | {"receipt": receipt})
        for json in (None, [], "task"):
            with self.assertRaises(Untrue):
                Task.read(json)

    def test_a_task_without_an_answer_is_not_answered(self):
        account, on = Account.create(), chain(FILE["order"]["chain"])
        (asked,) = sign(on, account, ask(MODEL, account.address, [[0, 1, 2]], [None], 1900000000, 7))
        for state in ("executed", "proven", "failed"):
            told = {"task_id": asked.task_id(on), "model_id": MODEL.model_id, "user": asked.user, "state": state}
            with self.assertRaises(Unanswered):
                _answer(on, asked, Task.read(told), ANSWERED)

    def test_what_codes_stand_for_is_the_packages_word(self):
        def package(**header):
            text = json.dumps({"__metadata__": {"deepnode": json.dumps(header)}}).encode()
            return len(text).to_bytes(8, "little") + text

        codes = [{"scale": [1.0], "offset": [1.0]}] * 2
        shape = {"channels": 3, "height": 1, "width": 1}
        MODEL.check(package(codes=codes, input=shape))
        uniform = replace(MODEL, input_offset=(0.0,), output_offset=(0.0,), output_scale=(0.5,))
        uniform.check(package(input_scale=1.0, output_scale=0.5, input=shape))
        for wrong in (
            package(codes=[codes[0], {"scale": [-1.0], "offset": [1.0]}], input=shape),
            package(codes=codes, input=shape | {"width": 2}),
            package(input=shape),
            b"",
        ):
            with self.assertRaises(Untrue):
                MODEL.check(wrong)

    def test_labels_are_classes(self):
        account = Account.create()
        (asked,) = ask(MODEL, account.address, [[0, 1, 2]], np.array([3]), 1900000000, 7)
        self.assertEqual(asked.body["label"]["class"], 3)
        self.assertNotIn(str(asked.salt), repr(asked))
        for label in (-1, 1 << 16):
            with self.assertRaises(ValueError):
                ask(MODEL, account.address, [[0, 1, 2]], [label], 1900000000, 7)

    def test_events_are_read_line_by_line(self):
        reader = EventReader(None, 7)
        self.assertEqual(reader.path, "/v1/events?after=7")
        data = '{"seq": 8, "task_id": "0x1", "state": "queued", "at_ms": 5}'
        lines = [": comment", "", "id: 8", f"data: {data}", "", "", "data:" + data.replace("8", "9"), ""]
        found = [event for line in lines for event in reader.read(line)]
        self.assertEqual(
            [(event.seq, event.state, event.batch_id) for event in found], [(8, "queued", None), (9, "queued", None)]
        )


if __name__ == "__main__":
    unittest.main()
