"""Verifies batch proofs: a verdict of its own, equal to that of ``verifier/src/verify.rs``, of the Solidity verifier
and of the JavaScript one. A proof takes about a second here."""

from collections.abc import Sequence

from ..errors import Refusal
from .claim import Claim
from .field import combine, is_scalar, pairings_agree
from .merged import merged_length, read_merged
from .plain import plain_length, read_plain
from .protocol import Key
from .statement import Score, Statement, read_statement
from .transcript import Transcript

__all__ = ["Key", "Refusal", "Score", "Statement", "read_statement", "verify"]


def verify(key: Key, instances: Sequence[int], proof: bytes) -> Statement:
    """Verifies that a proof proves the public inputs under a key, and that an honest batch can have them.

    The key is to be the chain's: ``key.code`` is what ``eth_getCode`` says of the contract that the registry names.

    Raises:
        Refusal: with the reason.
    """
    is_merged = key.places is not None
    length = merged_length(key) if is_merged else plain_length(key)
    if len(instances) != key.instances:
        raise Refusal("statement", f"{len(instances)} public inputs, expected {key.instances}")
    for i, x in enumerate(instances):
        if not is_scalar(x):
            raise Refusal("statement", f"public input {i} is not below the field's order")
    statement = read_statement(instances)
    if len(proof) != length:
        raise Refusal("proof", f"the proof has {len(proof)} bytes, expected {length}")
    claim = Claim(key, instances)
    transcript = Transcript(proof)
    for x in (key.digest, *instances):
        transcript.absorb(x)
    left, right = read_merged(claim, transcript) if is_merged else read_plain(claim, transcript)
    if not pairings_agree(left, claim.tau_g2, combine(right), claim.g2):
        raise Refusal("pairing", "the pairing check fails: the proof does not match its public inputs")
    return statement
