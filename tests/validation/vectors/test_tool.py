"""The tool: add, certify, format, show, remove, in temporary collections."""

import json

import pytest
from refnode_validation.vectors import generate, store
from refnode_validation.vectors.cli import EXIT_FAULTS, EXIT_FINE, EXIT_USAGE, main
from refnode_validation.vectors.families.catalog import requests
from refnode_validation.vectors.lint import lint

from .collections import collection, spoil

pytest.importorskip("flint")
REQUEST = {
    "id": "mine-decay", "title": "A scalar decay under another name", "family": "mine", "statements": ["S3"], "discriminates": ["theta_sign"],
    "dynamics": {"dim": 1, "params": 1, "let": [], "rhs": [["mul", ["theta", 0], ["z", 0]]]},
    "inputs": {"z0": ["1.5"], "theta": ["-0.5"], "ts": ["0", "0.5", "1"], "cotangents": [["0"], ["1"], ["-0.5"]]},
}  # fmt: skip


@pytest.fixture
def root(tmp_path):
    return collection(tmp_path, ["linear-spiral", "nonlinear-tanh"])


def snapshot(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def run(root, *words):
    return main(["--root", str(root), *words])


def asked(tmp_path_factory, **changes):
    file = tmp_path_factory.mktemp("requests") / "request.json"
    file.write_text(json.dumps(REQUEST | changes))
    return str(file)


def with_notes(root):
    """The notes that the request needs."""
    notes = store.notes()
    mine = store.notes(root)
    mine["flags"] |= {name: notes["flags"][name] for name in ("Scalar", "ZeroRows", "Negative")}
    (root / "notes.json").write_text(json.dumps(mine))


def test_add(root, tmp_path_factory, capsys):
    with_notes(root)
    assert run(root, "add", asked(tmp_path_factory, closed_form="P01")) == EXIT_FINE
    assert "mine/mine-decay.json written" in capsys.readouterr().out
    made = store.read(root / "mine" / "mine-decay.json")
    assert made["flags"] == ["Scalar", "ZeroRows"]
    assert made["provenance"]["trust"] == "closed-form"
    assert made["provenance"]["corroborated_by"] == ["interval-taylor, the same digits", "scipy DOP853 1e-12"]
    assert made["provenance"]["authored_by"] == "request"
    assert made["expected"]["z"][2][0][0].startswith("0.90979598956895")  # 3/2 e^(-1/2)
    assert lint(root) == ["notes.json: flags: Negative is explained, but no vector has it"]
    assert generate.completed(generate.request_of(made), root) == generate.completed(REQUEST | {"closed_form": "P01"}, root)


BAD = {
    "used id": ({"id": "linear-spiral"}, "there is a vector 'linear-spiral' already"),
    "no id": ({"id": None}, "the request is not in order at id"),
    "unknown key": ({"colour": "red"}, "'colour' was unexpected"),
    "flag without note": ({"flags": ["Odd"]}, "the flag Odd is not explained in notes.json"),
    "bug without note": ({"discriminates": ["gremlin"]}, "discriminates: gremlin is not explained"),
    "not dyadic": ({"inputs": REQUEST["inputs"] | {"z0": ["0.3"]}}, "'0.3' is not dyadic"),
    "one observation": (
        {"inputs": REQUEST["inputs"] | {"cotangents": [["0"], ["0"], ["-0.5"]]}},
        'one time only: give two rows of cotangents that are not zero, or "result": "informative"',
    ),
    "dynamics": ({"dynamics": REQUEST["dynamics"] | {"rhs": [["mul", ["theta", 3], ["z", 0]]]}}, "needs one index"),
    "shape": ({"inputs": REQUEST["inputs"] | {"theta": []}}, "theta has 0 entries, 1 are needed"),
    "unknown closed form": ({"closed_form": "P99"}, "there is no closed form 'P99'"),
    "parameters of a closed form": ({"closed_form": "P10"}, "P10 takes 3 parameters, the request has 1"),
    "components of a closed form": ({"closed_form": "P03"}, "P03 takes 2 components, the request has 1"),
    "an unknown operation": ({"dynamics": REQUEST["dynamics"] | {"rhs": [["abs", ["z", 0]]]}}, "rhs[0]: unknown operation 'abs'; there are add"),
    "a huge exponent": ({"dynamics": REQUEST["dynamics"] | {"rhs": [["mul", "1e99999999", ["z", 0]]]}}, "has more than 4 digits"),
    "another closed form": ({"closed_form": "P08c"}, "the closed form is wrong: z1 does not solve z' = f(z, t, theta)"),
    "no solution": (
        {"dynamics": REQUEST["dynamics"] | {"rhs": [["div", ["theta", 0], ["sub", ["z", 0], "1.5"]]]}}, "mine-decay: no box found at t = 0",
    ),
    "a solution where there shall be none": (
        {"negative": {"phase": "solve", "kind": "blow-up", "why": "it is said to blow up", "max_steps": None}}, "has a solution, which can be proved",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_add_refuses(root, tmp_path_factory, capsys, name):
    with_notes(root)
    changes, sentence = BAD[name]
    file, before = asked(tmp_path_factory, **changes), snapshot(root)
    assert run(root, "add", file) == EXIT_USAGE
    assert sentence in capsys.readouterr().err
    assert snapshot(root) == before


def test_add_writes_nothing_where_scipy_disagrees(root, tmp_path_factory, capsys, monkeypatch):
    from refnode_validation.vectors import corroborate

    with_notes(root)
    right = corroborate.solution
    monkeypatch.setattr(corroborate, "solution", lambda *arguments: [x + 1e-6 for x in right(*arguments)])
    file, before = asked(tmp_path_factory), snapshot(root)
    assert run(root, "add", file) == EXIT_USAGE
    assert "mine-decay: z is not what SciPy finds" in capsys.readouterr().err
    assert snapshot(root) == before


def test_remove_leaves_a_tombstone_and_its_id_is_not_used_again(root, tmp_path_factory, capsys):
    sum_before = store.read(store.find("nonlinear-tanh", root))["sha256"]
    assert run(root, "remove", "nonlinear-tanh", "--reason", "it was too easy") == EXIT_FINE
    assert store.tombstones(root) == [
        {"id": "nonlinear-tanh", "family": "nonlinear", "sha256": sum_before, "reason": "it was too easy", "since": store.VERSION}
    ]
    assert [file.stem for file in store.files(root)] == ["linear-spiral"]
    assert store.read(root / "MANIFEST.json")["totals"]["vectors"] == 1
    assert not [fault for fault in lint(root) if "explained, but" not in fault]
    assert run(root, "add", asked(tmp_path_factory, id="nonlinear-tanh")) == EXIT_USAGE
    assert run(root, "show", "nonlinear-tanh") == EXIT_USAGE
    messages = capsys.readouterr().err
    assert "was removed, and its id may not be used again" in messages
    assert "it was removed, because it was too easy" in messages


def test_remove_wants_a_reason(root, capsys):
    before = snapshot(root)
    assert run(root, "remove", "nonlinear-tanh", "--reason", " ") == EXIT_USAGE
    assert run(root, "remove", "nonlinear-tanh") == EXIT_USAGE
    assert run(root, "remove", "nothing", "--reason", "none") == EXIT_USAGE
    assert snapshot(root) == before
    assert "there is no vector 'nothing'" in capsys.readouterr().err


def test_format(root, capsys):
    before = snapshot(root)
    file = store.find("linear-spiral", root)
    file.write_text(json.dumps(json.loads(file.read_text()), indent=8))
    (root / "MANIFEST.json").write_text("{}")
    assert run(root, "format") == EXIT_FINE
    assert capsys.readouterr().out.split() == ["linear/linear-spiral.json"]
    assert snapshot(root) == before


def test_certify_shows_a_difference_and_refuses_to_write_it(root, capsys):
    assert run(root, "certify", "nonlinear-tanh") == EXIT_FINE
    spoil(root, "nonlinear-tanh", lambda v: v["expected"]["z"][1].__setitem__(0, ["0.5", "1e-25"]))
    before = snapshot(root)
    assert run(root, "certify", "nonlinear-tanh") == EXIT_FAULTS
    shown = capsys.readouterr().out
    assert '-   [["0.5", "1e-25"]]' in shown.replace('"z": ', "") or "0.5" in shown
    assert "1 vectors certified, 1 differ" in shown
    assert run(root, "certify", "nonlinear-tanh", "--write") == EXIT_USAGE
    assert "would get other content: remove it, and add the new one under a new id" in capsys.readouterr().err
    assert snapshot(root) == before


def test_certify_writes_what_is_missing_and_words_that_changed(root, capsys):
    before = snapshot(root)
    spoil(root, "linear-spiral", lambda v: v.__setitem__("title", "An old title of this vector"))
    store.find("nonlinear-tanh", root).unlink()
    assert run(root, "certify", "linear-spiral", "nonlinear-tanh", "--write") == EXIT_FINE
    assert snapshot(root) == before
    assert run(root, "certify", "nothing") == EXIT_USAGE


def test_lint_and_show(root, capsys):
    assert run(root, "lint") == EXIT_FINE
    assert run(root, "show", "linear-spiral") == EXIT_FINE
    out = capsys.readouterr().out
    assert "2 vectors, 0 faults" in out
    assert "0.10551734253405906" in out
    spoil(root, "linear-spiral", lambda v: v["flags"].append("Odd"))
    assert run(root, "lint") == EXIT_FAULTS


@pytest.mark.parametrize("words", [[], ["dance"], ["--root", "/nowhere", "lint"], ["add", "/nowhere/request.json"]])
def test_wrong_arguments(words, capsys):
    assert main(words) == EXIT_USAGE
    assert capsys.readouterr().err.startswith("refnode vectors: ")


def test_a_missing_file_is_one_sentence(capsys):
    assert main(["add", "nofile.json"]) == EXIT_USAGE
    assert capsys.readouterr().err == "refnode vectors: cannot read nofile.json: No such file or directory\n"


def test_the_linear_closed_form_counts_its_parameters():
    assert generate.closed_form("linear", 2, 4) is generate.closed_form("linear", 2, 6)
    with pytest.raises(ValueError, match="linear takes 4 parameters for A, or 6 for A and b, the request has 5"):
        generate.closed_form("linear", 2, 5)


def test_help(capsys):
    assert main(["--help"]) == EXIT_FINE
    assert main(["certify", "--help"]) == EXIT_FINE


def test_every_family_vector_is_written_and_every_written_one_authored():
    """Both ways; a removed one is neither."""
    written = {file.stem: store.read(file)["provenance"]["authored_by"] for file in store.files()}
    removed = {stone["id"] for stone in store.tombstones()}
    assert {id for id, author in written.items() if author != "request"} == set(requests()) - removed


SMALL = ["nonlinear-tanh", "forced-sine", "linear-rotation", "flow-planar-1", "repeated-start", "negative-nan-in-z0"]


@pytest.mark.slow
@pytest.mark.parametrize("id", SMALL)
def test_regeneration_is_byte_identical(id):
    assert main(["certify", id]) == EXIT_FINE


@pytest.mark.slow
def test_regeneration_of_all():
    assert main(["certify"]) == EXIT_FINE
