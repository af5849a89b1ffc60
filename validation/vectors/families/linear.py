"""Linear dynamics: every derivative is a matrix exponential. Normal and not, growing and not, with the matrix as the parameters."""

from __future__ import annotations

from functools import partial

from .request import request

_vector = partial(request, "linear", "families/linear.py")


def _matrix(z, t, theta):
    """z' = A z, theta the entries of A row by row."""
    return theta.reshape(len(z), len(z)) @ z


def _spiral(z, t, theta):
    alpha, beta = theta
    return [beta * z[1] - alpha * z[0], -beta * z[0] - alpha * z[1]]


def _affine(z, t, theta):
    return theta[:9].reshape(3, 3) @ z + theta[9:]


def _cross(z, t, theta):
    """The rotation theta x z."""
    a, b, c = theta
    return [b * z[2] - c * z[1], c * z[0] - a * z[2], a * z[1] - b * z[0]]


def _chain(z, t, theta):
    """Four vessels in a row, the last drains into the first in part."""
    k = theta
    return [k[3] * z[3] / 2 - k[0] * z[0], k[0] * z[0] - k[1] * z[1], k[1] * z[1] - k[2] * z[2], k[2] * z[2] - k[3] * z[3]]


REQUESTS = [
    _vector(
        "linear-spiral", "A damped rotation: the first thing to get right",
        _spiral, [1, -0.5], [0.25, 2], [0, 0.5, 1.25, 2], flags="Decaying",
        discriminates="adjoint_sign theta_sign no_jump no_observation_at_t0", difficulty="lower", closed_form="P05b",
    ),
    _vector(
        "linear-oscillator", "An oscillator with w squared: the parameter enters nonlinearly, the area is kept",
        lambda z, t, theta: [z[1], -(theta[0] ** 2) * z[0]], [0.75, -1], [1.5], [0, 0.75, 1.5, 3], flags="TraceZero",
        discriminates="theta_sign linear_outputs", difficulty="lower", closed_form="P05a",
    ),
    _vector(
        "linear-saddle", "One direction grows, one decays: no direction of time is harmless",
        _matrix, [0.5, 1.25], [0.75, 0.5, 0.25, -1], [0, 0.5, 1.5, 2.5], flags="Growing", discriminates="adjoint_sign transpose",
        closed_form="linear",
    ),
    _vector(
        "linear-non-normal", "Eigenvalues -1 and -2 and yet growth at first: A and its transpose act differently",
        _matrix, [1, 0.75], [-1, 8, 0.125, -2], [0, 0.25, 0.75, 2], flags="NonNormal",
        discriminates="transpose adjoint_sign wrong_error_estimate", closed_form="linear",
    ),
    _vector(
        "linear-defective", "A Jordan block: the solution has t e^(-t/2), and there is no basis of eigenvectors",
        _matrix, [-1, 1.5], [-0.5, 1, 0, -0.5], [0, 1, 2, 4], flags="NonNormal Decaying", discriminates="transpose",
        closed_form="linear",
    ),
    _vector(
        "linear-affine", "z' = A z + b in three dimensions: twelve parameters, no two gradients alike",
        _affine, [0.5, -1, 0.25], [-0.25, 1, 0.5, -0.75, -0.5, 0.375, 0.25, -1.5, 0.125, 1, -0.5, 0.75], [0, 0.5, 1, 2],
        flags="NonNormal", discriminates="transpose theta_sign first_interval_only parameter_order", closed_form="linear",
    ),
    _vector(
        "linear-rotation", "A rotation about an axis: a skew matrix, so that the adjoint with the wrong sign is the right one transposed",
        _cross, [1, 0.5, -0.25], [0.75, -0.5, 1.5], [0, 0.5, 1.5, 2], flags="TraceZero", discriminates="transpose adjoint_sign",
    ),
    _vector(
        "linear-chain", "Four vessels in a row: a sparse, non-symmetric matrix in four dimensions",
        _chain, [2, 0, 0.5, 0.25], [1, 0.5, 1.5, 0.75], [0, 0.5, 1, 2, 3], flags="NonNormal Decaying",
        discriminates="transpose parameter_order",
    ),
    _vector(
        "linear-growing-shear", "Growth by e^2 and shear at once: errors made early are seen late",
        _matrix, [0.25, -0.5], [1, 4, 0, 1], [0, 0.5, 1, 2], flags="NonNormal Growing",
        discriminates="transpose wrong_error_estimate silent_float32", closed_form="linear",
    ),
]
