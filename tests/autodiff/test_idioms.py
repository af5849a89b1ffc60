"""What people write, as a table: each idiom is right (NumPy's value bit for bit, the derivative of differences) or loud, never silently wrong."""

import copy
import itertools
import json
import math
import pickle
import re

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.special as sp

from refnode.autodiff.transforms import grad, pullback
from refnode.errors import TraceError
from tests.autodiff.test_rules import check_dot

RIGHT, LOUD = {}, {}
Z0 = np.array([0.7, -1.3, 0.4])
P0 = np.array([[1.1, 0.3, -0.5], [0.2, 0.9, 0.6], [-0.4, 0.7, 1.3]])
MASK = np.array([True, False, True])
A = np.array([[2.0, -1.0, 0.3], [0.5, 1.0, 0.0], [0.1, 0.2, 3.0]])


def right(f):
    """f(z, p) gives NumPy's bits and the right derivative."""
    RIGHT[f.__name__] = f
    return f


def loud(remedy):
    """f(z, p) raises a TraceError whose sentence contains `remedy` and this file with the line."""
    def mark(f):
        LOUD[f.__name__] = (f, remedy)
        return f
    return mark


# ------------------------------------------------------------------------------------------------ making the result

@right
def array_of_scalars(z, p): return np.array([z[1] * p[0, 0], np.sin(z[0]), -z[2]])
@right
def list_of_scalars(z, p): return [z[1] * p[0, 0], np.sin(z[0]), -z[2]]
@right
def tuple_of_arrays(z, p): return z * 2, p @ z
@right
def unpacking(z, p):
    x, y, w = z
    return np.array([x * y, y * w, w * x])
@right
def starred_unpacking(z, p):
    first, *rest = z
    return np.array([first * rest[1], rest[0]])
@right
def mixed_list(z, p): return np.array([z[0], 1.0, z[1] * 2])
@right
def nested_list(z, p): return np.array([[z[0], z[1]], [z[2], 0.0]])
@right
def array_of_rows(z, p): return np.array([p[0] * z, p[1]])
@right
def array_times_matrix(z, p): return np.array([z[0], z[1], z[2]]) * p
@right
def matrix_times_array(z, p): return p * np.array([z[0], z[1], z[2]])
@right
def array_then_tanh(z, p): return np.tanh(np.array([z[0] * z[1], z[2]]))
@right
def array_plus_traced(z, p): return np.array([z[0], z[1], z[2]]) + z
@right
def zeros_like_assigned(z, p):
    dz = np.zeros_like(z)
    dz[0] = z[1] * p[0, 1]
    dz[1:] = z[:2] * z[2]
    return dz
@right
def empty_like_assigned(z, p):
    dz = np.empty_like(z)
    dz[0], dz[1], dz[2] = z[1], -z[0], z[0] * z[2]
    return dz
@right
def ones_like_times(z, p): return np.ones_like(z) * z[0]
@right
def full_like_traced(z, p): return np.full_like(z, z[1]) * z
@right
def zeros_like_of_part(z, p):
    out = np.zeros_like(z[:2])
    out[:] = z[1:] * 2
    return out
@right
def strided_assignment(z, p):
    dz = np.zeros_like(z)
    dz[::2], dz[1::2] = z[:2] * 3, z[2]
    return dz
@right
def in_place_on_slices(z, p):
    dz = z * 2
    dz[1:] += z[:-1]
    dz[:-1] -= z[1:] * z[1:]
    dz[0] *= z[2]
    return dz
@right
def in_place_operators(z, p):
    y = np.tanh(z)
    y += 1
    y *= z
    y -= p[0]
    y /= 2
    y **= 2
    return y
@right
def matmul_in_place(z, p):
    y = p * 1
    y @= p
    return y
@right
def assignment_from_list(z, p):
    y = z * 1
    y[:2] = [z[2], 4.0]
    return y
@right
def assignment_of_repeated_indices(z, p):
    y = z * 1
    y[[0, 0, 1]] = z * z
    return y
@right
def assignment_by_mask(z, p):
    y = z * p[0]
    y[y < 0] = 0.0
    return y
@right
def broadcast_assignment(z, p):
    y = np.zeros_like(p)
    y[:] = z
    y[:, 0] = z[1]
    return y
@right
def stacking(z, p): return np.stack([z, z * z], axis=1), np.concatenate([z, p[0]]), np.hstack([z, 1.0]), np.vstack([z, p]), np.column_stack([z, z])
@right
def r_and_c(z, p): return np.array(list(np.r_[z[0], z[1]]))
@right
def append_to_list(z, p):
    out = []
    for i in range(3):
        out.append(z[i] * p[i, i])
    return np.array(out)
@right
def comprehension(z, p): return np.array([x * x for x in z])
@right
def sum_builtin(z, p): return sum(z) * sum(p[0])
@right
def max_and_min_builtin(z, p): return max(z) * min(z) + max(z[0], 0.0)
@right
def zip_and_enumerate(z, p): return sum(i * a * b for i, (a, b) in enumerate(zip(z, p[1], strict=True)))
@right
def reversed_builtin(z, p): return np.array(list(reversed(z)))
@right
def meshed(z, p): return np.subtract.outer(z, z) * np.multiply.outer(z, p[0])
@right
def pairwise(z, p): return np.sum((z[:, None] - z[None, :]) ** 2 + p, axis=0)


# -------------------------------------------------------------------------------------------------- views and aliases

@right
def write_through_slice(z, p):
    y = np.zeros_like(z)
    part = y[1:]
    part[:] = z[:2] * 2
    return y
@right
def write_through_slice_of_slice(z, p):
    y = np.zeros_like(p)
    y[1:][:, :2][0] = z[:2]
    return y
@right
def write_through_reshape(z, p):
    y = np.zeros_like(p)
    flat = y.reshape(-1)
    flat[4] = z[0]
    flat[::3] += z
    return y
@right
def write_through_ravel(z, p):
    y = p * 2
    y.ravel()[1:3] = z[:2]
    return y
@right
def write_through_transpose(z, p):
    y = p * 2
    y.T[0] = z
    return y
@right
def write_through_iteration(z, p):
    y = np.zeros_like(p)
    for row, x in zip(y, z, strict=True):
        row += x
        row[0] = x * x
    return y
@right
def write_through_flip_and_friends(z, p):
    y = p * 1
    np.flip(y, 0)[0] = z
    np.swapaxes(y, 0, 1)[1] *= z
    y[:, None].squeeze()[2] -= 1
    np.rot90(y)[0] = z * z
    return y
@right
def write_through_split(z, p):
    y = p * 1
    top, bottom = np.split(y, [1])
    bottom[:] = z
    top += 1
    return y
@right
def write_through_atleast(z, p):
    y = z * 1
    np.atleast_2d(y)[0, 1] = z[0] * z[2]
    np.expand_dims(y, 0)[0, 0] = 2.0
    return y
@right
def write_to_view_in_place(z, p):
    y = z * 1
    w = y[::2]
    w *= z[1]
    return y
@right
def view_sees_the_parents_change(z, p):
    y = z * 1
    part = y[:2]
    y[0] = z[2] * z[1]
    y *= 2
    return part * z[1]
@right
def diagonal_sees_the_parents_change(z, p):
    y = p * 1
    d = np.diagonal(y)
    y[1] = z
    return d * 2
@right
def broadcast_sees_the_parents_change(z, p):
    y = z * 1
    b = np.broadcast_to(y, (2, 3))
    y[1] = z[0] * z[2]
    return b[1] * 1
@right
def fancy_indexing_copies(z, p):
    y = z * 1
    part = y[[0, 1]]
    part *= 5
    y[0] = 3.0
    return y + part[1] * part[0]
@right
def flatten_copies(z, p):
    y = p * 1
    y.flatten()[0] = 7.0
    return y
@right
def noncontiguous_ravel_copies(z, p):
    y = p * 1
    y.T.ravel()[0] = 7.0
    return y
@right
def alias_is_changed_too(z, p):
    y = np.tanh(z)
    w = y
    y *= 2
    return w + z
@right
def old_value_is_kept_by_its_users(z, p):
    y = z * 2
    s = y * y
    y[0] = 100.0
    return s + y
@right
def copies_are_apart(z, p):
    y = z * 2
    w, v, u = y.copy(), copy.copy(y), copy.deepcopy(y)
    y *= 3
    w += 1
    return w * y + u * v
@right
def scalars_are_values(z, p):
    y = z * 1
    x = y[0]
    x += 5.0
    y[0] = 2.0
    return x * y
@right
def swap_by_tuple(z, p):
    y = z * 1
    y[0], y[1] = y[1] * 1, y[0] * 1
    return y * p[0]
@right
def scratch_array_overwritten_after_use(z, p):
    scratch = np.array([1.0, 2.0, 3.0])
    y = z * scratch
    scratch *= 100
    w = p @ z + scratch @ z
    scratch[:] = 0
    return y * w
@right
def mask_overwritten_after_use(z, p):
    mask = np.array([True, False, True])
    y = np.where(mask, z, 2 * z) + z[mask].sum()
    mask[:] = False
    return y
@right
def index_list_changed_after_use(z, p):
    index = [0, 2]
    y = z[index] * z[1]
    index[0] = 1
    return y
@right
def sort_in_place(z, p):
    y = z * 1
    y.sort()
    return y * p[0]
@right
def fill_method(z, p):
    y = np.zeros_like(z)
    y.fill(z[1])
    return y * z
@right
def fill_diagonal(z, p):
    y = p * 1
    np.fill_diagonal(y, z)
    return y @ z


# ------------------------------------------------------------------------------------------------------ indexing, shape

@right
def slicing(z, p): return p[1:, ::-1] @ z, p[..., 0], z[None] * 2, p[-1, -2:]
@right
def fancy_indexing(z, p): return z[[0, 0, 2]], p[[0, 1], [2, 2]], p[np.ix_([0, 2], [1, 2])], z[np.array([[0, 1], [2, 2]])]
@right
def boolean_indexing(z, p): return z[MASK], p[MASK], z[z > 0] * 2, p[p > 0.5].sum()
@right
def shapes(z, p): return p.reshape(-1), p.reshape(3, 3, 1), p.ravel(), p.T, p.transpose(1, 0), p.flatten(), p.swapaxes(0, 1), z[:, np.newaxis], p.mT
@right
def rearranging(z, p):
    return (np.roll(z, 1), np.flip(p, 0), np.repeat(z, 2), np.tile(z, 2),
            np.rot90(p), np.fliplr(p), np.pad(z, 1), np.pad(z, 2, mode="wrap"))
@right
def periodic_laplacian(z, p): return np.roll(z, 1) - 2 * z + np.roll(z, -1)
@right
def convolution_stencil(z, p): return np.convolve(z, [1.0, -2.0, 1.0], "same") + np.convolve(z, p[0], "same")
@right
def finite_differences(z, p): return np.diff(z), np.gradient(z, 0.1), np.diff(z, prepend=0.0, append=0.0)
@right
def splitting(z, p): return tuple(np.split(p, 3)), tuple(np.array_split(z, 2))
@right
def half_states(z, p):
    q, v = z[:1], z[1:]
    return np.concatenate([v * q, -q])
@right
def len_and_shape(z, p): return z * len(z) * p.shape[0] * np.shape(z)[0] * z.size * np.ndim(p) * p.ndim
@right
def take_and_friends(z, p): return np.take(z, [2, 0]), np.take_along_axis(p, np.argsort(p, 1), 1), z.take([1]), np.delete(z, 1), np.compress(MASK, z)
@right
def sorting(z, p): return np.sort(z) * p[0], np.median(z), z[np.argsort(z)]
@right
def asarray(z, p): return np.asarray(z) @ p
@right
def array_call(z, p): return np.array(z) * 2 + np.array(p) @ z
@right
def array_call_copies(z, p):
    y = z * 1
    w = np.array(y)
    y[0] = 5.0
    w[1] = 7.0
    return w * y
@right
def array_call_then_assign(z, p):
    y = np.array(z)
    y[0] = z[1] * 2
    return y * z
@right
def atleast(z, p): return np.atleast_1d(z[0]), np.atleast_2d(z) @ p, np.squeeze(z[None])
@right
def flat_and_ndenumerate(z, p): return sum(x * x for x in p.flat), sum(x * (i + j) for (i, j), x in np.ndenumerate(p))
@right
def membership(z, p): return z * (2.0 if 7.0 in z else 3.0) * (1.0 if z[0] in [1.0, 2.0] else 0.5)


# ---------------------------------------------------------------------------------------------------------- arithmetic

@right
def where(z, p): return np.where(z > 0, z * z, p[0]) + np.where(MASK, z, 0.0)
@right
def masked_by_multiplication(z, p): return (z > 0) * z + ~(z > 0) * p[0]
@right
def clip_and_maximum(z, p): return np.clip(z, -1, 0.5), np.maximum(z, 0), z.clip(0.0), np.minimum(z, p[0]), np.fmax(0.1, z)
@right
def branch(z, p): return z * 2 if z[0] > 0 and not z[1] > 0 else z * 3
@right
def branch_on_norm(z, p): return z / np.linalg.norm(z) if np.linalg.norm(z) > 1 else z
@right
def while_loop(z, p):
    y = z
    while np.max(np.abs(y)) > 0.1:
        y = 0.5 * y * np.cos(y)
    return y
@right
def reductions(z, p):
    return (z.sum(), p.sum(0), p.mean(axis=1), p.var(axis=0), p.std(),
            z.max(), p.min(axis=1), z.prod(), np.ptp(z), z.cumsum(), p.sum(axis=(0, 1)))
@right
def keepdims(z, p): return p / p.sum(axis=1, keepdims=True), p - p.mean(0, keepdims=True)
@right
def softmax_by_hand(z, p):
    e = np.exp(z - np.max(z))
    return e / e.sum()
@right
def logsumexp_as_reduce(z, p): return np.logaddexp.reduce(z), np.logaddexp.reduce(p, axis=1)
@right
def products(z, p):
    return (p @ z, z @ p, np.dot(p, z), p.dot(z), np.outer(z, z),
            np.inner(z, p), np.vdot(z, z), np.einsum("ij,j->i", p, z), np.tensordot(p, z, 1), z @ z)
@right
def plain_matrix_times(z, p): return A @ z, z @ A, A * z, 2 * z, A @ p @ A.T, np.float64(2.0) * z, np.array(3.0) * z
@right
def linear_algebra(z, p):
    return (np.linalg.solve(p, z), np.linalg.inv(p) @ z, np.linalg.det(p),
            np.linalg.norm(z), np.linalg.slogdet(p)[1], np.trace(p), np.linalg.norm(p, axis=0))
@right
def cross_and_kron(z, p): return np.cross(z, p[0]), np.kron(z, z)
@right
def powers(z, p): return z**2, z**3, p**2.0, 2.0**z, abs(z) ** 1.5, np.power(z, 3), z**-1, np.square(z), abs(z) ** p[0], pow(z, 2)
@right
def remainders(z, p): return z % 0.5, np.mod(z, 1.0), np.remainder(z, 2 * np.pi), np.floor(z) * z, z // 0.3 * z
@right
def elementwise(z, p):
    return (np.sin(z), np.exp(-z), np.log1p(z * z), np.arctan2(z, p[0]),
            np.hypot(z, 1.0), np.sinc(z), np.sign(z) * z, np.cbrt(z * z), np.nan_to_num(z))
@right
def special_functions(z, p): return sp.expit(z), sp.erf(z), sp.gammaln(z * z), sp.log_expit(z), sp.xlogy(z * z, p[1, 1])
@right
def unary_operators(z, p): return -z, +z, abs(z)
@right
def reflected_operators(z, p): return 1 - z, 2 / z, [1.0, 2.0, 3.0] * z, z + (1, 2, 3), np.float32(2) * z
@right
def scalars_and_zero_d(z, p): return z[0] * z[1], np.array(2.0) * z[0], np.sum(z), z[0].reshape(1), z[0] ** 2
@right
def errstate(z, p):
    with np.errstate(all="ignore"):
        return np.sqrt(z * z + 1)
@right
def interpolation(z, p): return np.interp(z, [-2.0, 0.0, 1.0], [0.0, 1.0, 4.0])
@right
def polynomials(z, p): return np.polyval([1.0, -2.0, 0.5], z), np.polyval(p[0], z)
@right
def select(z, p): return np.select([z > 0.5, z < 0], [z * z, p[0]], default=1.0)
@right
def numpy_questions(z, p): return z * (1.0 if np.all(np.isfinite(z)) and np.any(z > 0) and not np.isnan(z).any() and np.allclose(z, z) else 0.0)
@right
def formatting(z, p):
    return z * len(f"{z[0] > 0}") * (1.0 if f"{z[0]:.1f}" == "0.7" and "0.7" in f"{z:}" + "0.7" + repr(z) + str(z) else 0.0)
@right
def vectorized(z, p): return np.vectorize(lambda x: x * x + 1)(z)
@right
def map_and_list(z, p): return np.array(list(map(np.tanh, z)))
@right
def lambda_closure(z, p):
    square = lambda x: x * x * p[0]
    return square(z) + square(2 * z)
@right
def nested_gradient(z, p): return grad(lambda x: np.sum(np.sin(x) * p[0] * z))(z)
@right
def nested_gradient_with_array_call(z, p): return grad(lambda x: np.sum(x**3))(np.array([z[0], z[1]]))
@right
def augmented_assignment_of_name(z, p):
    s = 0.0
    for i in range(3):
        s += z[i] ** 2
    return s * z
@right
def astype(z, p): return z.astype(float) * 2
@right
def dtype_and_like(z, p): return z * np.ones(3, dtype=z.dtype) + np.eye(3, dtype=p.dtype)[0]
@right
def array_api(z, p):
    xp = z.__array_namespace__() if not isinstance(z, np.ndarray) else np
    return xp.sin(z)
@right
def hasattr_and_getattr(z, p): return z * (1.0 if hasattr(z, "detach") else 2.0) * getattr(z, "scale", 3.0)
@right
def matrix_power_and_eigh(z, p): return np.linalg.matrix_power(p, 3), np.linalg.eigh(p + p.T)[0], np.linalg.eigvalsh(p @ p.T), np.linalg.pinv(p[:2])
@right
def polynomial_module(z, p): return np.polynomial.polynomial.polyval(z, [1.0, 2.0, 3.0])
@right
def dict_of_parameters(z, p):
    parameters = {"W": p, "b": p[0]}
    return np.tanh(z @ parameters["W"] + parameters["b"])
@right
def scipy_softmax(z, p): return sp.softmax(z)
@right
def norm_of_array_call(z, p): return np.linalg.norm(np.array([z[0], z[1]]))
@right
def lists_as_operands(z, p):
    return (np.dot(p, [z[0], 1.0, z[1]]), np.multiply(z, [z[0], 1.0, 2.0]),
            np.dot(p, [1.0, 2.0, 3.0]), np.where(MASK, [z[1], 0.0, 1.0], z), z @ [1.0, 2.0, 3.0])
@right
def block(z, p): return np.block([[p, z[:, None]], [z[None], np.ones((1, 1))]])
@right
def triangles(z, p): return np.tril(p) @ z, np.triu(p, 1), np.diag(z), np.diag(p)


# ---------------------------------------------------------------------------------------------------------------- loud

@loud("np.zeros_like(z)")
def zeros_filled(z, p):
    out = np.zeros(3)
    out[0] = z[0]
    return out
@loud("np.zeros_like(z)")
def empty_filled_by_slice(z, p):
    out = np.empty(3)
    out[:] = z * 2
    return out
@loud("np.zeros_like(z)")
def zeros_filled_in_place(z, p):
    out = np.zeros(3)
    out[1] += z[1]
    return out
@loud("x = x + y")
def plain_plus_in_place(z, p):
    out = np.ones(3)
    out += z
    return out
@loud("x = x + y")
def out_keyword(z, p):
    buffer = np.empty(3)
    np.multiply(z, 2, out=buffer)
    return buffer
@loud("x = x + y")
def out_keyword_of_function(z, p): return np.clip(z, 0, 1, out=np.empty(3))
@loud("np.where")
def where_keyword(z, p): return np.add(z, 1, where=MASK)
@loud("astype")
def dtype_keyword(z, p): return np.sum(z, dtype=np.float32)
@loud("np.maximum")
def initial_keyword(z, p): return np.max(z, initial=0.0)
@loud("np.sin")
def float_call(z, p): return float(z[0]) * 2
@loud("np.sin")
def math_sin(z, p): return math.sin(z[0])
@loud("np.sin")
def int_call(z, p): return int(z[0])
@loud("np.sin")
def range_of_traced(z, p): return [z[i] for i in range(z[0])]
@loud("np.sin")
def item(z, p): return z[0].item()
@loud("np.sin")
def tolist(z, p): return z.tolist()
@loud("np.sin")
def float64_of_traced(z, p): return np.float64(z[0]) * z
@loud("np.sin")
def asarray_with_dtype(z, p): return np.asarray(z, dtype=float) * 2
@loud("np.sin")
def arange_traced(z, p): return np.arange(z[0])
@loud("np.linspace(0, 1, n)")
def linspace_traced(z, p): return np.linspace(0.0, z[0], 4)
@loud("np.logaddexp.reduce")
def logsumexp(z, p): return sp.logsumexp(z)
@loud("NumPy's functions")
def json_dumps(z, p): return json.dumps({"z": z[0]})
@loud("NumPy's functions")
def scipy_expm(z, p): return scipy.linalg.expm(p) @ z
@loud("NumPy's functions")
def sparse_matrix(z, p): return scipy.sparse.csr_array(A) @ z
@loud("NumPy's functions")
def divmod_builtin(z, p): return divmod(z, 2)
@loud("NumPy's functions")
def round_builtin(z, p): return round(z[0], 1) * z
@loud("pickled")
def pickling(z, p): return pickle.loads(pickle.dumps(z))
@loud("z.copy()")
def assignment_to_the_argument(z, p):
    z[0] = 1.0
    return z
@loud("z.copy()")
def in_place_on_the_argument(z, p):
    w = z
    z *= p[0]
    return w
@loud("z.copy()")
def in_place_on_a_view_of_the_argument(z, p):
    w = z[1:]
    w += 1
    return z * 1
@loud("z.copy()")
def sort_the_argument(z, p):
    z.sort()
    return z
@loud("z.copy()")
def asarray_shares_memory(z, p):
    y = z * 1
    w = np.asarray(y)
    y[0] = 5.0
    return w * y
@loud("z.copy()")
def asarray_of_a_view_shares_memory(z, p):
    y = p * 1
    w = np.asarray(y[0])
    y += 1
    return w * y
@loud("apart")
def complex_constant(z, p): return np.abs(z * 1j)
@loud("np.asarray(x)")
def matrix_constant(z, p): return z @ np.asmatrix(A)
@loud("np.asarray(x)")
def masked_constant(z, p): return z * np.ma.masked_array([1.0, 2.0, 3.0], [True, False, False])
@loud("np.stack")
def mean_of_a_list(z, p): return np.mean([z[0], z[1]])
@loud("np.stack")
def solve_with_object_array(z, p): return np.linalg.solve(np.array([[z[0], 1.0], [0.0, z[1]]]), np.ones(2))
@loud("array operations")
def apply_along_axis(z, p): return np.apply_along_axis(np.sum, 0, p)
@loud("ellipsis")
def einsum_ellipsis(z, p): return np.einsum("...i->...", p)
@loud("ellipsis")
def einsum_index_lists(z, p): return np.einsum(p, [0, 1], [0])
@loud("x[~np.isnan(x)]")
def nanmean(z, p): return np.nanmean(z)
@loud("np.isnan(x)")
def nansum(z, p): return np.nansum(z)
@loud("np.where")
def piecewise(z, p): return np.piecewise(z, [z > 0], [lambda x: x, 0.0])
@loud("f.pullback")
def fft(z, p): return np.fft.rfft(z)
@loud("np.linalg.eigh")
def svd(z, p): return np.linalg.svd(p)[1]
@loud("np.where(mask, x, y)")
def where_with_one_argument(z, p): return np.where(z)
@loud("array operations")
def ufunc_at(z, p):
    y = z * 1
    np.add.at(y, [0], 1.0)
    return y
@loud("array operations")
def reduceat(z, p): return np.add.reduceat(z, [0, 2])
@loud("f.pullback")
def unknown_attribute(z, p): return z.strides
@loud("np.abs")
def strange_norm(z, p): return np.linalg.norm(z, 3)
@loud("return numbers or arrays")
def returned_string(z, p): return "z"
@loud("is not differentiated with")
def unknown_keyword(z, p): return np.std(z, mean=0.0)
@loud("xp")
def interp_knots(z, p): return np.interp(0.5, np.sort(z), p[0])
@loud("np.sin")
def random_with_traced(z, p): return np.random.default_rng(0).normal(z)
@loud("np.sin")
def math_on_sum(z, p): return z / math.sqrt(np.sum(z * z))
@loud("NumPy's functions")
def nditer(z, p): return sum(x * x for x in np.nditer(z))
@loud("NumPy's functions")
def isfinite_of_object_array(z, p): return np.isfinite(np.array([z[0], z[1]])) * z[:2]
@loud("leave them out")
def keyword_argument(z, p): return np.repeat(a=z, repeats=2)
@loud("np.sin")
def struct_format(z, p): return "%f" % z[0] and z  # noqa: UP031
@loud("np.sin")
def statistics_module(z, p): return math.fsum(z)


# ------------------------------------------------------------------------------------------------------------ the checks

@pytest.mark.parametrize("name", RIGHT)
def test_right(name):
    f = RIGHT[name]
    value, _, _ = check_dot(f, (Z0, P0))
    expected = f(Z0.copy(), P0.copy())
    flat = lambda x: list(itertools.chain(*map(flat, x))) if isinstance(x, (list, tuple)) else [x]
    for x, y in zip(flat(value), flat(expected), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", LOUD)
def test_loud(name):
    f, remedy = LOUD[name]
    with pytest.raises(TraceError) as caught:
        pullback(f, Z0, P0)
    sentence = str(caught.value)
    assert remedy in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    lines = range(f.__code__.co_firstlineno, f.__code__.co_firstlineno + 8)
    if name not in ("returned_string",):
        assert int(re.search(r"\(test_idioms\.py:(\d+)\)", sentence)[1]) in lines


def test_there_are_at_least_eighty():
    assert len(RIGHT) + len(LOUD) >= 80
    assert len(set(RIGHT) | set(LOUD)) == len(RIGHT) + len(LOUD)
