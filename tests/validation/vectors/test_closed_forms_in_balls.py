"""Closed forms to 60 digits, in ball arithmetic, lie in the balls of the vectors: to 25 digits, by formulas that no integrator has seen."""

import json

import pytest
from refnode_validation.vectors import store

flint = pytest.importorskip("flint")
arb = flint.arb


@pytest.fixture(autouse=True)
def digits():
    before, flint.ctx.dps = flint.ctx.dps, 60
    yield
    flint.ctx.dps = before


def logistic(z0, t0, t1, theta):
    (z,), (r, K), d = z0, theta, t1 - t0
    E = (-r * d).exp()
    Q = z + (K - z) * E
    return [K * z / Q], [[K * K * E / Q**2]], [[K * z * (K - z) * d * E / Q**2, z * z * (1 - E) / Q**2]]


def tanh(z0, t0, t1, theta):
    (z,), (k,), d = z0, theta, t1 - t0
    end = (k * d + z.atanh()).tanh()
    return [end], [[(1 - end**2) / (1 - z**2)]], [[d * (1 - end**2)]]


def cubic(z0, t0, t1, theta):
    (z,), (k,), d = z0, theta, t1 - t0
    q = 1 + 2 * k * z * z * d
    return [z / q.sqrt()], [[1 / (q * q.sqrt())]], [[-(z**3) * d / (q * q.sqrt())]]


def before_the_pole(z0, t0, t1, theta):
    (z,), (k,), d = z0, theta, t1 - t0
    end = z / (1 - k * z * d)
    return [end], [[(end / z) ** 2]], [[d * end**2]]


def modulated(z0, t0, t1, theta):
    (z,), (k, w) = z0, theta
    S = (w * t1).sin() - (w * t0).sin()
    end = z * (k * S / w).exp()
    return [end], [[end / z]], [[end * S / w, end * k * ((t1 * (w * t1).cos() - t0 * (w * t0).cos()) / w - S / w**2)]]


def spiral(z0, t0, t1, theta):
    (x, y), (a, b), d = z0, theta, t1 - t0
    c, s, E = (b * d).cos(), (b * d).sin(), (-a * d).exp()
    end = [E * (c * x + s * y), E * (c * y - s * x)]
    return end, [[E * c, E * s], [-E * s, E * c]], [[-d * end[0], d * end[1]], [-d * end[1], -d * end[0]]]


def oscillator(z0, t0, t1, theta):
    (q, p), (w,), d = z0, theta, t1 - t0
    x = w * d
    c, s = x.cos(), x.sin()
    end = [q * c + p / w * s, p * c - q * w * s]
    return end, [[c, s / w], [-w * s, c]], [[p * (d * c / w - s / w**2) - q * d * s], [-q * (s + x * c) - p * d * s]]


def poisson(z0, t0, t1, theta):
    (x, total), (b,), d = z0, theta, t1 - t0
    E = (b * d).exp()
    gain = x.exp() * (E - 1) / b
    return [x + b * d, total + gain], [[arb(1), arb(0)], [gain, arb(1)]], [[d], [x.exp() * d * E / b - gain / b]]


CLOSED = {
    "nonlinear-logistic": logistic, "nonlinear-tanh": tanh, "nonlinear-cubic": cubic, "nonlinear-before-the-pole": before_the_pole,
    "forced-modulated": modulated, "linear-spiral": spiral, "linear-oscillator": oscillator, "poisson-exponential-rate": poisson,
}  # fmt: skip


def numbers(words):
    return [arb(flint.fmpq(*map(int, float(word).as_integer_ratio()))) for word in words]


def inside(pair, exact):
    """The formula's ball and the vector's share a point, and the formula's is far smaller."""
    mid, radius = (arb(word) for word in pair)
    return exact.rad() < arb("1e-40") and abs(exact - mid) < radius * arb("1.000001")


@pytest.mark.parametrize("id", CLOSED)
def test_every_ball_holds_the_closed_form(id):
    vector = json.loads(store.find(id).read_text())
    inputs, expected = vector["inputs"], vector["expected"]
    z0, theta, ts = (numbers(inputs[key]) for key in ("z0", "theta", "ts"))
    for i, t in enumerate(ts):
        z, S, T = CLOSED[id](z0, ts[0], t, theta)
        for name, exact in (("z", z), ("dz_dz0", [x for row in S for x in row]), ("dz_dtheta", [x for row in T for x in row])):
            pairs = expected[name][i] if name == "z" else [pair for row in expected[name][i] for pair in row]
            assert len(pairs) == len(exact)
            assert all(inside(pair, x) for pair, x in zip(pairs, exact, strict=True)), (name, i)


def test_one_digit_in_the_twentieth_place_is_seen():
    assert inside(["0.5", "1e-25"], arb("0.5"))
    assert not inside(["0.50000000000000000001", "1e-25"], arb("0.5"))


def test_the_planar_flow():
    """sinh s1 = e^(kappa d) sinh s0 and log |det| = kappa d + ln cosh s0 - ln cosh s1, for every time of flow-planar-1; and log p itself."""
    vector = json.loads(store.find("flow-planar-1").read_text())
    inputs, expected = vector["inputs"], vector["expected"]
    x, theta, ts = (numbers(inputs[key]) for key in ("z0", "theta", "ts"))
    u, w, b = theta[:2], theta[2:4], theta[4]
    kappa, s0 = u[0] * w[0] + u[1] * w[1], w[0] * x[0] + w[1] * x[1] + b
    for i, t in enumerate(ts):
        d = t - ts[0]
        s1 = ((kappa * d).exp() * s0.sinh()).asinh()
        z = [x[k] + u[k] * (s1 - s0) / kappa for k in range(2)]
        log_det = kappa * d + s0.cosh().log() - s1.cosh().log()
        assert all(inside(expected["z"][i][k], z[k]) for k in range(2))
        assert inside(expected["int_minus_trace"][i], -log_det)
    assert inside(expected["log_p"], -(z[0] ** 2 + z[1] ** 2) / 2 - (2 * arb.pi()).log() + log_det)
