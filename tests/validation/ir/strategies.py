"""Random dynamics of the language, as JSON, and points to evaluate them at.

Hypothesis draws bytes, and the bytes say what is chosen at each place; where they are used up, leaves are chosen. (This is many times faster
than recursive strategies, and shrinks as well.)
"""

from hypothesis import assume
from hypothesis import strategies as st
from refnode_validation.ir.dynamics import evaluate, parse

from .rounding import ROUNDED, Rounded, exactly

NUMBERS = ("0", "1", "-1", "0.1", "-2.5", "3", "1e-3", "0.30000000000000000001")
BYTES = st.binary(min_size=4, max_size=60)
DEPTH = 5


class Choices:
    """smooth: without relu."""

    def __init__(self, data, smooth=False):
        self.data, self.smooth = iter(data), smooth

    def below(self, n):
        return next(self.data, 0) % n

    def number(self):
        """A double with few bits, in [-2, 2]."""
        return (self.below(129) - 64) / 32

    def program(self):
        dim, params, entries = 1 + self.below(3), self.below(4), self.below(4)
        let = [self.expression(dim, params, k) for k in range(entries)]
        return {"dim": dim, "params": params, "let": let, "rhs": [self.expression(dim, params, entries) for _ in range(dim)]}

    def expression(self, dim, params, known, depth=0):
        """With z, theta and the first `known` entries of let, where log, sqrt and div cannot fail."""
        kind = self.below(16) if depth < DEPTH else self.below(5)
        if kind < 5:
            leaves = [["z", self.below(dim)]] * 2 + [["t"], NUMBERS[self.below(len(NUMBERS))]]
            leaves += [["theta", self.below(params)]] * 2 if params else []
            leaves += [["let", self.below(known)]] * 2 if known else []
            return leaves[self.below(len(leaves))]

        def x():
            return self.expression(dim, params, known, depth + 1)

        def positive():
            return ["add", ["pow", x(), 2], "0.5"]

        unary = ("tanh", "sin", "cos", "softplus", "sigmoid", *(() if self.smooth else ("relu",)))
        return [
            lambda: ["add", *(x() for _ in range(2 + self.below(3)))],
            lambda: ["mul", *(x() for _ in range(2 + self.below(3)))],
            lambda: ["sub", x(), x()],
            lambda: ["div", x(), positive()],
            lambda: ["pow", x(), 2 + self.below(8)],
            lambda: ["neg", x()],
            lambda: ["exp", ["sin", x()]],
            lambda: ["log", positive()],
            lambda: ["sqrt", positive()],
            lambda: [unary[self.below(len(unary))], x()],
            lambda: [unary[self.below(len(unary))], x()],
        ][kind - 5]()


programs = BYTES.map(lambda data: Choices(data).program())


@st.composite
def cases(draw, smooth=False):
    """(dynamics, z, t, theta, bounds): the values at a point, with bounds of what rounding does, which is at most 1e-6 of their size."""
    choices, points = Choices(draw(BYTES), smooth), Choices(draw(st.binary(min_size=8, max_size=8)))
    dynamics = parse(choices.program())
    z, t, theta = [points.number() for _ in range(dynamics.dim)], points.number(), [points.number() for _ in range(dynamics.params)]
    bounds = bounded(dynamics, z, t, theta)
    assume(bounds is not None)
    return dynamics, z, t, theta, bounds


def bounded(dynamics, z, t, theta):
    """What `rounding` says; None where numbers grow beyond all measure."""
    try:
        bounds = [Rounded(*b) for b in evaluate(dynamics, ROUNDED, exactly(z), Rounded(t, 0.0), exactly(theta))]
    except OverflowError:
        return None
    return bounds if all(abs(b.value) < 1e100 and b.error <= 1e-6 * (1 + abs(b.value)) for b in bounds) else None
