"""A key and public inputs: what the quotient's value must be, equal to ``verifier/src/gates.rs``."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Refusal
from .field import Point, R, invert, is_scalar, point, point_g2, point_or_infinity
from .protocol import Key


def _needed(found: Point | None, what: str) -> Point:
    if found is None:
        raise Refusal("key", f"the verifying key has an invalid {what}")
    return found


@dataclass(frozen=True)
class Values:
    """What is claimed of the columns at x. ``xn`` is x to the number of rows."""

    challenges: Sequence[int]
    advice: Sequence[int]
    fixed: Sequence[int]
    x: int
    xn: int


class Claim:
    """Points of a key that were checked, and public inputs."""

    def __init__(self, key: Key, instances: Sequence[int]) -> None:
        if not is_scalar(key.omega) or pow(key.omega, 1 << key.k - 1, R) != R - 1:
            raise Refusal("key", "the verifying key has an invalid generator")
        if not all(map(is_scalar, key.constants)):
            raise Refusal("key", "the verifying key has an invalid constant")
        self.key, self.instances = key, instances
        self.g1 = _needed(point(*key.g1), "G1 generator")
        self.g2 = _needed(point_g2(key.g2), "G2 generator")
        self.tau_g2 = _needed(point_g2(key.tau_g2), "power of tau")
        self.fixed = [_needed(point_or_infinity(x, y), "fixed commitment") for x, y in key.fixed]

    def rotate(self, x: int, rotation: int) -> int:
        """The point so many rows away."""
        return x * pow(self.key.omega, rotation, R) % R

    def quotient(self, values: Values, y: int) -> int:
        """All constraints, the first with the highest power of ``y``, divided by what vanishes on all rows."""
        vanishing = (values.xn - 1) % R
        instance = self._instance(values.x, vanishing)
        steps: list[int] = []
        for op in self.key.ops:
            match op.kind, op.operands:
                case "Constant", (i,):
                    step = self.key.constants[i]
                case "Fixed", (i,):
                    step = values.fixed[i]
                case "Advice", (i,):
                    step = values.advice[i]
                case "Challenge", (i,):
                    step = values.challenges[i]
                case "Neg", (a,):
                    step = -steps[a] % R
                case "Sum", (a, b):
                    step = (steps[a] + steps[b]) % R
                case "Product", (a, b):
                    step = steps[a] * steps[b] % R
                case _:
                    step = instance
            steps.append(step)
        total = 0
        for c in self.key.constraints:
            total = (total * y + steps[c]) % R
        return total * invert(vanishing) % R

    def _instance(self, x: int, vanishing: int) -> int:
        """The instance column's value: ``sum_i v_i omega^i (x^n - 1) / (n (x - omega^i))``."""
        total, power = 0, 1
        for value in self.instances:
            total += value * power % R * invert(x - power)
            power = power * self.key.omega % R
        return total % R * vanishing % R * invert(1 << self.key.k) % R
