"""refnode validate --dynamics: each defect is named by the right check, and what is in order is not."""

import functools
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from refnode_validation import cli
from refnode_validation.dynamics import related
from refnode_validation.dynamics.command import _adapters, _tracer
from refnode_validation.dynamics.examine import CHECKS, examine
from refnode_validation.dynamics.form import Form
from refnode_validation.dynamics.precision import sigma
from refnode_validation.dynamics.screen import is_bad
from refnode_validation.dynamics.subject import Subject
from refnode_validation.relations.solutions import is_linear
from refnode_validation.report import jsonl

from tests.validation.right_hand_sides import good

FOLDER = Path(good.__file__).parent


def subject(module, name):
    owner = importlib.import_module(f"tests.validation.right_hand_sides.{module}")
    arguments = owner.ARGUMENTS[name] if module == "good" else (owner.z0, owner.ts, owner.theta)
    return Subject(name, getattr(owner, name), *arguments)


@functools.cache
def examined(module, name):
    f = subject(module, name)
    return f, examine(f, 0, _tracer(_adapters()))


def finding(module, name, id):
    return next(finding for finding in examined(module, name)[1].findings if finding.id == id)


NOTES = {  # what is remarked, beside f.time of those that do not depend on t
    "relu_net": {"f.smooth"},  # kinks
    "driven": {"f.smooth"},  # jumps at its knots
    "counted": {"f.state"},  # counts its calls, without effect
    "complex_tree": {"f.pullback"},  # is not differentiated
    "constant": {"f.parameters"},
    "zero": {"f.parameters"},
}


@pytest.mark.parametrize("name", good.ARGUMENTS)
def test_no_false_alarm(name):
    f, found = examined("good", name)
    assert {finding.id: finding.text for finding in found.findings if finding.verdict not in ("ok", "note")} == {}
    assert {finding.id for finding in found.findings if finding.verdict == "note"} - {"f.time"} == NOTES.get(name, set())
    assert {*CHECKS} - {"f.rows"} <= {finding.id for finding in found.findings}
    assert f.calls < 6000


DEFECTS = [  # module, function, the checks that fail, words of the diagnosis
    ("hidden", "counter", "f.state", "the global calls changed"),
    ("hidden", "cache", "f.state", "the global memory changed .* depends on what was asked before"),
    ("hidden", "by_time", "f.state", "the default of cached changed .* depends on what was asked before"),
    ("hidden", "for_ever", "f.state", "the global values changed"),
    ("hidden", "by_layer", "f.state", "the default of kept changed"),
    ("hidden", "heavy_ball", "f.state", "the global momentum changed .* two values for the same"),
    ("hidden", "noisy", "f.state", "draws random numbers: the random generator noise|draws random numbers .the random generator noise"),
    ("hidden", "old_noise", "f.state", "draws random numbers .the state of np.random"),
    ("hidden", "annealed", "f.state", "the global scale changed"),
    ("hidden", "by_identity", "f.state", "by identity, not by value .the global seen"),
    ("hidden", "method", "f.state", "self.t_last changed"),
    ("hidden", "running_max", "f.state", "the global highest changed"),
    ("hidden", "hysteresis", "f.state", "the global fallen changed"),
    ("hidden", "after_500_calls", "f.state", "the global later changed"),
    ("hidden", "after_five_calls", "f.state", "the global warm changed"),
    ("single", "weights", "f.precision", r"float32: theta\[0\]\['W'\] loses all digits after the 7th"),
    ("single", "everything", "f.precision", r"float32: of z, t, theta\[0\]\['W'\]"),
    ("single", "result", "f.precision", "all values of f are float32 numbers"),
    ("single", "time", "f.precision", "float32: of t it sees 7 digits"),
    ("single", "hidden_layer", "f.precision", r"about [789] digits \(worst in z\[\d\]\), as if part of it were computed in float32"),
    ("single", "one_component", "f.precision", r"values of f in z\[1\] are float32 numbers"),
    ("single", "one_number", "f.precision", r"float32: theta\[1\]\['b'\]\[0\] loses all digits"),
    ("single", "on_a_grid", "f.precision", "z is rounded to a grid of about 1e-05"),
    ("pullbacks", "sign", "f.pullback", r"wrong cotangent of z: .* the sign is wrong. Those of t, theta\[0\]\['W'\], theta\[1\] are right"),
    ("pullbacks", "factor", "f.pullback", r"wrong cotangent of theta\[0\]\['W'\]: .* 2 times the right one. Those of t, theta\[1\], z are right"),
    ("pullbacks", "no_dt", "f.pullback", r"wrong cotangent of t: 0, .* the term is missing. Those of theta\[0\]\['W'\], theta\[1\], z are right"),
    ("pullbacks", "transposed", "f.pullback", r"wrong cotangent of theta\[0\]\['W'\]: .* transpose of the right one"),
    ("pullbacks", "not_transposed", "f.pullback", r"wrong cotangent of z: .* Those of t, theta\[0\]\['W'\], theta\[1\] are right"),
    ("pullbacks", "one_percent", "f.pullback", r"wrong cotangent of theta\[1\]: .* 1.01 times the right one"),
    ("pullbacks", "ten_ppm", "f.pullback", "wrong cotangent of t: "),
    ("pullbacks", "not_linear", "f.pullback", "back is not linear"),
    ("pullbacks", "no_tuple", "f.pullback", "must return a tuple of three cotangents"),
    ("pullbacks", "wrong_shape", "f.pullback", r"cotangent of theta has an array of shape \(3,\).* at theta\[0\]\['W'\]"),
    ("pullbacks", "right", "", ""),
    ("broken", "in_place", "f.pure", "writes into its argument z"),
    ("broken", "in_place_theta", "f.pure", "writes into its argument theta"),
    ("broken", "broadcast", "f.shape", r"shape \(2, 2\) where z has shape \(2,\); has a term with an axis too many"),
    ("broken", "column", "f.shape", r"shape \(2, 1\) where z has shape \(2,\); .* return value.reshape\(\(2,\)\)"),
    ("broken", "no_return", "f.shape", "is its return statement missing"),
    ("broken", "wrong_order", "f.shape", r"parameters of f are \(t, z\)"),
    ("broken", "domain", "f.finite", r"no solver gets beyond t = 1.115\d* of 2: .*f is nan at t = 1.11\d* with z\[0\] = -"),
    ("broken", "not_at_the_start", "f.finite", r"f\(z0, t0\) is -inf in component z\[0\]"),
    ("broken", "blow_up", "f.finite", "beyond t = 0.55555.* grows without bound"),
    ("broken", "raises", "f.finite", r"f raised KeyError at t = 1\.0.*no data.*broken.py"),
    ("broken", "cancelled", "f.precision", "difference of terms 1e7 times as large"),
    ("three", "hidden_state", "f.state", "the global average changed"),
    ("three", "single", "f.precision", r"theta\['W1'\] loses all digits"),
    ("three", "wrong", "f.pullback", r"wrong cotangent of theta\['b1'\]"),
]


@pytest.mark.parametrize(("module", "name", "ids", "words"), DEFECTS, ids=[f"{module}.{name}" for module, name, _, _ in DEFECTS])
def test_each_defect_is_named_by_its_check_and_by_no_other(module, name, ids, words):
    _, found = examined(module, name)
    assert " ".join(finding.id for finding in found.failed) == ids
    assert not ids or re.search(words, found.failed[0].diagnosis), found.failed[0].diagnosis


WARNINGS = [
    ("switched", "f.smooth", r"jumps at t = 0.777 .*jump_ts=\[0.777\]"),
    ("whole_seconds", "f.smooth", r"t = 0.333333, 0.666667, 1, ... and is constant in t between"),
    ("friction", "f.smooth", r"jumps where the solution crosses a boundary \(first at t = 0.29"),
    ("stiff", "f.stiffness", r'stiff: .*by stability alone.*"radau5".*loses all digits.*"checkpointed"'),
    ("contracting", "f.stiffness", "loses 3 digits"),
    ("by_float", "f.pullback", "can be solved, but refnode cannot trace it, which limits its gradients only: .*np.sin, not math.sin"),
    ("walled", "f.finite", "not finite close to the solution"),
]


@pytest.mark.parametrize(("name", "id", "words"), WARNINGS, ids=[name for name, _, _ in WARNINGS])
def test_what_costs_accuracy_is_a_warning(name, id, words):
    _, found = examined("broken", name)
    assert [finding.id for finding in found.findings if finding.verdict == "warn"] == [id]
    assert not found.failed
    assert re.search(words, finding("broken", name, id).diagnosis), finding("broken", name, id).diagnosis


def test_the_steep_solution_of_a_stiff_equation_has_no_kinks():
    assert finding("broken", "stiff", "f.smooth").verdict == "ok"


def test_places_are_found_exactly():
    assert examined("broken", "switched")[1].rough.jumps == pytest.approx([0.777], abs=1e-8)
    assert examined("broken", "whole_seconds")[1].rough.jumps == pytest.approx(np.arange(1, 7) / 3, abs=1e-8)
    assert examined("good", "driven")[1].rough.jumps == pytest.approx([0.5, 1.0, 1.5, 2.0], abs=1e-8)
    assert re.search("kinks in t at 0.777 ", finding("broken", "kinked", "f.smooth").text)
    assert not examined("broken", "kinked")[1].rough.jumps


def test_what_is_fast_in_t_is_neither_autonomous_nor_kinked():
    """cos(8 pi t) is 1 at every ninth part of 0..2, and cos(300 t) turns by 3 between two places of the grid: both are smooth."""
    for name in ("aliased", "fast"):
        assert finding("broken", name, "f.smooth").verdict == "ok"
        assert finding("broken", name, "f.time").text == "f depends on t"
    assert re.match("no dependence on t seen at [0-9]+ times", finding("broken", "unused", "f.time").text)
    assert "no effect was seen at the" in finding("good", "counted", "f.state").text


def test_a_forcing_that_is_zero_at_the_outputs_is_not_linear():
    f = Subject("daily", lambda z, t, theta: -theta[0] * z + np.sin(2 * np.pi * t), [1.0], np.linspace(0, 8, 17), np.array([0.7]))
    where = related.Grid(f.ts, related.Growth(0.0, 0.0), related.Roughness([], False, False))
    assert not is_linear(related._posed(f, None, where)[0])


def test_growth_of_a_linear_equation():
    """z' = -12 (z - sin t): an error grows by e^{12 delta}, delta = 1/2 between two observations and 2 in all."""
    growth = examined("broken", "contracting")[1].growth
    assert growth.between == pytest.approx(6.0, rel=1e-3)
    assert growth.whole == pytest.approx(24.0, rel=1e-3)


def test_rows():
    assert "the 4 rows of z do not influence each other" in finding("good", "timed_mlp", "f.rows").text

    def mixed(z, t, theta):
        return z - z.mean(axis=0)

    found = examine(Subject("mixed", mixed, np.arange(6.0).reshape(3, 2), [0, 1], ()))
    assert next(f.verdict for f in found.findings if f.id == "f.rows") == "note"


def test_noise_is_estimated_and_polynomials_have_none():
    """sigma of uniform noise on [-1, 1] is 1/sqrt(3); of a cubic, whose fourth differences vanish, it is rounding."""
    x = np.arange(9.0)[:, None]
    noise = np.random.default_rng(0).uniform(-1, 1, (9, 400))
    found = sigma(1000 * x**3 + 1e-3 * noise)
    assert 0.3 < np.median(found) / (1e-3 / np.sqrt(3)) < 1.2  # the least over four orders is below the mean
    assert np.max(sigma(x**3 - 2 * x)) < 1e-13
    assert np.max(sigma(np.where(x > 4, 1.0, 0.0))) > 0.05  # a jump: seen, which is why three points are looked at


def test_forms_go_to_vectors_and_back():
    tree = ([{"W": np.arange(6.0).reshape(2, 3), "n": 3}, None], 1.5, (np.array([1 + 2j, 3 - 4j]), "tanh"), np.array([7], np.float32))
    form = Form(tree, "theta")
    assert form.vector.tolist() == [0, 1, 2, 3, 4, 5, 1.5, 1, 3, 2, -4, 7]
    again = form.tree(form.vector)
    assert again[0][0]["n"] == 3
    assert again[0][1] is None
    assert again[1] == 1.5
    assert again[2][0].tolist() == [1 + 2j, 3 - 4j]
    assert again[3].dtype == np.float32
    assert not again[0][0]["W"].flags.writeable
    assert [form.place(i) for i in (5, 6, 8, 10)] == ["theta[0][0]['W'][1,2]", "theta[1]", "theta[2][0][1].real", "theta[2][0][1].imag"]


def relations(module, name):
    f, found = examined(module, name)
    where = related.grid(f, found.path, found.growth, found.rough)
    return {(relation.id, adapter.name): verdict for relation, adapter, verdict in related.asked(f, _adapters(), where)}


def test_relations_hold_for_a_right_function():
    rows = relations("good", "brings_its_own")
    assert {key: verdict for key, verdict in rows.items() if is_bad(verdict)} == {}
    assert {id for (id, who), verdict in rows.items() if verdict.state == "pass" and who == "refnode.discrete"} >= {
        "grad.differences", "grad.dual", "grad.theta_state", "grad.time_state", "grad.cut", "grad.clock_shift"}


def test_a_wrong_pullback_is_seen_end_to_end():
    """By differences of the loss alone, for theta: the relations between gradients use the same wrong product on both sides."""
    bad = {id for (id, _), verdict in relations("pullbacks", "transposed").items() if is_bad(verdict)}
    assert bad == {"grad.differences"}


def test_lack_of_time_is_no_failure(monkeypatch):
    monkeypatch.setattr(related, "ONE_SECONDS", 0.0)
    assert {verdict.state for verdict in relations("good", "scalar").values()} <= {"timeout", "unsupported", "skipped"}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*good.ARGUMENTS} - {"single", "relu_net"}))
def test_relations_hold_for_all_that_is_in_order(name):
    assert {key: verdict for key, verdict in relations("good", name).items() if is_bad(verdict)} == {}


@pytest.mark.parametrize(("name", "check", "words"), [
    ("hidden_state", "f.state", "hidden state (the global average changed while f was called)"),
    ("single", "f.precision", "f computes in float32: theta['W1'] loses all digits"),
    ("wrong", "f.pullback", "gives a wrong cotangent of theta['b1']"),
])
def test_the_first_screen_names_the_defect(name, check, words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert cli.main(["--dynamics", f"{FOLDER / 'three.py'}:{name}"]) == 1
    lines = capsys.readouterr().out.splitlines()
    first = re.sub(r"\s+", " ", " ".join(lines[:24]))
    assert max(map(len, lines)) <= 100
    assert words in first
    assert f"f has 1 defect: {check}." in first


def test_a_good_function_gets_a_short_page_and_a_report(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert cli.main(["--dynamics", f"{FOLDER / 'three.py'}:net", "--ts", "0:1:4", "--json", str(tmp_path / "r.jsonl")]) == 0
    out = capsys.readouterr().out
    assert "f keeps its contract" in "\n".join(out.splitlines()[:24])
    assert "FAIL" not in out
    header, rows, footer = jsonl.read(tmp_path / "r.jsonl")
    assert header["implementations"] == [{"name": "three.py:net"}]
    assert {row["check"] for row in rows if row["implementation"] == "f"} == {*CHECKS} - {"f.rows"}
    assert {row["outcome"] for row in rows} <= {"ok", "neutral"}
    assert footer["complete"]
    assert str(tmp_path) not in (tmp_path / "r.jsonl").read_text()


@pytest.mark.parametrize(("arguments", "words"), [
    (["nowhere.py:f"], "nowhere.py cannot be imported"),
    (["no_module_of_this_name:f"], "cannot be imported"),
    (["f"], "write MODULE:f or path/to/file.py:f"),
    ([f"{FOLDER / 'three.py'}:nothing"], "there is no function 'nothing' in .*; it has .*net"),
    ([f"{FOLDER / 'good.py'}:forced"], "the module has no z0; define it there, or give --z0"),
    ([f"{FOLDER / 'three.py'}:net", "--z0", "nobody"], "--z0 nobody: the module has no such name"),
    ([f"{FOLDER / 'three.py'}:net", "--ts", "1,1,2"], "ts must increase or decrease"),
    ([f"{FOLDER / 'three.py'}:net", "--ts", "1"], "ts must be at least two finite times"),
    ([f"{FOLDER / 'three.py'}:net", "--impl", "scipy"], "--impl is about implementations"),
    ([f"{FOLDER / 'three.py'}:net", "--json", "/no/such/folder/x"], "there is no such folder"),
])
def test_wrong_arguments_get_one_sentence(arguments, words, capsys):
    assert cli.main(["--dynamics", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert re.search(words, captured.err)


def test_without_refnode_the_checks_of_f_are_made_all_the_same(tmp_path):
    """The suite examines f in a process where refnode cannot be imported: no relation then needs it."""
    word = f"{FOLDER / 'three.py'}:single"
    code = f"import sys; sys.modules['refnode'] = None; from refnode_validation.cli import main; sys.exit(main(['--dynamics', {word!r}]))"
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 1, done.stderr
    assert "theta['W1'] loses all digits" in re.sub(r"\s+", " ", done.stdout)
