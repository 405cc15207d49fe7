"""Proofs of a rollup's batches, good and forged: the fixtures of the JavaScript verifier."""

import copy
import gzip
import json
import os
import unittest
from dataclasses import replace
from functools import cache
from pathlib import Path

from deepnode.poseidon import FIELD_ORDER
from deepnode.verify import Key, Refusal, read_statement, verify

FOLDER = Path(__file__).parents[2] / "js/testdata"
NAMES = ("merged", "plain", "digest")


@cache
def fixture(name):
    data = json.loads(gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()))
    proof = bytes.fromhex(data["proof"][2:])
    return data, Key.read(data["protocol"]), tuple(int(x, 16) for x in data["instances"]), proof


def chosen(places):
    """Some of them in every run; all with DN_EXHAUSTIVE."""
    places = list(places)
    return places if os.environ.get("DN_EXHAUSTIVE") else places[:: max(len(places) // 4, 1)]


def changed(values, at, value):
    return (*values[:at], value, *values[at + 1 :])


class Verify(unittest.TestCase):
    def refused(self, key, instances, proof, what):
        with self.assertRaises(Refusal, msg=what):
            verify(key, instances, proof)

    def test_good_proofs_of_both_schemes_and_both_forms_are_accepted(self):
        for name in NAMES:
            data, key, instances, proof = fixture(name)
            self.assertEqual(verify(key, instances, proof).count, data["tasks"], name)

    def test_a_key_is_the_one_in_its_contract_and_no_other(self):
        changes = {
            "gate": lambda p: p["constraints"].reverse(),
            "query": lambda p: p["advice_queries"].reverse(),
            "constant": lambda p: p["constants"][0].__setitem__(31, p["constants"][0][31] ^ 1),
            "tau": lambda p: p["s_g2"][0].__setitem__(31, p["s_g2"][0][31] ^ 1),
            "fixed": lambda p: p["fixed"][0][0].__setitem__(31, p["fixed"][0][0][31] ^ 1),
            "digest": lambda p: p["digest"].__setitem__(31, p["digest"][31] ^ 1),
            "inputs": lambda p: p.__setitem__("instances", p["instances"] + 1),
        }
        for name in NAMES:
            data, key, _, _ = fixture(name)
            if data["code"] is None:
                continue
            code = bytes.fromhex(data["code"][2:])
            self.assertEqual(key.code, code, name)
            for what, change in changes.items():
                file = copy.deepcopy(data["protocol"])
                change(file["protocol"])
                self.assertNotEqual(Key.read(file).code, code, f"{name}: {what}")

    def test_the_development_string_is_known_by_sight(self):
        _, key, _, _ = fixture("merged")
        self.assertTrue(key.is_forgeable)
        self.assertFalse(replace(key, tau_g2=key.g2).is_forgeable)

    def test_every_word_of_a_proof_counts(self):
        for name in NAMES:
            _, key, instances, proof = fixture(name)
            for word in chosen(range(len(proof) // 32)):
                forged = bytearray(proof)
                forged[32 * word + 31] ^= 1
                self.refused(key, instances, bytes(forged), f"{name}: word {word}")
            for other in (proof[:-1], proof + b"\0", bytes(len(proof))):
                self.refused(key, instances, other, name)

    def test_every_public_input_counts(self):
        for name in NAMES:
            _, key, instances, proof = fixture(name)
            for i in chosen(range(len(instances))):
                other = changed(instances, i, (instances[i] + 1) % FIELD_ORDER)
                self.refused(key, other, proof, f"{name}: input {i}")
            for other in (changed(instances, 1, instances[1] + FIELD_ORDER), instances[1:], (*instances, 0)):
                self.refused(key, other, proof, name)

    def test_two_words_of_one_anothers_value_are_refused(self):
        _, key, instances, proof = fixture("merged")
        at = 32 * 12
        swapped = proof[:at] + proof[at + 32 : at + 64] + proof[at : at + 32] + proof[at + 64 :]
        self.refused(key, instances, swapped, "swapped values")

    def test_a_proof_is_not_one_of_another_key(self):
        (_, merged, instances, proof), (_, plain, other, plain_proof), (_, digest, _, _) = map(fixture, NAMES)
        self.refused(plain, instances, proof, "another scheme")
        self.refused(digest, instances, proof, "another form")
        self.refused(replace(merged, digest=merged.digest ^ 1), instances, proof, "another digest")
        self.refused(replace(plain, constraints=plain.constraints[::-1]), other, plain_proof, "other gates")

    def test_a_digests_leaves_are_those_of_an_honest_batch(self):
        data, _, instances, _ = fixture("digest")
        statement, leaves = read_statement(instances), [int(x, 16) for x in data["leaves"]]
        whole = statement.with_leaves(leaves)
        self.assertEqual(len(whole.inputs), 8)
        self.assertEqual(whole.score.labelled, sum(label is not None for label in whole.labels))
        for i in range(len(leaves)):
            with self.assertRaises(Refusal):
                statement.with_leaves(changed(leaves, i, leaves[i] + 1))
        with self.assertRaises(Refusal):
            statement.with_leaves(leaves[1:])

    def test_statements_that_no_honest_batch_has_are_refused(self):
        data, _, instances, _ = fixture("merged")
        slots, tasks = len(read_statement(instances).inputs), data["tasks"]
        labels, score, outputs = 3 + slots, 5 + slots, 8 + slots
        forged = {
            "no statement": (0, 5),
            "no task": (2, 0),
            "more tasks than slots": (2, slots + 1),
            "a label of an unused slot": (labels, instances[labels] | 1 << 16 * tasks),
            "a label of no slot": (labels + 1, 1 << 16),
            "a word of 2^240": (labels, 1 << 240),
            "more probes than labels": (score, instances[score] + 1),
            "more right than probes": (score + 1, instances[score] + 1),
            "a margin above its bound": (score + 2, 255 * instances[score + 1] + 1),
            "an unused input of its own": (3 + slots - 1, 7),
            "an unused output of its own": (outputs + slots - 1, 7),
            "an output of zero": (outputs, 0),
        }
        for what, (at, value) in forged.items():
            with self.assertRaises(Refusal, msg=what):
                read_statement(changed(instances, at, value))

    def test_what_is_no_key_is_refused(self):
        data, _, _, _ = fixture("merged")
        changes = [
            lambda p: p.update(k=29),
            lambda p: p.update(instances=1 << p["k"]),
            lambda p: p.update(omega=p["omega"][1:]),
            lambda p: p["omega"].__setitem__(0, 256),
            lambda p: p["nodes"].__setitem__(0, {"Sum": [0, 0]}),
            lambda p: p["nodes"].__setitem__(5, {"Power": [0, 0]}),
            lambda p: p["nodes"].__setitem__(5, {"Advice": 1 << 16}),
            lambda p: p["constraints"].append(len(p["nodes"])),
            lambda p: p["advice_queries"][0].update(column=10_000),
            lambda p: p["advice_queries"][0].update(rotation=0.5),
            lambda p: p["advice_queries"][0].update(rotation=True),
            lambda p: p["phases"][0].update(challenges=p["phases"][0]["challenges"][1:]),
            lambda p: p.pop("fixed"),
        ]
        for i, change in enumerate(changes):
            file = copy.deepcopy(data["protocol"])
            change(file["protocol"])
            with self.assertRaises(Refusal, msg=f"change {i}"):
                Key.read(file)
        for file in ("{", "[]", b"\xff", data["protocol"] | {"format": "deepnode-protocol/2"}, None, 5):
            with self.assertRaises(Refusal):
                Key.read(file)

    def test_a_key_outside_its_groups_is_refused(self):
        _, key, instances, proof = fixture("plain")
        changes = [
            {"omega": 1},
            {"omega": key.omega + FIELD_ORDER},
            {"g1": (0, 0)},
            {"g2": (0, 0, 0, 0)},
            {"tau_g2": changed(key.tau_g2, 0, key.tau_g2[0] + 1)},
            {"fixed": changed(key.fixed, 0, (1, 3))},
            {"constants": changed(key.constants, 0, FIELD_ORDER)},
        ]
        for change in changes:
            self.refused(replace(key, **change), instances, proof, str(change)[:40])


if __name__ == "__main__":
    unittest.main()
