"""The lint: clean on what is shipped, and each rule names the vector that breaks it."""

import json
import shutil

import jsonschema
import pytest
from refnode_validation.vectors import store
from refnode_validation.vectors.lint import lint
from refnode_validation.vectors.text import dyadic, dyadic_fault, text

from .collections import IDS, collection, spoil


def test_what_is_shipped_is_clean():
    assert lint() == []


@pytest.mark.parametrize("name", ["vector-1", "request-1"])
def test_schemas_are_schemas_and_closed(name):
    schema = store.schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)

    def objects(node):
        if isinstance(node, dict):
            if "properties" in node and "if" not in node and "type" in node:
                yield node
            for key, entry in node.items():
                if key not in ("allOf",):
                    yield from objects(entry)
        elif isinstance(node, list):
            for entry in node:
                yield from objects(entry)

    found = list(objects(schema))
    assert len(found) >= 5
    assert all(node["additionalProperties"] is False for node in found)


def test_a_small_collection_is_clean(tmp_path):
    assert lint(collection(tmp_path)) == []


def _ball(*path, value):
    """A change of one number of an expected ball."""

    def change(vector):
        node = vector["expected"]
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value

    return change


def _set(*path, value):
    def change(vector):
        node = vector
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value

    return change


def _no_field(vector):
    del vector["title"]


def _positive(vector):
    vector["inputs"]["cotangents"] = [[x.removeprefix("-") for x in row] for row in vector["inputs"]["cotangents"]]


SPIRAL, FLOW, NEGATIVE = IDS
CASES = {  # name: (vector, change, honest, fault)
    "schema: a key is missing": (SPIRAL, _no_field, True, "schema: at the top: 'title' is a required property"),
    "schema: a key too many": (SPIRAL, _set("more", value=1), True, "Additional properties are not allowed ('more' was unexpected)"),
    "schema: a flow without log_p": (FLOW, lambda v: v["expected"].pop("log_p"), True, "schema: at"),
    "schema: a negative one with values": (NEGATIVE, _set("expected", value={}), True, "schema: at"),
    "schema: radius without mid": (SPIRAL, _ball("z", 1, 0, value=["1"]), True, "schema: at expected"),
    "sum": (SPIRAL, _set("sha256", value="0" * 64), False, "sha256: is not that of"),
    "sum of other content": (SPIRAL, _set("inputs", "z0", 0, value="1.5"), False, "sha256: is not that of"),
    "manifest entry": (SPIRAL, _set("tier", value="full"), False, "manifest: its entry is not that of its file"),
    "not dyadic": (SPIRAL, _set("inputs", "theta", 0, value="0.3"), True, "inputs: '0.3' is not dyadic"),
    "nine bits": (SPIRAL, _set("inputs", "theta", 0, value="0.501953125"), True, "has 9 significant bits"),
    "nan": (SPIRAL, _set("inputs", "theta", 0, value="NaN"), True, "inputs: NaN stands in a vector that is not negative"),
    "radius": (SPIRAL, _ball("z", 1, 0, 1, value="1e-19"), True, "radius: expected/z has a ball of radius 1e-19"),
    "radius below zero": (SPIRAL, _ball("z", 1, 0, 1, value="-1e-25"), True, "radius: expected/z"),
    "unknown flag": (SPIRAL, lambda v: v["flags"].append("Odd"), True, "flags: Odd is not explained in notes.json"),
    "note missing": (SPIRAL, lambda v: v["notes"].pop("Decaying"), True, "notes: are not those of its flags"),
    "note changed": (SPIRAL, _set("notes", "Decaying", value="something else"), True, "notes: are not those of its flags"),
    "flag that must be": (
        SPIRAL, lambda v: (v["flags"].remove("ObservedAtStart"), v["notes"].pop("ObservedAtStart")), True, "flags: ObservedAtStart is missing",
    ),
    "flag that does not hold": (SPIRAL, lambda v: v["flags"].append("Flow"), True, "flags: Flow does not hold"),
    "unknown bug": (SPIRAL, lambda v: v["discriminates"].append("gremlin"), True, "discriminates: gremlin is not explained"),
    "unknown statement": (SPIRAL, lambda v: v["statements"].append("S99"), True, "statements: S99 is not in statements.json"),
    "version": (SPIRAL, _set("vectors_version", value="99.0.0"), True, "version: 99.0.0 is later than"),
    "dynamics": (SPIRAL, _set("dynamics", "rhs", 0, value=["z", 7]), True, "dynamics: rhs[0]: ['z', 7] needs one index"),
    "dynamics without value": (SPIRAL, _set("dynamics", "rhs", 0, value=["log", "-1"]), True, "dynamics: f is not finite at the first time"),
    "times": (SPIRAL, _set("inputs", "ts", 1, value="8"), True, "inputs: ts are not sorted"),
    "shape of inputs": (SPIRAL, lambda v: v["inputs"]["z0"].pop(), True, "shapes: inputs/z0 has shape (1,), expected (2,)"),
    "shape of expected": (SPIRAL, lambda v: v["expected"]["dL_dts"].pop(), True, "shapes: expected/dL_dts has shape (3,), expected (4,)"),
    "ragged": (SPIRAL, lambda v: v["expected"]["dz_dtheta"][2][1].pop(), True, "shapes: expected/dz_dtheta has shape (4,)"),
    "start": (SPIRAL, _ball("z", 0, 0, 0, value="1.1"), True, "consistency: expected/z does not follow"),
    "dL_dz0": (SPIRAL, _ball("dL_dz0", 0, 0, value="0.82870393672758892"), True, "consistency: expected/dL_dz0 does not follow"),
    "dL_dtheta": (SPIRAL, _ball("dL_dtheta", 1, 0, value="2.3558008"), True, "consistency: expected/dL_dtheta does not follow"),
    "dL_dts": (SPIRAL, _ball("dL_dts", 2, 0, value="-1.13"), True, "consistency: expected/dL_dts is not g . f"),
    "log_p": (FLOW, _ball("log_p", 0, value="-2"), True, "consistency: expected/log_p is not log base(z) - int_minus_trace"),
    "dlogp_dts": (FLOW, _ball("dlogp_dts", 0, 0, value="0.1"), True, "consistency: expected/dlogp_dts does not satisfy Liouville's equation"),
    "dlogp_dx": (FLOW, _ball("dlogp_dx", 0, 0, value="0.1"), True, "consistency: expected/dlogp_dts does not satisfy Liouville's equation"),
    "largest": (FLOW, _set("condition", "flow_largest", value="3"), True, "condition: flow_largest is not the largest of z and l"),
    "gamma too small": (SPIRAL, _set("condition", "value_gamma", value="1.2"), True, "condition: value_gamma is 1.2, the sensitivities say 1.219"),
    "gamma too large": (SPIRAL, _set("condition", "gradient_gamma", value="2"), True, "condition: gradient_gamma is 2"),
    "gamma backwards": (SPIRAL, _set("condition", "reconstruction_gamma", value="1"), True, "condition: reconstruction_gamma is 1"),
    "trust": (SPIRAL, _set("provenance", "trust", value="asserted"), True, "gating: its trust is asserted, which never gates"),
    "one sign": (SPIRAL, _positive, True, "gating: all weights have one sign"),
    "file": (SPIRAL, _set("id", value="linear-circle"), False, "file: linear/linear-spiral.json holds linear/linear-circle"),
    "supersedes": (SPIRAL, _set("supersedes", value="linear-line"), True, "ids: supersedes linear-line, which has no tombstone"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_rule_finds_its_fault(tmp_path, name):
    id, change, honest, fault = CASES[name]
    root = collection(tmp_path)
    spoil(root, id, change, honest)
    faults = lint(root)
    assert any(line.startswith(f"{id}: ") and fault in line for line in faults), faults


@pytest.mark.parametrize(
    ("id", "fault"), [("forced-power", "df/dz is zero along the solution"), ("observations-start-only", "the loss reads one time only")]
)
def test_what_must_not_gate(tmp_path, id, fault):
    root = collection(tmp_path, [id])
    assert lint(root) == []
    spoil(root, id, _set("result", value="required"))
    (found,) = lint(root)
    assert found.startswith(f"{id}: gating: {fault}")


def test_a_file_that_is_not_json(tmp_path):
    root = collection(tmp_path)
    store.find(SPIRAL, root).write_text('{"id": NaN}')
    assert any("linear-spiral.json is not JSON: NaN is not JSON" in fault for fault in lint(root))


def test_a_file_that_is_not_written_canonically(tmp_path):
    root = collection(tmp_path)
    file = store.find(SPIRAL, root)
    file.write_text(json.dumps(json.loads(file.read_text())))
    assert f"{SPIRAL}: format: not written canonically; `vectors format` does it" in lint(root)


def test_manifest_both_ways(tmp_path):
    root = collection(tmp_path)
    store.find(SPIRAL, root).unlink()
    assert f"{SPIRAL}: manifest: is listed, but there is no such vector" in lint(root)
    store.write_manifest(root)
    shutil.copy(store.find(SPIRAL), root / "linear")
    assert f"{SPIRAL}: manifest: is not listed" in lint(root)
    store.write_manifest(root)
    assert lint(root) == []
    listed = json.loads((root / "MANIFEST.json").read_text())
    listed["totals"]["vectors"] = 99
    (root / "MANIFEST.json").write_text(text(listed))
    assert lint(root) == ["MANIFEST.json: manifest: version, totals or form are not as they should be"]
    (root / "MANIFEST.json").unlink()
    assert lint(root) == ["MANIFEST.json: manifest: is missing"]


def test_ids_are_never_used_again(tmp_path):
    root = collection(tmp_path)
    stone = {"id": SPIRAL, "family": "linear", "sha256": "0" * 64, "reason": " ", "since": "1.0.0"}
    (root / "TOMBSTONES.json").write_text(text({"schema": "refnode-tombstones-1", "tombstones": [stone, stone]}))
    faults = lint(root)
    assert f"{SPIRAL}: ids: was removed, and its id may not be used again" in faults
    assert f"{SPIRAL}: ids: has 2 tombstones" in faults
    assert f"{SPIRAL}: ids: its tombstone gives no reason" in faults
    (root / "TOMBSTONES.json").unlink()
    (root / "other").mkdir()
    shutil.copy(store.find(SPIRAL, root), root / "other")
    assert f"{SPIRAL}: ids: there are 2 vectors with this id" in lint(root)


def test_notes_that_nobody_needs(tmp_path):
    root = collection(tmp_path)
    notes = store.notes(root)
    notes["flags"]["Idle"] = {"meaning": "nothing", "effect": "none", "links": []}
    notes["bugs"]["idle"] = {"description": "none", "links": []}
    (root / "notes.json").write_text(text(notes))
    assert lint(root) == [f"notes.json: {kind}: {name} is explained, but no vector has it" for kind, name in (("flags", "Idle"), ("bugs", "idle"))]


@pytest.mark.parametrize(
    ("number", "word"),
    [(0.75, "0.75"), (-2, "-2"), (1024, "1024"), (2.0**-20, "0.00000095367431640625"), (0.0, "0"), (-0.0, "0"), (255, "255"), ("INF", "INF")],
)
def test_dyadic(number, word):
    assert dyadic(number) == word


@pytest.mark.parametrize("number", [0.1, 257, 0.501953125, "0.3"])
def test_not_dyadic(number):
    with pytest.raises(ValueError, match="the input"):
        dyadic(number)


@pytest.mark.parametrize("word", ["1.0", "01", "+1", "1e3", "-0", ".5", ""])
def test_not_plain(word):
    assert "plain decimal" in dyadic_fault(word)


@pytest.mark.parametrize(("value", "lines"), [([1, 2], 1), (["x" * 100, "y" * 50], 4), ({"a": 1}, 1), ([], 1)])
def test_text_breaks_lines_where_it_must(value, lines):
    assert json.loads(text(value)) == value
    assert text(value).count("\n") == lines


def test_no_line_is_too_long():
    for file in store.files():
        assert max(map(len, file.read_text().splitlines())) <= 170, file.name  # a title alone may be longer than the width
