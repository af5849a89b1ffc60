"""The glossary says what the installed packages do: signatures, defaults, names of methods, error weights."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import refnode_validation
import scipy.integrate

import refnode as rn
from refnode.ode import arguments, control, tableaus

PAGE = Path(refnode_validation.__file__).with_name("GLOSSARY.md").read_text(encoding="utf-8")
COLUMNS = ("refnode", "torchdiffeq", "diffrax", "JAX odeint", "SciPy solve_ivp")


def tables():
    """{(row, column): cell} of all tables."""
    cells = {}
    for line in PAGE.splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            head, *rest = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            assert len(rest) == len(COLUMNS), line
            assert (head, "refnode") not in cells or head == "what", f"two rows are called {head}"
            cells.update({(head, column): cell for column, cell in zip(COLUMNS, rest, strict=True)})
    return cells


CELLS = tables()


def words(row, column):
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", CELLS[row, column])


def methods(column):
    """The plain names in the column of the table of methods."""
    part = PAGE.partition("\n## Methods\n")[2].partition("\n## ")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in part.splitlines() if line.startswith("|")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row[1 + COLUMNS.index(column)])} - {"steps"}


def defaults(function):
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}


def number(row, column):
    return float(re.match(r"[\d.e+-]+", CELLS[row, column])[0])


def weights(theirs):
    """Their error weights as a multiple of SciPy's."""
    ours = scipy.integrate.RK45.E
    return np.asarray(theirs, float)[ours != 0] / ours[ours != 0]


def test_the_versions_are_named():
    assert all(column.split()[0] in PAGE for column in COLUMNS)
    assert len(CELLS) > 200


def test_refnode():
    f = lambda z, t, theta: -z
    for name in methods("refnode"):
        if name == "leapfrog":
            zs = rn.odeint(lambda z, t, theta: (z[1], -z[0]), (np.ones(1), np.ones(1)), [0.0, 0.1], method=name, step_size=0.1)[0]
        else:
            adaptive = name in arguments.LATER or getattr(arguments.METHODS[name], "b_hat", None) is not None
            zs = rn.odeint(f, np.ones(1), [0.0, 0.1], method=name, **({} if adaptive else {"step_size": 0.01}))
            assert zs[-1, 0] == pytest.approx(np.exp(-0.1), rel=0.01)
    assert {*arguments.METHODS, *arguments.LATER} == methods("refnode")
    given = defaults(arguments_of_start())
    assert (given["rtol"], given["atol"]) == (number("`rtol`, by default", "refnode"), number("`atol`, by default", "refnode"))
    assert f"max_steps={given['max_steps']:_}" in CELLS["most steps", "refnode"]
    assert given["method"] == words("when none is named", "refnode")[0]
    assert {"first_step", "min_step", "max_step", "jump_ts", "steps", "step_size", "norm", "controller"} <= set(given)
    factors = ", ".join(f"{x:g}" for x in (control.SAFETY, control.MIN_FACTOR, control.MAX_FACTOR))
    assert {CELLS["safety, least and largest factor", column] for column in COLUMNS} == {factors}


def arguments_of_start():
    from refnode.ode.solve import start

    return start


def test_gradients_of_refnode():
    from refnode.gradients.select import GRADIENTS

    part = PAGE.partition("\n## Gradients\n")[2]
    named = re.findall(r'`(?:gradient=)?"(\w+)"`', part)
    assert set(named) == set(GRADIENTS)


def test_scipy():
    given = defaults(scipy.integrate.solve_ivp)
    assert list(given)[:3] == ["fun", "t_span", "y0"]
    assert given["method"] == words("when none is named", "SciPy solve_ivp")[0]
    assert {"t_eval", "dense_output", "events", "args"} <= set(given)
    solver = defaults(scipy.integrate.RK45.__init__)
    for key in ("rtol", "atol"):
        assert solver[key] == number(f"`{key}`, by default", "SciPy solve_ivp")
    assert {"first_step", "max_step"} <= set(solver)
    assert all(hasattr(scipy.integrate, name) for name in methods("SciPy solve_ivp"))
    sol = scipy.integrate.solve_ivp(lambda t, y: np.array([t + 0 * y[0], 1.0]), (1.0, 0.5), np.zeros(2), t_eval=[1.0, 0.5])
    assert sol.y.shape == (2, 2)
    np.testing.assert_allclose(sol.y[:, -1], [-0.375, -0.5], rtol=1e-12)
    assert sol.nfev > 0
    norm = scipy.integrate._ivp.common.norm
    assert norm(np.array([3.0, 4.0])) == pytest.approx(np.sqrt(12.5), rel=1e-15)
    old = defaults(scipy.integrate.odeint)
    assert old["tfirst"] is False


def test_the_weights_of_dopri5():
    """Shampine's estimate is 2/3 of Dormand and Prince's, which are SciPy's."""
    own = np.array([float(b - b_hat) for b, b_hat in zip(tableaus.dopri5.b, tableaus.dopri5.b_hat, strict=True)])
    shampine = np.array([float(b - b_hat) for b, b_hat in zip(tableaus.dopri5_shampine.b, tableaus.dopri5_shampine.b_hat, strict=True)])
    np.testing.assert_allclose(np.abs(weights(own)), 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.abs(weights(shampine)), 2 / 3, rtol=1e-12)
    assert round(100 * (1.5**0.2 - 1)) == 8


def test_torchdiffeq():
    torchdiffeq = pytest.importorskip("torchdiffeq")
    import torch
    from torchdiffeq._impl import dopri5, misc, rk_common, solvers
    from torchdiffeq._impl.odeint import SOLVERS

    given = defaults(torchdiffeq.odeint)
    assert list(given)[:3] == ["func", "y0", "t"]
    for key in ("rtol", "atol"):
        assert given[key] == number(f"`{key}`, by default", "torchdiffeq")
    assert methods("torchdiffeq") <= set(SOLVERS)
    assert set(SOLVERS) - methods("torchdiffeq") == {"fixed_adams", "scipy_solver"}  # a second name of implicit_adams; SciPy itself
    adaptive = defaults(rk_common.RKAdaptiveStepsizeODESolver.__init__)
    assert [adaptive["safety"], adaptive["dfactor"], adaptive["ifactor"]] == [0.9, 0.2, 10.0]
    assert str(adaptive["max_num_steps"]) in CELLS["most steps", "torchdiffeq"]
    assert {"first_step", "min_step", "max_step", "jump_t"} <= set(adaptive)
    assert "step_size" in defaults(solvers.FixedGridODESolver.__init__)
    assert {"adjoint_rtol", "adjoint_atol", "adjoint_method", "adjoint_params", "adjoint_options"} <= set(defaults(torchdiffeq.odeint_adjoint))
    np.testing.assert_allclose(np.abs(weights(dopri5._DORMAND_PRINCE_SHAMPINE_TABLEAU.c_error)), 2 / 3, rtol=1e-6)
    assert misc._rms_norm(torch.tensor([3.0, 4.0])).item() == pytest.approx(np.sqrt(12.5), rel=1e-6)
    assert misc._mixed_norm([torch.tensor([3.0, 4.0]), torch.tensor([9.0])]).item() == pytest.approx(9.0)
    decay, one, times = (lambda t, y: -y), torch.ones(1, dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64)
    rule_38 = torchdiffeq.odeint(lambda t, y: torch.where(t == 1 / 3, 1.0, 0.0) + 0 * y, one, times, method="rk4")
    assert rule_38[-1].item() == pytest.approx(1 + 3 / 8)  # 1 if there were no stage at t = 1/3
    assert torchdiffeq.odeint(decay, one, times.flip(0))[-1].item() == pytest.approx(np.e, rel=1e-5)
    with pytest.raises(AssertionError, match="max_num_steps exceeded"):
        torchdiffeq.odeint(decay, one, 9 * times, options={"max_num_steps": 2})


def test_diffrax():
    diffrax = pytest.importorskip("diffrax")
    import jax.numpy as jnp
    import optimistix

    given = defaults(diffrax.diffeqsolve)
    assert list(given)[:7] == ["terms", "solver", "t0", "t1", "dt0", "y0", "args"]
    assert given["solver"] is inspect.Parameter.empty
    assert f"max_steps={given['max_steps']}" in CELLS["most steps", "diffrax"]
    assert isinstance(given["adjoint"], diffrax.RecursiveCheckpointAdjoint)
    assert isinstance(given["stepsize_controller"], diffrax.ConstantStepSize)
    assert given["throw"] is True
    controller = defaults(diffrax.PIDController)
    assert controller["rtol"] is controller["atol"] is inspect.Parameter.empty
    assert [controller[key] for key in ("pcoeff", "icoeff", "dcoeff", "safety", "factormin", "factormax")] == [0, 1, 0, 0.9, 0.2, 10.0]
    assert {"dtmin", "dtmax", "norm"} <= set(controller)
    assert {"jump_ts", "step_ts"} <= set(defaults(diffrax.ClipStepSizeController))
    assert list(defaults(diffrax.Event)) == ["cond_fn", "root_finder", "direction"]
    assert all(hasattr(diffrax, name) for name in methods("diffrax") | {"DirectAdjoint", "BacksolveAdjoint", "adjoint_rms_seminorm", "StepTo"})
    np.testing.assert_allclose(np.abs(weights(diffrax.Dopri5.tableau.b_error)), 2 / 3, rtol=1e-12)
    assert float(optimistix.rms_norm((jnp.array([3.0, 4.0]), jnp.array([5.0])))) == pytest.approx(np.sqrt(50 / 3), rel=1e-6)
    with pytest.raises(ValueError, match="Constant step size solvers cannot select step size"):
        diffrax.diffeqsolve(diffrax.ODETerm(lambda t, y, args: -y), diffrax.Dopri5(), 0.0, 1.0, None, jnp.ones(1))


def test_jax():
    pytest.importorskip("jax")
    import jax
    import jax.numpy as jnp
    from jax.experimental import ode

    given = defaults(ode.odeint)
    assert list(given)[:4] == ["func", "y0", "t", "args"]
    for key in ("rtol", "atol"):
        assert given[key] == pytest.approx(number(f"`{key}`, by default", "JAX odeint"), rel=0.01)
    assert given["mxstep"] == given["hmax"] == np.inf
    step = defaults(ode.optimal_step_size)
    assert [step["safety"], step["dfactor"], step["ifactor"]] == [0.9, 0.2, 10.0]
    with jax.experimental.enable_x64() if hasattr(jax.experimental, "enable_x64") else jax.enable_x64(True):
        f = lambda y, t: -y * (1 + t)
        _, _, error, k = ode.runge_kutta_step(f, jnp.ones(1), f(jnp.ones(1), 0.0), jnp.float64(0.0), jnp.float64(0.5))
        assert abs(float(error[0]) / (0.5 * scipy.integrate.RK45.E @ np.asarray(k)[:, 0])) == pytest.approx(2 / 3, rel=1e-9)
        one, decay = jnp.ones(1), (lambda y, t: -y)
        assert np.isnan(ode.odeint(decay, one, jnp.array([1.0, 0.0]))[-1, 0])
        assert abs(ode.odeint(decay, one, jnp.array([0.0, 5.0]), mxstep=3)[-1, 0] - np.exp(-5)) > 1
