"""The registry of known bugs: its form, its ties, its report, and every reproducer run against the installed version."""

import functools
import json

import jsonschema
import pytest
from refnode_validation.bugs import registry, run
from refnode_validation.bugs.registry import LIBRARIES, bugs, code_lines, lint, schema
from refnode_validation.bugs.report import NO_PROMISE, REPORT, report
from refnode_validation.bugs.run import judge, measure, outcomes, same


def test_schema():
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate({"about": "", "bugs": list(bugs().values())}, schema())


def test_ties():
    assert lint() == []


def test_report_is_up_to_date():
    assert REPORT.read_text(encoding="utf-8") == report(), "run python -m refnode_validation.bugs"


def test_report_puts_silent_defects_first():
    text = report()
    positions = {id: text.index(f"### {id}\n") for id in bugs()}
    kinds = {id: (entry["verdict"] != "defect", not entry["silent"] and entry["verdict"] == "defect") for id, entry in bugs().items()}
    assert sorted(bugs(), key=positions.get) == sorted(bugs(), key=lambda id: (kinds[id], id))


def test_ids_are_consecutive_and_at_least_ten_defects_contradict_a_sentence():
    assert list(bugs()) == [f"RN-{n:04}" for n in range(1, len(bugs()) + 1)]
    assert sum(entry["verdict"] == "defect" and entry["documentation"]["sentence"] != NO_PROMISE for entry in bugs().values()) >= 10


def test_causes_differ():
    assert len({entry["cause"] for entry in bugs().values()}) == len(bugs())


def test_limitations_quote_the_sentence_that_documents_them():
    assert all(entry["documentation"]["sentence"] != NO_PROMISE for entry in bugs().values() if entry["verdict"] == "documented-limitation")


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("statements", ["S999"], "RN-0001 names the unknown statement S999"),
        ("seen_by", ["grad.nothing"], "RN-0001 names the unknown check grad.nothing"),
        ("reproducer", "rn_0001_torchdyn_nothing.py", "RN-0001 has no reproducer rn_0001_torchdyn_nothing.py"),
        ("reproducer", "rn_0002_torchdyn_start_time_gradient.py", "rn_0002_torchdyn_start_time_gradient.py belongs to 2 entries"),
        ("library", "jax", "RN-0001 imports torch"),
    ],
)
def test_lint_finds_faults(monkeypatch, field, value, fault):
    changed = {**bugs(), "RN-0001": {**bugs()["RN-0001"], field: value}}
    monkeypatch.setattr(registry, "bugs", lambda: changed)
    assert fault in lint()


def test_lint_finds_long_reproducers(monkeypatch):
    monkeypatch.setattr(registry, "MAX_LINES", 5)
    assert any(fault.endswith("lines of code") for fault in lint())


def test_code_lines():
    assert code_lines('"""Not this,\nnor this."""\n\nimport a\n# nor this\n\nb = 1  # but this\n') == 2


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("1.0005", "1", True),
        ("1.002", "1", False),
        ("nan 0", "nan 0", True),
        ("nan", "0", False),
        ("0", "1e-300", False),
        ("0.5 0.5", "0.5", False),
        ("TypeError: a", "TypeError: a", True),
        ("TypeError: a", "TypeError: b", False),
        ("inf", "inf", True),
    ],
)
def test_same(one, other, equal):
    assert same(one, other) == equal


@pytest.mark.parametrize(
    ("measured", "state"),
    [
        ({"got": "2", "expected": "1"}, "reproduced"),
        ({"got": "1", "expected": "1"}, "fixed upstream"),
        ({"got": "3", "expected": "1"}, "changed"),
        ({"got": "2", "expected": "3"}, "changed"),
        ({"error": "ImportError: no"}, "failed"),
    ],
)
def test_judge(measured, state):
    assert judge({"got": "2", "expected": "1"}, measured).state == state


def test_measure(monkeypatch, tmp_path):
    texts = {
        "good.py": "import numpy as np\nprint('noise', end='')\ngot, expected = [np.float64(1) / 3, 2], float('nan')",
        "raises.py": "raise ValueError('no')",
        "hangs.py": "while True: pass",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(run, "SECONDS", 3)
    answers = measure([str(tmp_path / name) for name in texts])
    assert answers == {"good.py": {"got": "0.333333 2", "expected": "nan"}, "raises.py": {"error": "ValueError: no"}}


def test_outcomes_of_other_versions_and_missing_libraries_are_skipped(monkeypatch):
    monkeypatch.setattr(run.importlib.metadata, "version", lambda name: "99.0")
    assert {outcome.state for outcome in outcomes("scipy").values()} == {"skipped"}
    assert "scipy 99.0" in next(iter(outcomes("scipy").values())).message

    def missing(name):
        raise run.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(run.importlib.metadata, "version", missing)
    assert {outcome.message for outcome in outcomes("torchode").values()} == {"torchode is not installed"}


def test_every_library_has_an_entry():
    assert {entry["library"] for entry in bugs().values()} == set(LIBRARIES)


HEAVY = {"torchdyn", "torchode", "torchdiffeq", "jax", "diffrax"}  # their import alone takes seconds


@pytest.mark.parametrize("id", [pytest.param(id, marks=pytest.mark.slow if entry["library"] in HEAVY else ()) for id, entry in bugs().items()])
def test_reproducer(id):
    outcome = _outcomes(bugs()[id]["library"])[id]
    if outcome.state == "skipped":
        pytest.skip(outcome.message)
    assert outcome.state == "reproduced", f"{id}: {outcome.state}. Got {outcome.got}, expected {outcome.expected}. {outcome.message}"


_outcomes = functools.cache(outcomes)


def test_registry_is_plain_ascii_json():
    text = (registry.HERE.parent / "bugs.json").read_text(encoding="utf-8")
    assert text.isascii()
    assert json.loads(text)["about"]
