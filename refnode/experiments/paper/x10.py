"""The cost of a density (section 4): multiplications for the log-determinant of a layer of M units, and for the trace of M units of a CNF.

Counted, not timed: refnode's own formula of the trace runs on numbers that count their multiplications and divisions. The determinant is that of
I + diag(h') W U^T, M x M, by Gaussian elimination.
Paper: sec. 4, "Using multiple hidden units with linear cost".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from refnode.experiments.paper.pictures import draw_x10
from refnode.experiments.paper.results import Claim, Outcome, Results, claim
from refnode.flows.planar import hidden_units

FULL: dict[str, Any] = {"units": [1, 2, 4, 8, 16, 32, 64], "D": 2}
QUICK: dict[str, Any] = FULL | {"units": [1, 2, 4, 8]}


def run(folder: Path, seeds: list[int], quick: bool) -> Outcome:
    """Counts; there is nothing random in it but the numbers. Paper: sec. 4. Statement: S34, S41"""
    results = Results(folder, "X10-quick" if quick else "X10", QUICK if quick else FULL)
    found = [results.part(f"M={M}", counts, M, results.settings["D"], seeds[0]) for M in results.settings["units"]]
    picture = folder / f"{results.name}.png"
    draw_x10(results.settings["units"], [part["trace"] for part in found], [part["determinant"] for part in found], picture)
    return Outcome(summary(results, found), claims(results, found), [picture], results)


class Counted:
    """A number that counts multiplications and divisions, those of all such numbers together, in `Counted.count`."""

    count = 0

    def __init__(self, value: float):
        self.value = value

    def __add__(self, other: Any) -> Counted:
        return Counted(self.value + number(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Counted:
        return Counted(self.value - number(other))

    def __rsub__(self, other: Any) -> Counted:
        return Counted(number(other) - self.value)

    def __mul__(self, other: Any) -> Counted:
        Counted.count += 1
        return Counted(self.value * number(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Counted:
        Counted.count += 1
        return Counted(self.value / number(other))

    def tanh(self) -> Counted:
        return Counted(np.tanh(self.value))


def number(x: Any) -> float:
    return x.value if isinstance(x, Counted) else x


def counted(x: np.ndarray) -> np.ndarray:
    """An array of `Counted`."""
    found = np.empty(x.shape, object)
    found.reshape(-1)[:] = [Counted(value) for value in x.reshape(-1)]
    return found


def counts(M: int, D: int, seed: int) -> dict[str, Any]:
    """Multiplications and divisions, of the trace (beyond those of f itself) and of the determinant; and both values, from which they are right."""
    rng = np.random.default_rng(seed)
    z, U, W, b = rng.normal(size=D), rng.normal(size=(M, D)) / M, rng.normal(size=(M, D)), rng.normal(size=M)
    Counted.count = 0
    _, trace = hidden_units.value_and_trace(counted(z), 0.0, (counted(U), counted(W), counted(b)))  # type: ignore[attr-defined]
    whole, own = Counted.count, 2 * M * D  # f: w_n^T z, and the sum of u_n h_n
    h = np.tanh(W @ z + b)
    A = np.eye(M) + (1 - h * h)[:, None] * (W @ U.T)
    Counted.count = 0
    det = determinant(counted(A))
    return {"trace": whole - own, "determinant": Counted.count, "trace is": number(trace), "determinant is": det.value,
            "trace should be": float((1 - h * h) @ np.sum(U * W, axis=1)), "determinant should be": float(np.linalg.det(A))}


def determinant(A: np.ndarray) -> Any:
    """By Gaussian elimination, the largest entry of a column first."""
    A, sign, M = A.copy(), 1.0, len(A)
    for k in range(M):
        largest = k + int(np.argmax([abs(number(x)) for x in A[k:, k]]))
        if largest != k:
            A[[k, largest]], sign = A[[largest, k]], -sign
        for i in range(k + 1, M):
            factor = A[i, k] / A[k, k]
            for j in range(k + 1, M):
                A[i, j] = A[i, j] - factor * A[k, j]
    product = A[0, 0]
    for k in range(1, M):
        product = product * A[k, k]
    return product if sign > 0 else 0.0 - product


def of_elimination(M: int) -> int:
    """Multiplications and divisions: (M - k)(M - k + 1) with the k-th pivot, k = 1..M - 1, and M - 1 for the product. Statement: S34"""
    return sum((M - k) * (M - k + 1) for k in range(1, M)) + M - 1


def summary(results: Results, found: list[dict[str, Any]]) -> list[str]:
    lines = [f"Multiplications and divisions for one point in {results.settings['D']} dimensions", f"{'M':>4} {'trace':>8} {'determinant':>12}"]
    return lines + [f"{M:4} {part['trace']:8} {part['determinant']:12}" for M, part in zip(results.settings["units"], found, strict=True)]


def claims(results: Results, found: list[dict[str, Any]]) -> list[Claim]:
    units, D = results.settings["units"], results.settings["D"]
    per_unit = found[0]["trace"]
    right = [np.isclose(part[f"{name} is"], part[f"{name} should be"], rtol=1e-10) for part in found for name in ("trace", "determinant")]
    return [
        claim("S41", "the trace of M units costs O(M)", "O(M)", f"{per_unit} for each unit in {D} dimensions",
              f"each M: exactly M (D + 2) = {D + 2} M",
              [part["trace"] == (D + 2) * M for M, part in zip(units, found, strict=True)]),
        claim("S34", "the determinant of a layer of M units costs O(M^3)", "O(M^3)", f"{found[-1]['determinant']} for M = {units[-1]}",
              "each M: exactly sum_{k<M} (M - k)(M - k + 1) + M - 1, about M^3/3",
              [part["determinant"] == of_elimination(M) for M, part in zip(units, found, strict=True)]),
        claim("-", "what was counted are the right numbers", "-", f"{sum(right)} of {len(right)} traces and determinants agree with NumPy's",
              "each: to 1e-10, relative", right)]
