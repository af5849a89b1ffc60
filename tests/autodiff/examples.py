"""One line per function of the table, and the arguments that it is tried with: data for test_rules.

A float array among the arguments (also inside a list) is differentiated; `Static` holds one that is not. Arguments are away from the
singular points, which have tests of their own.
"""

import operator

import numpy as np
import scipy.special as sp

from refnode.autodiff.formulas import primitives as p

rng = np.random.default_rng(20)


class Static:
    def __init__(self, x):
        self.x = x


class Call:
    def __init__(self, *args, as_used=None, **kwargs):
        self.args, self.as_used, self.kwargs = args, as_used, kwargs


def s(*shape):
    """Standard normal, but not near 0."""
    x = rng.standard_normal(shape)
    return x + 0.2 * np.sign(x)


def pos(*shape):
    return rng.uniform(0.3, 1.7, shape)


def unit(*shape):
    return rng.uniform(-0.8, 0.8, shape)


def well(*batch, n=3):
    """Matrices far from singular."""
    return rng.standard_normal((*batch, n, n)) + 4 * np.eye(n)


def symmetric(*batch, n=3):
    a = rng.standard_normal((*batch, n, n))
    return a @ np.swapaxes(a, -1, -2) + np.diag(np.arange(1.0, n + 1))


def apart(*shape):
    """Numbers at least 0.1 from each other: no ties under small steps."""
    n = int(np.prod(shape))
    return (rng.permutation(n) * 0.3 - 0.3 * (n // 2) + rng.uniform(0, 0.1, n)).reshape(shape)


def shifted(*shape):
    return apart(*shape) + 0.2


def unary(make):
    return [Call(make(2, 3)), Call(make(4)), Call(make())]


def binary(a, b):
    return [Call(a(3), b(3)), Call(a(2, 3), b(3)), Call(a(2, 1), b(1, 3)), Call(a(), b(2)), Call(a(2), 1.5), Call(0.5, b(2)), Call(a(), b())]


def reduction(make, axes=True):
    return [
        Call(make(4)),
        Call(make(2, 3)),
        Call(make(2, 3), axis=0),
        Call(make(2, 3), axis=-1, keepdims=True),
        Call(make(2, 3), keepdims=True),
        *([Call(make(2, 3, 2), axis=(0, 2)), Call(make(2, 3, 2), axis=(-1, 0), keepdims=True)] if axes else []),
    ]


def in_place(function):
    def used(a, *rest):
        b = a * 1.0
        function(b, *rest)
        return b

    return used


IJ = np.array([[0, 2], [1, 0]])
grid = np.array([0.0, 1.0, 1.5, 3.0])

EXAMPLES = {
    np.add: binary(s, s),
    np.subtract: binary(s, s),
    np.multiply: binary(s, s),
    np.divide: binary(s, pos),
    operator.add: [Call(s(3), s(3))],
    operator.sub: [Call(2.0, s(3))],
    operator.mul: [Call(s(2, 1), s(3))],
    operator.truediv: [Call(s(3), pos(3))],
    operator.mod: [Call(s(3), 2.5)],
    operator.neg: [Call(s(3))],
    operator.abs: [Call(s(3))],
    operator.pow: [Call(pos(3), k) for k in (0, 1, 2, 3, 4, 5, -1, -2, 0.5, 2.0, -1.5)]
    + [Call(2, s(3)), Call(2.5, s(3)), Call(s(3), 3), Call(s(3), -2)],
    np.power: [
        *binary(pos, s),
        Call(s(3), 2),
        Call(s(3), Static(3.0)),
        Call(s(3), Static(np.array([0, 1, 2]))),
        Call(pos(3), Static(np.array([0.0, 1, 2.5]))),
    ],
    np.float_power: [*binary(pos, s), Call(pos(3), 2)],
    np.remainder: [Call(np.array([3.3, -2.2, 1.0]), np.array([2.0, 1.5, -0.7])), Call(s(3), 1.3)],
    np.fmod: [Call(np.array([3.3, -2.2, 1.0]), np.array([2.0, 1.5, -0.7]))],
    np.negative: unary(s),
    np.positive: unary(s),
    np.absolute: unary(s),
    np.fabs: unary(s),
    np.square: unary(s),
    np.sqrt: unary(pos),
    np.cbrt: unary(pos),
    np.reciprocal: unary(pos),
    np.exp: unary(s),
    np.exp2: unary(s),
    np.expm1: unary(s),
    np.log: unary(pos),
    np.log2: unary(pos),
    np.log10: unary(pos),
    np.log1p: unary(pos),
    np.sin: unary(s),
    np.cos: unary(s),
    np.tan: unary(unit),
    np.arcsin: unary(unit),
    np.arccos: unary(unit),
    np.arctan: unary(s),
    np.sinh: unary(s),
    np.cosh: unary(s),
    np.tanh: unary(s),
    np.arcsinh: unary(s),
    np.arccosh: [Call(1.2 + pos(3))],
    np.arctanh: unary(unit),
    np.sinc: [*unary(s), Call(np.array([0.0, 0.1, -0.25, 0.33, 1.0, 2.5]))],
    np.arctan2: binary(s, s),
    np.hypot: binary(s, s),
    np.logaddexp: binary(s, s),
    np.logaddexp2: binary(s, s),
    np.maximum: binary(apart, shifted),
    np.minimum: binary(apart, shifted),
    np.fmax: binary(apart, shifted),
    np.fmin: binary(apart, shifted),
    np.copysign: [Call(s(3), Static(s(3))), Call(s(3), -1.0)],
    np.ldexp: [Call(s(3), Static(np.array([1, 2, -3]))), Call(s(2), 3)],
    np.where: [
        Call(Static(np.array([True, False, True])), s(3), s(3)),
        Call(Static(s(2, 3) > 0), s(3), 1.0),
        Call(Static(s(2, 1) > 0), 0.0, s(2, 3)),
    ],
    np.nan_to_num: [Call(s(3)), Call(s(3), nan=1.0)],
    np.conjugate: unary(s),
    np.deg2rad: unary(s),
    np.radians: unary(s),
    np.rad2deg: unary(s),
    np.degrees: unary(s),
    # indexing and our own
    operator.getitem: [
        Call(s(4), 1),
        Call(s(4), slice(None, None, -2)),
        Call(s(3, 4), (slice(1, None), -1)),
        Call(s(3, 4), Ellipsis),
        Call(s(3, 4), (None, ..., 0)),
        Call(s(4), [0, 0, 2]),
        Call(s(3, 4), (Static(IJ), 1)),
        Call(s(3), Static(np.array([True, False, True]))),
        Call(s(3, 4), np.ix_([0, 2], [1, 1])),
        Call(s(2, 3), Static(s(2, 3) > 0)),
    ],
    p.gather: [Call(np.array([0.5, -1.1, 2.0, 0.3]), [0, 2, 2]), Call(np.array([0.5, -1.1]), 1)],
    p.scatter: [Call(s(2), [1, 1], (4,)), Call(s(2), slice(1, 3), (4,))],
    p.assign: [
        Call(s(4), s(2), slice(1, 3)),
        Call(s(4), 2.0, 1),
        Call(s(4), s(), slice(None)),
        Call(s(4), s(3), [0, 2, 2]),
        Call(s(3, 4), s(4), 1),
        Call(s(3, 4), s(2, 2, 4), Static(IJ)),
        Call(s(3), s(2), Static(np.array([True, False, True]))),
    ],
    p.cast: [Call(s(3), np.dtype(np.float64))],
    p.join: [Call(0, s(2), s(3)), Call(1, s(2, 1), s(2, 3)), Call(-1, s(2, 1), s(2, 3))],
    p.pile: [Call(0, s(2), s(2)), Call(-1, s(2, 3), s(2, 3)), Call(1, s(2), s(2), s(2))],
    p.euclidean: [Call(s(3), None, False), Call(s(2, 3), 1, True), Call(s(2, 3), None, True)],
    p.log_det: [Call(well()), Call(well(2))],
    p.eigenvalues: [Call(symmetric()), Call(symmetric(2))],
    p.eigenvectors: [Call(symmetric())],
    # reductions
    np.sum: [*reduction(s), Call(s())],
    np.mean: reduction(s),
    np.var: [*reduction(s), Call(s(4), ddof=1)],
    np.std: [*reduction(s), Call(s(4), ddof=1)],
    np.max: reduction(apart),
    np.min: reduction(apart),
    np.amax: reduction(apart),
    np.amin: reduction(apart),
    np.ptp: reduction(apart),
    np.prod: [*reduction(s), Call(np.array([0.0, 2.0, 3.0])), Call(np.array([[0.0, 2.0], [0.0, 0.0], [1.0, 3.0]]), axis=0), Call(s())],
    np.add.reduce: [*reduction(s), Call(s(3, 2))],
    np.multiply.reduce: [Call(s(3)), Call(s(3, 2), axis=None)],
    np.maximum.reduce: reduction(apart),
    np.minimum.reduce: reduction(apart),
    np.logaddexp.reduce: [Call(s(4)), Call(s(2, 3), axis=1), Call(s(2, 3), axis=1, keepdims=True), Call(np.array([1000.0, 0.0]))],
    np.logaddexp2.reduce: [Call(s(4)), Call(s(2, 3), axis=0)],
    np.add.accumulate: [Call(s(4)), Call(s(2, 3), axis=1)],
    np.multiply.accumulate: [Call(s(4)), Call(s(2, 3), axis=-1)],
    np.cumsum: [Call(s(4)), Call(s(2, 3)), Call(s(2, 3), axis=-1)],
    np.cumprod: [Call(s(4)), Call(s(2, 3), axis=0), Call(np.array([2.0, 0.0, 3.0, 0.0]))],
    np.average: [Call(s(3)), Call(s(2, 3), axis=1), Call(s(3), None, Static(pos(3))), Call(s(2, 3), 1, Static(pos(3))), Call(s(2, 3), 1, pos(3))],
    np.median: [Call(apart(5)), Call(apart(4)), Call(apart(2, 3)), Call(apart(3, 4), axis=1), Call(apart(3, 4), axis=0, keepdims=True)],
    # products
    np.matmul: [
        Call(s(3), s(3)),
        Call(s(2, 3), s(3)),
        Call(s(3), s(3, 2)),
        Call(s(2, 3), s(3, 4)),
        Call(s(2, 3), s(5, 3, 4)),
        Call(s(5, 2, 3), s(3)),
        Call(s(3), s(5, 3, 2)),
        Call(s(5, 1, 2, 3), s(4, 3, 2)),
    ],
    operator.matmul: [Call(s(2, 3), s(3, 4)), Call(s(3), s(3, 2))],
    np.dot: [
        Call(s(3), s(3)),
        Call(s(2, 3), s(3)),
        Call(s(2, 3), s(3, 2)),
        Call(s(), s(3)),
        Call(s(2, 4, 3), s(3)),
        Call(s(2, 4, 3), s(5, 3, 2)),
        Call(s(2, 3), 2.0),
        Call(s(3), s(2, 3, 4)),
    ],
    np.vecdot: [Call(s(3), s(3)), Call(s(2, 3), s(3)), Call(s(2, 1, 3), s(4, 3))],
    np.inner: [Call(s(3), s(3)), Call(s(2, 3), s(4, 3)), Call(s(), s(3))],
    np.outer: [Call(s(3), s(2)), Call(s(2, 2), s(2))],
    np.vdot: [Call(s(3), s(3)), Call(s(2, 2), s(2, 2))],
    np.kron: [Call(s(2, 2), s(2, 3)), Call(s(2), s(3)), Call(s(2), s(2, 2))],
    np.tensordot: [Call(s(2, 3), s(2, 3)), Call(s(2, 3), s(3, 4), 1), Call(s(2, 3, 4), s(4, 3, 2), ([1, 2], [1, 0])), Call(s(2), s(3), 0)],
    np.cross: [Call(s(3), s(3)), Call(s(4, 3), s(3)), Call(s(3, 2), s(3, 2), axis=0)],
    np.einsum: [
        Call("ij,jk->ik", s(2, 3), s(3, 2)),
        Call("ij,jk", s(2, 3), s(3, 2)),
        Call("ii->i", s(3, 3)),
        Call("ii", s(3, 3)),
        Call("ijj->i", s(2, 3, 3)),
        Call("ij->", s(2, 3)),
        Call("i,j,k->kji", s(2), s(3), s(2)),
        Call("ij->j", s(2, 3)),
        Call("i,i", s(3), s(3)),
        Call("b i, i j -> b j", s(2, 3), s(3, 2)),
        Call("ij,jk,kl->il", s(2, 3), s(3, 2), s(2, 2), optimize=True),
    ],
    np.convolve: [
        Call(s(5), s(3)),
        Call(s(5), s(3), "same"),
        Call(s(5), s(2), "same"),
        Call(s(5), s(3), "valid"),
        Call(s(2), s(4), "same"),
        Call(s(2), s(4)),
    ],
    np.trace: [Call(s(3, 3)), Call(s(3, 4), 1), Call(s(2, 3, 3), axis1=1, axis2=2)],
    # linear algebra
    np.linalg.inv: [Call(well()), Call(well(2))],
    np.linalg.det: [Call(well()), Call(well(2))],
    np.linalg.slogdet: [Call(well()), Call(-well())],
    np.linalg.solve: [Call(well(), s(3)), Call(well(), s(3, 2)), Call(well(2), s(3)), Call(well(2), s(2, 3, 1)), Call(well(), s(2, 3, 2))],
    np.linalg.norm: [
        Call(s(3)),
        Call(s(2, 3)),
        Call(s(2, 3), axis=1),
        Call(s(2, 3), axis=0, keepdims=True),
        Call(s(3), 2),
        Call(s(2, 3), "fro"),
        Call(s(2, 3), axis=(0, 1)),
        Call(s(3), 1),
        Call(apart(3), np.inf),
        Call(apart(2, 3), -np.inf, 1),
        Call(s(2, 3), 2, 1),
    ],
    np.linalg.cholesky: [Call(symmetric()), Call(symmetric(2))],
    np.linalg.eigh: [Call(symmetric()), Call(symmetric(2))],
    np.linalg.eigvalsh: [Call(symmetric())],
    np.linalg.pinv: [Call(s(4, 2)), Call(s(2, 4)), Call(well())],
    np.linalg.matrix_power: [Call(0.3 * well(), n) for n in (-2, 0, 1, 2, 3, 5)],
    # arrangement
    np.reshape: [Call(s(2, 3), (3, 2)), Call(s(2, 3), -1), Call(s(2, 3), (3, 2), order="F"), Call(s(), (1, 1))],
    np.ravel: [Call(s(2, 3)), Call(s(2, 3), "F"), Call(s())],
    np.transpose: [Call(s(2, 3)), Call(s(2, 3, 4), (1, 2, 0)), Call(s(2, 3, 4), (-1, 0, 1))],
    np.swapaxes: [Call(s(2, 3, 4), 0, -1)],
    np.moveaxis: [Call(s(2, 3, 4), 0, -1), Call(s(2, 3, 4), (0, 1), (-1, 0))],
    np.rollaxis: [Call(s(2, 3, 4), 2)],
    np.matrix_transpose: [Call(s(2, 3, 4))],
    np.squeeze: [Call(s(1, 3, 1)), Call(s(1, 3, 1), 0)],
    np.expand_dims: [Call(s(2, 3), 1), Call(s(2, 3), (0, -1)), Call(s(), 0)],
    np.atleast_1d: [Call(s()), Call(s(2)), Call(s(), s(2))],
    np.atleast_2d: [Call(s(3)), Call(s())],
    np.atleast_3d: [Call(s(3)), Call(s(2, 3)), Call(s())],
    np.broadcast_to: [Call(s(3), (2, 3)), Call(s(2, 1), (2, 3)), Call(s(), (2, 2))],
    np.broadcast_arrays: [Call(s(3), s(2, 1))],
    np.copy: [Call(s(2, 3))],
    np.flip: [Call(s(2, 3)), Call(s(2, 3), 1), Call(s(2, 3, 2), (0, 2))],
    np.fliplr: [Call(s(2, 3))],
    np.flipud: [Call(s(2, 3))],
    np.rot90: [Call(s(2, 3)), Call(s(2, 3), 2), Call(s(2, 3, 2), 3, axes=(1, 2))],
    np.roll: [Call(s(4), 1), Call(s(2, 3), -1), Call(s(2, 3), 1, 1), Call(s(2, 3), (1, 2), (0, 1))],
    np.tile: [Call(s(3), 2), Call(s(2, 3), (2, 1, 2)), Call(s(), 3)],
    np.repeat: [Call(s(3), 2), Call(s(2, 3), [1, 2], 0)],
    np.resize: [Call(s(3), (2, 4))],
    np.delete: [Call(s(4), 1), Call(s(2, 3), [0, 2], 1)],
    np.take: [Call(s(4), Static(IJ)), Call(s(2, 3), [0, 2, 2], 1), Call(s(4), 5, mode="wrap")],
    np.take_along_axis: [Call(s(2, 3), Static(np.array([[0, 2], [1, 1]])), 1)],
    np.diagonal: [Call(s(3, 3)), Call(s(2, 3, 3), 1, 1, 2)],
    np.pad: [
        Call(s(3), 1),
        Call(s(2, 3), ((1, 0), (0, 2))),
        Call(s(3), 2, constant_values=1.5),
        Call(s(4), 2, mode="edge"),
        Call(s(4), (1, 2), "reflect"),
        Call(s(4), 3, "wrap"),
        Call(s(4), 2, "symmetric"),
    ],
    np.concatenate: [Call([s(2), s(3)]), Call([s(2, 1), s(2, 3)], axis=1), Call([s(2, 1), s(3)], axis=None)],
    np.stack: [Call([s(2), s(2)]), Call([s(2), s(2)], axis=-1)],
    np.hstack: [Call([s(2), s(3)]), Call([s(2, 1), s(2, 3)]), Call([s(), s()])],
    np.vstack: [Call([s(3), s(3)]), Call([s(2, 3), s(3)])],
    np.dstack: [Call([s(2, 3), s(2, 3)]), Call([s(3), s(3)])],
    np.column_stack: [Call([s(3), s(3, 2)])],
    np.append: [Call(s(3), s(2)), Call(s(2, 3), s(1, 3), 0), Call(s(3), 1.0)],
    np.block: [Call([[s(2, 2), s(2, 1)], [s(1, 2), s(1, 1)]]), Call([s(2), s(3)])],
    np.split: [Call(s(4), 2), Call(s(5), [1, 3]), Call(s(2, 4), 2, 1)],
    np.array_split: [Call(s(5), 2), Call(s(3, 2), 3), Call(s(2), 3)],
    np.hsplit: [Call(s(4), 2), Call(s(2, 4), 2)],
    np.vsplit: [Call(s(4, 2), 2)],
    np.dsplit: [Call(s(2, 2, 4), 2)],
    np.diag: [Call(s(3)), Call(s(3), 1), Call(s(2), -1), Call(s(3, 3)), Call(s(3, 4), 1)],
    np.diagflat: [Call(s(2, 2))],
    np.tril: [Call(s(3, 3)), Call(s(2, 3, 4), k=1)],
    np.triu: [Call(s(3, 3)), Call(s(2, 3, 4), k=-1)],
    np.fill_diagonal: [Call(s(3, 3), s(3), as_used=in_place(np.fill_diagonal)), Call(s(3, 4), s(), as_used=in_place(np.fill_diagonal))],
    np.copyto: [Call(s(2, 3), s(3), as_used=in_place(np.copyto))],
    np.compress: [Call([True, False, True], s(3)), Call([True, False], s(2, 3), 0)],
    np.extract: [Call(Static(np.array([True, False, True])), s(3))],
    np.sort: [Call(apart(4)), Call(apart(3, 4), axis=0), Call(apart(2, 3), axis=None)],
    np.partition: [Call(apart(5), 2)],
    np.real: [Call(s(3))],
    # computing on a grid
    np.diff: [Call(s(4)), Call(s(4), 2), Call(s(3, 4), 1, 0), Call(s(4), prepend=0.0), Call(s(3), 1, -1, s(1), s(2)), Call(s(2, 3), 1, 1, s())],
    np.ediff1d: [Call(s(4)), Call(s(4), s(1), s(2))],
    np.gradient: [Call(s(5)), Call(s(5), 0.5), Call(s(3, 4)), Call(s(3, 4), 0.5, 2.0), Call(s(3, 4), axis=1), Call(s(5), pos())],
    np.trapezoid: [Call(s(4)), Call(s(4), dx=0.5), Call(s(4), pos(4)), Call(s(2, 4), axis=0), Call(s(2, 4), pos(4)), Call(s(2, 4), pos(2, 4))],
    np.interp: [Call(np.array([0.3, 1.2, 2.0, -1.0, 5.0]), Static(grid), s(4)), Call(0.4, Static(grid), s(4))],
    np.polyval: [Call(s(3), s(2)), Call([1.0, 2.0], s(3))],
    np.clip: [
        Call(apart(5), -0.4, 0.5),
        Call(apart(5), None, 0.5),
        Call(apart(4), Static(apart(4) + 0.2), 5.0),
        Call(apart(4), min=0.2),
        Call(apart(4), max=0.2),
    ],
    np.select: [
        Call([Static(np.array([True, False, False])), Static(np.array([True, True, False]))], [s(3), s(3)]),
        Call([Static(np.array([True, False]))], [s(2)], 1.5),
    ],
    np.divmod: [Call(np.array([3.3, -2.2]), 1.5)],
}
EXAMPLES |= {
    np.linalg.outer: [Call(s(3), s(2))],
    np.linalg.cross: [Call(s(3), s(3))],
    np.linalg.tensordot: [Call(s(2, 3), s(3, 2), axes=1)],
    np.linalg.vecdot: [Call(s(2, 3), s(3)), Call(s(3, 2), s(3, 2), axis=0)],
    np.linalg.matmul: [Call(s(2, 3), s(3, 2))],
    np.linalg.vector_norm: [Call(s(3)), Call(s(2, 3), axis=1), Call(s(2, 3)), Call(s(3), ord=1)],
    np.linalg.matrix_transpose: [Call(s(2, 3))],
}
if hasattr(np, "matvec"):
    EXAMPLES[np.matvec] = [Call(s(2, 3), s(3)), Call(s(4, 1, 2, 3), s(2, 3)), Call(s(2, 3), s(5, 3))]
    EXAMPLES[np.vecmat] = [Call(s(2), s(2, 3)), Call(s(5, 2), s(2, 3)), Call(s(2), s(5, 2, 3))]
if hasattr(np, "unstack"):
    EXAMPLES[np.unstack] = [Call(s(2, 3)), Call(s(2, 3), axis=1)]

SPECIAL_EXAMPLES = {
    **{
        name: unary(s)
        for name in ("expit", "log_expit", "softplus", "erf", "erfc", "erfcx", "ndtr", "log_ndtr", "dawsn", "exp10", "i0", "i1", "j0", "j1")
    },
    **{name: unary(pos) for name in ("gamma", "gammaln", "psi", "entr", "cbrt")},
    "logit": [Call(0.5 + 0.4 * unit(3))],
    "erfinv": unary(unit),
    "ndtri": [Call(0.5 + 0.4 * unit(3))],
    "_zeta": [Call(Static(1.0 + pos(3)), pos(3))],
    **{name: binary(pos, pos) for name in ("beta", "betaln", "rel_entr", "kl_div", "xlogy", "xlog1py")},
}
for name, calls in SPECIAL_EXAMPLES.items():
    function = getattr(sp, name, getattr(sp._ufuncs, name, None))
    if function is not None:
        EXAMPLES[function] = calls
