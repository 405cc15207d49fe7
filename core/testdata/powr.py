#!/usr/bin/env python3
"""Writes powr.json, the golden vectors of PoWR and the trust weight.

Independent of the Rust and Solidity implementations: plain Python integers, formulas straight from
the protocol. Run `python3 core/testdata/powr.py` to rewrite the file; the output is deterministic.

ONE = 2^32 - 1 stands for 1.0 ("fraction" below). Division rounds down everywhere.
The file is one object of groups; a group is an object of equally long arrays, one entry per vector,
every number a decimal string. In the formulas `out` is the expected result.

mul           a b out              out = a*b / ONE               (a: up to 2^96, b: fraction)
contribution  workUnits items out  out = workUnits*items         (u64, u32 -> u128)
quality       probeCount probeCorrect marginSum out              (count >= 1, correct <= count)
              accuracy   = probeCorrect*ONE / probeCount
              confidence = min(marginSum, 255*probeCount)*ONE / (255*probeCount)
              out        = mul(accuracy, (3*ONE + confidence) / 4)
observe       m s shift out        s > m: m + max(1, (s-m)>>6); s < m: m - max(1, (m-s)>>shift); else m
              shift is 3 for accuracy and quality, 4 for completion, uptime and speed
history       h units next hist    next = h - (h>>6) + units;  hist = next*ONE / (next + 2^40)
                                   (units: u64, h: below 2^71)
trust         c a u s h base out   base = (19661c + 22938a + 9830u + 6554s + 6553hist(h)) / 65536
                                   out = mul(base, min(c, a))
score         work trust k stake out   out = min(mul(work, trust), k*stake)
payout        pool score total out     out = pool*score / total  (0 when total is 0)
worker        c a u s units        observations of one epoch each, applied in order to a worker that
              trust                starts with m = ONE/4 everywhere and h = 0; trust after each epoch
"""

import json
import pathlib
import random

ONE = 2**32 - 1
UNIT_HALF = 2**40
RNG = random.Random("deepnode powr v1")


def mul(a, b):
    return a * b // ONE


def quality(count, correct, margin):
    accuracy = correct * ONE // count
    confidence = min(margin, 255 * count) * ONE // (255 * count)
    return mul(accuracy, (3 * ONE + confidence) // 4)


def observe(m, s, shift):
    if s > m:
        return m + max(1, (s - m) >> 6)
    if s < m:
        return m - max(1, (m - s) >> shift)
    return m


def advance(h, units):
    return h - (h >> 6) + units


def hist(h):
    return h * ONE // (h + UNIT_HALF)


def base(c, a, u, s, h):
    return (19661 * c + 22938 * a + 9830 * u + 6554 * s + 6553 * hist(h)) // 65536


def trust(c, a, u, s, h):
    return mul(base(c, a, u, s, h), min(c, a))


def score(work, t, k, stake):
    return min(mul(work, t), k * stake)


def payout(pool, p, total):
    return pool * p // total if total else 0


def fraction():
    return RNG.choice([0, 1, 63, 64, ONE // 4, ONE // 2, ONE - 1, ONE, RNG.randrange(ONE + 1), RNG.randrange(ONE + 1)])


def group(names, rows):
    return {name: [str(row[i]) for row in rows] for i, name in enumerate(names.split())}


def rows(count, draw):
    return [draw() for _ in range(count)]


def mul_row():
    a, b = RNG.choice([0, 1, ONE, 2**96 - 1, RNG.randrange(2**64)]), fraction()
    return a, b, mul(a, b)


def contribution_row():
    w, n = RNG.choice([0, 1, 2**64 - 1, RNG.randrange(2**40)]), RNG.choice([0, 1, 64, 2**32 - 1])
    return w, n, w * n


def quality_row():
    count = RNG.choice([1, 2, 8, 64, 256, RNG.randrange(1, 4096)])
    correct = RNG.choice([0, count, RNG.randrange(count + 1)])
    margin = RNG.choice([0, 255 * correct, RNG.randrange(255 * correct + 1), 2**32 - 1])
    return count, correct, margin, quality(count, correct, margin)


def observe_row():
    m, s, shift = fraction(), fraction(), RNG.choice([3, 4])
    return m, s, shift, observe(m, s, shift)


def history_row():
    h = RNG.choice([0, 1, 63, 64, 2**40, 2**70, RNG.randrange(2**48)])
    units = RNG.choice([0, 1, 2**64 - 1, RNG.randrange(2**40)])
    step = advance(h, units)
    return h, units, step, hist(step)


def trust_row():
    c, a, u, s = (fraction() for _ in range(4))
    h = RNG.choice([0, 1, 2**40, 2**70, RNG.randrange(2**44)])
    return c, a, u, s, h, base(c, a, u, s, h), trust(c, a, u, s, h)


def score_row():
    work, t = RNG.choice([0, 1, RNG.randrange(2**64)]), fraction()
    k, stake = RNG.choice([1, 1000]), RNG.choice([0, 1, 10**18, RNG.randrange(10**22)])
    return work, t, k, stake, score(work, t, k, stake)


def payout_row():
    pool = RNG.choice([0, 1, 10**18, RNG.randrange(2**64)])
    total = RNG.choice([0, 1, RNG.randrange(1, 2**60)])
    p = RNG.randrange(total + 1)
    return pool, p, total, payout(pool, p, total)


def worker_rows(epochs):
    c, a, u, s, h = [ONE // 4] * 4 + [0]
    out = []
    for epoch in range(epochs):
        fault = epoch in (40, 41, 70)
        seen = (ONE, 0 if fault else ONE, fraction(), fraction(), RNG.randrange(2**36))
        c, a = observe(c, seen[0], 4), observe(a, seen[1], 3)
        u, s, h = observe(u, seen[2], 4), observe(s, seen[3], 4), advance(h, seen[4])
        out.append((*seen, trust(c, a, u, s, h)))
    return out


VECTORS = {
    "mul": group("a b out", rows(24, mul_row)),
    "contribution": group("workUnits items out", rows(12, contribution_row)),
    "quality": group("probeCount probeCorrect marginSum out", rows(32, quality_row)),
    "observe": group("m s shift out", rows(64, observe_row)),
    "history": group("h units next hist", rows(32, history_row)),
    "trust": group("c a u s h base out", rows(64, trust_row)),
    "score": group("work trust k stake out", rows(32, score_row)),
    "payout": group("pool score total out", rows(32, payout_row)),
    "worker": group("c a u s units trust", worker_rows(100)),
}

if __name__ == "__main__":
    path = pathlib.Path(__file__).with_name("powr.json")
    path.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in VECTORS.items()) + "\n}" + "\n")
