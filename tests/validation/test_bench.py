"""refnode bench: the workloads, the gradients written by hand, the processes, and what is made of the numbers. Nothing here is timed."""

import ast
import dataclasses
import importlib
import json
import sys
from pathlib import Path

import autograd
import autograd.numpy
import numpy as np
import pytest
from refnode_validation import impls
from refnode_validation.bench import bars, catalog, cli, measure
from refnode_validation.bench.by_hand import cnf as by_hand_cnf
from refnode_validation.bench.by_hand import mlp as by_hand_mlp
from refnode_validation.bench.reference import error, reference
from refnode_validation.bench.workloads import leaves, mapped, mlp, workloads
from refnode_validation.case import Unsupported
from refnode_validation.impls import by_hand
from refnode_validation.impls import refnode as by_refnode
from refnode_validation.process import ONE_THREAD, Failed, Worker
from scipy.integrate import solve_ivp

import refnode as rn

SMALL = {
    "mlp": mlp("small", D=3, B=4, H=5),
    "lotka-volterra": workloads()["lotka-volterra"],
    "cnf": dataclasses.replace(workloads()["cnf"], z0=workloads()["cnf"].z0[:4]),
}
BY_HAND = [(adapter, kind) for adapter, kinds in ((by_hand.Discrete, SMALL), (by_hand.Batched, ["mlp"]), (by_hand.Stored, ["mlp", "cnf"]),
                                                  (by_hand.Adjoint, ["mlp"])) for kind in kinds]


def at(workload, rtol):
    return dataclasses.replace(workload, rtol=rtol, atol=rtol / 100)


# ------------------------------------------------------------------------------------------------------------------------------- workloads


@pytest.mark.parametrize("name", workloads())
@pytest.mark.parametrize("namespace", ["autograd.numpy", "torch", "jax.numpy"])
def test_the_namespaces_agree(name, namespace):
    """f and the loss, to a thousand rounding errors: their sums have at most 64 x 256 terms, added in another order."""
    xp = pytest.importorskip(namespace)
    asarray = getattr(xp, "asarray", np.asarray)
    if namespace == "jax.numpy":
        importlib.import_module("jax").config.update("jax_enable_x64", True)
    workload = workloads()[name]
    z, theta = mapped(asarray, (workload.z0, workload.theta))
    zs = np.stack([workload.z0, 0.5 * workload.z0])
    for got, expected in ((workload.dynamics(xp)(z, 0.0, theta), workload.dynamics(np)(workload.z0, 0.0, workload.theta)),
                          (workload.loss(xp)(asarray(zs)), workload.loss(np)(zs))):
        np.testing.assert_allclose(np.asarray(got), expected, rtol=1e-12, atol=1e-12)


def test_workloads_are_data():
    for name, workload in workloads().items():
        assert name == workload.name
        assert all(leaf.dtype == np.float64 for leaf in [workload.z0, workload.ts, *leaves(workload.theta)])
        assert np.all(np.diff(workload.ts) > 0)


# --------------------------------------------------------------------------------------------------------------------------------- by hand


def vjp_by_autograd(workload, z, g):
    f = workload.dynamics(autograd.numpy)
    back, value = autograd.make_vjp(lambda z, *p: f(z, 0.0, rebuilt(workload.theta, p)), argnum=tuple(range(1 + len(leaves(workload.theta)))))(
        z, *leaves(workload.theta))
    return value, back(g)


def rebuilt(theta, flat):
    given = iter(flat)
    return mapped(lambda _: next(given), theta)


def close(got, expected):
    """Rounding alone: a few dozen operations on numbers of order one, and cancellation of a digit or two."""
    for x, y in zip(got, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12 * (1 + np.abs(y).max()))


def test_f_and_vjp_of_the_network_are_autograds():
    workload = SMALL["mlp"]
    rng = np.random.default_rng(1)
    theta = mapped(lambda x: rng.normal(size=x.shape), workload.theta)  # with biases
    workload = dataclasses.replace(workload, theta=theta)
    z, g = rng.normal(size=workload.z0.shape), rng.normal(size=workload.z0.shape)
    value, (z_bar, W1_bar, b1_bar, W2_bar, _) = vjp_by_autograd(workload, z, g)
    net = by_hand_mlp.Network(workload)
    net.load(theta)
    zz, u, x, k = np.empty_like(z), net.with_ones(4), np.empty((4, 5)), np.empty_like(z)
    x_bar, slope, found = np.empty((4, 5)), np.empty((4, 5)), np.empty_like(z)
    net.f(z, zz, u, x, k)()
    close([k + theta[1][1]], [value])
    net.vjp(zz, x, g, x_bar, slope, found)()
    net.add_up(u, x_bar, x, g)
    got = net.theta_bar()
    close([found, *got[:3]], [z_bar, W1_bar, b1_bar, W2_bar])
    net.hidden(z, zz, u, x)()
    net.vjp_with_slope(zz, 1 - x * x, g, x_bar, found)()
    close([found], [z_bar])


def test_f_and_vjp_of_the_flow_are_autograds():
    workload = SMALL["cnf"]
    rng = np.random.default_rng(1)
    y, g = rng.normal(size=workload.z0.shape), rng.normal(size=workload.z0.shape)
    value, (y_bar, *theta_bar) = vjp_by_autograd(workload, y, g)
    flow = by_hand_cnf.Flow(workload)
    flow.load(workload.theta)
    k, found = np.empty(flow.n), np.zeros(flow.n)
    evaluate = flow.f(flow.ravel(y), k, flow.T, flow.Q)
    evaluate()
    close([flow.unravel(k + flow.constant)], [value])
    flow.vjp(flow.T, flow.Q, flow.ravel(g), found)()
    close([flow.unravel(found), *flow.theta_part.leaves()], [y_bar, *theta_bar])


def gradient_by_scipy(workload):
    """DOP853 backwards on (z, a, dL/dtheta), f and vjp by autograd: nothing of it is shared with what is tested."""
    f, flat = workload.dynamics(autograd.numpy), leaves(workload.theta)
    n, ends = workload.z0.size, np.cumsum([leaf.size for leaf in flat])
    options = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-12}
    zs = solve_ivp(lambda t, z: f(z.reshape(workload.z0.shape), t, workload.theta).ravel(), (workload.ts[0], workload.ts[-1]),
                   workload.z0.ravel(), t_eval=workload.ts, **options).y.T.reshape(-1, *workload.z0.shape)
    g = autograd.grad(workload.loss(autograd.numpy))(zs)

    def augmented(t, y):
        value, (z_bar, *theta_bar) = vjp_by_autograd(workload, y[:n].reshape(workload.z0.shape), y[n:2 * n].reshape(workload.z0.shape))
        return np.concatenate([value.ravel(), -z_bar.ravel(), *(-leaf.ravel() for leaf in theta_bar)])

    a, theta_bar = np.zeros(n), np.zeros(ends[-1])
    for i in range(len(zs) - 1, 0, -1):
        start = np.concatenate([zs[i].ravel(), a + g[i].ravel(), theta_bar])
        end = solve_ivp(augmented, (workload.ts[i], workload.ts[i - 1]), start, **options).y[:, -1]
        a, theta_bar = end[n:2 * n], end[2 * n:]
    return [a + g[0].ravel(), *np.split(theta_bar, ends[:-1])]


@pytest.fixture(scope="module")
def exact():
    return {kind: [leaf.ravel() for leaf in gradient_by_scipy(SMALL[kind])] for kind in ("mlp", "cnf", "lotka-volterra")}


@pytest.mark.parametrize(("adapter", "kind"), BY_HAND)
def test_gradients_by_hand_converge_to_scipys(adapter, kind, exact):
    """The global error of dopri5 with interpolated outputs is O(h^4) at least, and h^5 goes with the tolerance: 1000 times less of it means
    1000^(4/5) = 251 times less error. Half of the exponent is asked for, and the accuracy that one buys with rtol 1e-9."""
    errors = [error(adapter().bench(at(SMALL[kind], rtol))(), exact[kind]) for rtol in (1e-6, 1e-9)]
    assert errors[1] < errors[0] / 15
    assert errors[0] < 1e-3
    assert errors[1] < 1e-6


@pytest.mark.parametrize(("adapter", "kind"), [(adapter, kind) for adapter, kind in BY_HAND if adapter is not by_hand.Adjoint])
def test_discrete_by_hand_is_the_derivative_of_the_same_steps(adapter, kind):
    """The same steps as refnode's to rounding, so the same derivative to rounding times the condition of the problem."""
    workload = SMALL[kind]
    gradient = adapter().bench(workload)
    expected = by_refnode.Discrete().bench(workload)()
    assert error(gradient(), expected) < 1e-11
    assert error(gradient(), expected) < 1e-11  # the buffers of the first call are used again


def test_the_adjoint_by_hand_takes_refnodes_steps():
    workload = SMALL["mlp"]
    assert error(by_hand.Adjoint().bench(workload)(), by_refnode.AdjointSeminorm().bench(workload)()) < 1e-5


@pytest.mark.parametrize("kind", SMALL)
def test_the_reference(kind, exact):
    """At rtol 1e-10 against SciPy's and refnode's: below any error that is measured with it (1e-8 and more)."""
    workload = SMALL[kind]
    expected = reference(workload)
    assert error(exact[kind], expected) < 1e-8
    assert error(by_refnode.AdjointSeminorm().bench(at(workload, 1e-10))(), expected) < 1e-8


@pytest.mark.parametrize("adapter", [by_refnode.AdjointCompiled, by_refnode.AdjointSeminormCompiled, by_refnode.DiscreteCompiled])
@pytest.mark.skipif(not hasattr(rn, "compiled"), reason="rn.compiled is not there yet")
def test_refnode_compiled_is_refnode(adapter, exact):
    assert error(adapter().bench(SMALL["mlp"])(), exact["mlp"]) < 1e-3


def test_autograd_with_scipy(exact):
    from refnode_validation.impls.autograd import Autograd

    for kind in ("mlp", "cnf"):
        assert error(Autograd().bench(SMALL[kind])(), exact[kind]) < 1e-3


def test_what_is_not_written_says_so():
    with pytest.raises(Unsupported, match="not written for lotka-volterra"):
        by_hand.Adjoint().bench(SMALL["lotka-volterra"])


def test_errors_are_seen():
    expected = [np.ones(3), np.ones((2, 2))]
    assert error([np.ones(3), np.full(4, 1.5)], expected) == pytest.approx(0.5)
    assert error([np.ones(3), np.full(4, np.nan)], expected) == np.inf
    with pytest.raises(ValueError, match="leaves of"):
        error([np.ones(3)], expected)


def test_the_catalog_names_classes_that_exist():
    folder = Path(impls.__file__).parent
    for one in catalog.implementations().values():
        module, _, name = one.place.removeprefix(catalog.IMPLS + ".").partition(":")
        tree = ast.parse((folder / f"{module}.py").read_text())
        assigned = {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets if isinstance(target, ast.Name)}
        assert name in assigned | {node.name for node in tree.body if isinstance(node, ast.ClassDef)}, one
    known = set(catalog.implementations())
    for bar in bars.bars():
        assert {*bar.upper, *bar.lower, *bar.hand} <= known
        assert bar.workload in workloads()


# ------------------------------------------------------------------------------------------------------------------------------- processes

FAKES = '''
import os, sys, time
from refnode_validation.impls.by_hand import Discrete


class Right(Discrete):
    pass


class Wrong:
    def bench(self, workload):
        gradient = Discrete().bench(workload)()
        return lambda: [1.01 * leaf for leaf in gradient]


class Misshapen:
    def bench(self, workload):
        return lambda: Discrete().bench(workload)()[:1]


class Raising:
    def bench(self, workload):
        raise RuntimeError("no luck today")


class Missing:
    def bench(self, workload):
        import no_such_package.inside


class Unwritten:
    def bench(self, workload):
        from refnode_validation.case import Unsupported
        raise Unsupported("not for this one")


class Crashing:
    def bench(self, workload):
        print("the last words", file=sys.stderr)
        sys.stderr.flush()
        os._exit(3)


class Hanging:
    def bench(self, workload):
        return lambda: time.sleep(1000)


class Tiring(Discrete):
    """The first call works, the second never ends."""

    def bench(self, workload):
        calls, gradient = [], super().bench(workload)

        def call():
            calls.append(None)
            return gradient() if len(calls) == 1 else time.sleep(1000)

        return call


class Talking(Discrete):
    def bench(self, workload):
        print("hello")
        os.write(1, b"hello from C\\n")
        return super().bench(workload)
'''


@pytest.fixture
def fake(tmp_path):
    """The word for --impl that names a fake adapter."""
    (tmp_path / "fakes.py").write_text(FAKES)
    return lambda name: f"{tmp_path / 'fakes.py'}:{name}"


@pytest.fixture
def measured(fake, monkeypatch):
    """The rows of lotka-volterra for fakes, with little patience."""
    monkeypatch.setattr(measure, "CALL_LIMIT", 1.0)
    monkeypatch.setattr(measure, "BATCH", 0.0)

    def rows(*names, rounds=2):
        found = measure.measure(workloads()["lotka-volterra"], catalog.selected([fake(name) for name in names]), rounds, lambda text: None)
        return {row.implementation.name: row for row in found}

    return rows


def test_the_protocol(fake):
    worker = Worker("bench.worker", fake("Talking"))
    try:
        reply = worker.ask({"do": "begin", "workload": "lotka-volterra"}, 30)
        assert reply["ok"]
        assert error(reply["gradient"], reference(SMALL["lotka-volterra"])) < 1e-3
        assert all(reply[key] > 0 for key in ("import_seconds", "first_seconds", "finished", "peak_mb"))
        reply = worker.ask({"do": "run", "times": 2}, 30)
        assert reply["ok"]
        assert reply["seconds"] > 0
        assert 0 < reply["cpu_seconds"] < 1.5 * reply["seconds"]
    finally:
        worker.close()


def test_a_worker_that_ends_or_hangs_is_a_failure(fake):
    for name, message in (("Crashing", "ended with code 3: the last words"), ("Hanging", "no answer within 1 s")):
        worker = Worker("bench.worker", fake(name))
        try:
            with pytest.raises(Failed, match=message):
                worker.ask({"do": "begin", "workload": "2x20"}, 1 if name == "Hanging" else 30)
        finally:
            worker.close()
        assert worker.process.poll() is not None


def test_each_failure_is_a_row_and_the_others_go_on(measured):
    rows = measured("Right", "Wrong", "Misshapen", "Raising", "Missing", "Unwritten", "Crashing", "Tiring")
    states = {name: (row.state, row.note) for name, row in rows.items()}
    assert states["Right"] == ("ok", "")
    assert states["Wrong"][0] == "wrong"
    assert states["Misshapen"] == ("wrong", "wrong: the gradient has leaves of [2] numbers, not of [2, 4]")
    assert states["Raising"] == ("failed", "RuntimeError: no luck today")
    assert states["Missing"] == ("missing", "needs the package no_such_package")
    assert states["Unwritten"] == ("unsupported", "not for this one")
    assert states["Crashing"] == ("failed", "its process ended with code 3: the last words")
    assert states["Tiring"] == ("failed", "no answer within 1 s")
    assert rows["Right"].counts
    assert len(rows["Right"].rounds) == 2
    assert not any(row.counts for name, row in rows.items() if name != "Right")


def test_who_is_slow_is_cut_off(measured, monkeypatch):
    monkeypatch.setattr(measure, "BUDGET", 0.0)
    row = measured("Right")["Right"]
    assert row.note == "cut off after 0 of 2 rounds"
    assert not row.counts


def row_of(name, seconds=1.0, error=1e-6, workload="2x20"):
    implementation = catalog.implementations()[name]
    return measure.Row(workload, implementation, rounds=[seconds], processor_rounds=[seconds], error=error, first=10 * seconds, start=20 * seconds)


def test_a_fast_wrong_number_does_not_count():
    fast = row_of("refnode discrete compiled", 1e-6, 0.99e-4)
    rows = [fast, *(row_of(name) for name in ("torchdiffeq adjoint", "torchdiffeq backprop", "JAX odeint"))]
    measure.judge(rows)
    assert fast.state == "ok"  # not quite a hundred times the median error
    fast.error = 1.01e-4
    measure.judge(rows)
    assert fast.state == "wrong"
    assert [row.state for row in rows[1:]] == ["ok"] * 3
    assert all(one.verdict in ("not measured", "") for one in bars.findings(rows))
    alone = [row_of("JAX odeint", error=np.inf)]
    measure.judge(alone)
    assert alone[0].state == "wrong"


def test_bars():
    rows = [row_of("refnode discrete compiled", 2.0), row_of("by hand: discrete", 1.9), row_of("by hand: discrete batched", 1.0),
            row_of("torchdiffeq adjoint", 30.0), row_of("torchdiffeq backprop", 11.0)]
    found = {(one.bar.upper, one.bar.lower, one.bar.what): one for one in bars.findings(rows)}
    hand = found[(bars.DISCRETE,), bars.HAND, "gradient"]
    assert (hand.ratio, hand.verdict) == (2.0, "missed")
    adjoint = found[bars.TORCH_ADJOINT, (bars.DISCRETE,), "gradient"]
    assert (adjoint.ratio, adjoint.by_hand, adjoint.verdict) == (15.0, 30.0, "missed")
    backprop = found[bars.BACKPROP, (bars.DISCRETE,), "gradient"]
    assert (backprop.ratio, backprop.by_hand, backprop.verdict) == (5.5, 11.0, "missed")
    assert found[(bars.DISCRETE,), bars.CHECKPOINTED, "gradient"].verdict == "not measured"
    rows[-1].processor_rounds = [5.0]
    assert {one.bar.upper: one.verdict for one in bars.findings(rows)}[bars.BACKPROP] == "missed by hand too"


def test_one_thread():
    assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "XLA_FLAGS"} <= set(ONE_THREAD)


# ------------------------------------------------------------------------------------------------------------------------------- the command


def test_the_command_writes_all_numbers(fake, tmp_path, capsys):
    arguments = ["--impl", f"by hand,{fake('Raising')}", "--workload", "lotka-volterra", "--rounds", "2"]
    assert cli.main([*arguments, "--json", str(tmp_path / "b.json"), "--plot", str(tmp_path / "b.png")]) == 0
    out = capsys.readouterr().out
    assert "by hand: discrete" in out
    assert "Raising: RuntimeError: no luck today" in out
    assert "by hand: adjoint: not written for lotka-volterra" in out
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((tmp_path / "b.json").read_text())
    assert set(report) == {"versions", "rounds", "load_average", "rows", "bars"}
    fields = {"workload", "implementation", "family", "state", "note", "seconds", "quartiles", "rounds", "first_seconds", "start_seconds",
              "import_seconds", "peak_mb", "error", "processor_seconds", "processor_rounds"}
    assert all(set(row) == fields for row in report["rows"])
    assert all(set(bar) == {"workload", "of", "over", "what", "sense", "bar", "ratio", "by_hand", "verdict"} for bar in report["bars"])
    states = {row["implementation"]: row["state"] for row in report["rows"]}
    assert states == {"by hand: adjoint": "unsupported", "by hand: discrete": "ok", "by hand: discrete batched": "unsupported",
                      "by hand: discrete stored": "unsupported", "Raising": "failed"}
    readme = Path(cli.__file__).parents[1].joinpath("README.md").read_text()
    assert all(f"`{field}`" in readme for field in fields | set(report) | {"of", "over", "what", "sense", "bar", "ratio", "by_hand", "verdict"})


@pytest.mark.parametrize(("arguments", "message"), [
    (["--rounds", "0"], "--rounds takes a whole number from 1 to 1000, not '0'"),
    (["--rounds", "many"], "--rounds takes a whole number from 1 to 1000, not 'many'"),
    (["--workload", "3x20"], "unknown workload '3x20': the workloads are 2x20, 2x512, 16x128, 64x256, lotka-volterra, cnf"),
    (["--impl", "torch"], "unknown implementation 'torch': known are refnode adjoint, "),
    (["--json", "no/such/folder/file.json"], "--json no/such/folder/file.json: there is no such folder"),
    (["--plot", "no/such/folder/file.png"], "--plot no/such/folder/file.png: there is no such folder"),
    (["--fast"], "unrecognized arguments: --fast (see --help)"),
])
def test_wrong_calls_get_one_sentence(arguments, message, capsys):
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"refnode bench: {message}")
    assert captured.err.count("\n") == 1


def test_list_and_selection(capsys):
    assert cli.main(["--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in (*workloads(), *catalog.implementations()))
    assert [one.name for one in catalog.selected(["JAX", "diffrax *", "by hand: adjoint"])] == [
        "JAX odeint", "diffrax backsolve", "diffrax checkpointed", "by hand: adjoint"]


def test_without_rich_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert cli.main(["--quick"]) == 2
    assert "pip install" in capsys.readouterr().err
