"""In which tier a vector is run: smoke, for one of a kind; full, for those that say with other numbers what others say; else default."""

from __future__ import annotations

SMOKE = {
    "linear-non-normal", "forced-sine", "nonlinear-everything", "flow-planar-1", "reversed-sine",
    "observations-start-and-zero-rows", "edge-unused-parameter", "net-tanh-2-3-2", "negative-blow-up",
    "negative-nan-in-z0", "negative-unsorted-times",
}

FULL = {
    "contracting-cubic", "contracting-prothero-robinson", "contracting-van-der-pol", "detest-a5", "detest-b2",
    "detest-b4", "detest-b5", "detest-c3", "detest-e1", "detest-e3", "detest-e5", "edge-fast-rotation", "edge-kick",
    "edge-start-at-zero", "edge-at-rest", "flow-gated-3-units-forward", "flow-linear-3d", "flow-net-3-3-3",
    "flow-net-softplus", "flow-ornstein-uhlenbeck", "flow-planar-3d", "flow-residual", "flow-rotation",
    "forced-edge-of-domain", "forced-parametric", "forced-power", "forced-rotation", "forced-time-quadratic",
    "linear-chain", "linear-growing-shear", "linear-oscillator", "linear-rotation", "net-cubic", "net-residual",
    "net-shared-weights", "net-sigmoid-2-4-2", "net-softplus-2-3-2", "net-softplus-3-4-3", "net-tanh-1-4-1",
    "net-tanh-3-4-3", "net-tanh-4-2-4", "nonlinear-before-the-pole", "nonlinear-cubes", "nonlinear-cubic",
    "nonlinear-epidemic", "nonlinear-gompertz", "nonlinear-logistic", "nonlinear-tangent", "nonlinear-tanh",
    "observations-inside-only", "observations-start-only", "poisson-exponential-rate", "repeated-reversed",
    "reversed-negative-times", "reversed-rotor", "running-cost-jacobian", "running-cost-quadratic",
}


def tier(id: str) -> str:
    """The tier of a vector."""
    return "smoke" if id in SMOKE else "full" if id in FULL else "default"
