"""The command: exit codes, one clear sentence for wrong arguments, the adapters of users, the tables."""

import re
from pathlib import Path

import pytest
from refnode_validation import __version__, cli
from refnode_validation.arguments import is_whole, parse
from refnode_validation.checks.catalog import all_checks
from refnode_validation.impls.loading import load
from refnode_validation.problems.catalog import problems
from refnode_validation.report import jsonl
from refnode_validation.report.cells import cell
from refnode_validation.runner import Result
from refnode_validation.statements import statements
from refnode_validation.verdicts import Verdict

README = Path(cli.__file__).with_name("README.md")
ADAPTER = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[1]
WRONG_AT_1E_7 = ADAPTER.replace("solution.y.T}", "solution.y.T * (1 + 1e-5 * (case.rtol == 1e-7))}")


def main(arguments):
    """Everything in this process; test_workers.py has the processes."""
    return cli.main([*arguments, "--in-process"])


@pytest.fixture
def mine(tmp_path):
    """Write an adapter file and return the word that names it."""

    def write(source=ADAPTER, name="mine"):
        (tmp_path / f"{name}.py").write_text(source)
        return f"{tmp_path / name}.py:Mine"

    return write


def test_the_adapter_of_the_readme_works(mine, capsys):
    assert main(["--alone", "--impl", mine()]) == 0
    out = capsys.readouterr().out
    assert "mine: passes" in out
    assert "ok 0." in out


def test_failures_are_shown_with_all_that_is_needed(mine, capsys):
    word = mine(WRONG_AT_1E_7)
    assert main(["--alone", "--impl", word, "--problem", "P10", "--only", "solve.value"]) == 1
    out = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "FAIL" in out
    assert statements()["S3"]["text"] in out
    assert re.search(r"fail P10 forward rtol 1e-07: z\[\d,0\] got \S+, expected \S+, error \S+, ratio \d", out)
    assert f"refnode validate --alone --impl {word} --only solve.value --problem P10 --rtol 1e-07" in out
    assert "1 unexpected" in out


def test_the_reproduction_line_reproduces(mine, capsys):
    word = mine(WRONG_AT_1E_7)
    arguments = ["--alone", "--impl", word, "--only", "solve.value", "--problem", "P10"]
    assert main([*arguments, "--rtol", "1e-07"]) == 1
    assert main([*arguments, "--rtol", "1e-04"]) == 0


def test_expected_failures(mine, tmp_path, capsys):
    word = mine(WRONG_AT_1E_7)
    arguments = ["--alone", "--impl", word, "--problem", "P10", "--only", "solve.value"]
    listed = tmp_path / "mine.expected"
    listed.write_text("mine | solve.value/P10/forward/1e-07 | * | fail | - | scaled on purpose\n")
    assert main(arguments) == 0
    assert "1 expected: scaled on purpose" in capsys.readouterr().out
    listed.write_text("mine | solve.value/P10/forward/* | * | fail | - | scaled on purpose\n")
    assert main(arguments) == 1
    assert "XPASS" in capsys.readouterr().out
    listed.write_text("mine | solve.value/P10/forward/1e-07 | * | error: ValueError | - | not the way it fails\n")
    assert main(arguments) == 1
    assert "XFAIL-CHANGED fail P10 forward" in capsys.readouterr().out
    for line, says in (("mine | solve.value/P10/forward/1e-07 | ", "expected 'implementation"),
                       ("mine | solve.value/{P10/forward/1e-07 | * | fail | - | unbalanced", "is not check/problem/direction/rtol"),
                       ("mine | solve.value/P10 | * | fail | - | too short", "is not check/problem/direction/rtol"),
                       ("mine | solve.value/P10/forward/1e-07 | 1.2 | fail | - | no version", "version condition '1.2' is not one of")):
        listed.write_text(f"# a comment\n{line}\n")
        assert main(arguments) == 2
        err = capsys.readouterr().err
        assert "mine.expected, line 2: " in err and says in err


def test_stale_lines_count_in_full_runs_only(mine, tmp_path, capsys, monkeypatch):
    """A full run takes minutes: a small one stands in for it."""
    word = mine()
    (tmp_path / "mine.expected").write_text("mine | solve.value/P99/forward/1e-07 | * | fail | - | no such problem\n")
    assert main(["--alone", "--impl", word, "--problem", "P10"]) == 0
    assert is_whole(parse(["--tier", "full"]))
    assert not any(is_whole(parse(words)) for words in ([], ["--tier", "full", "--problem", "P10"], ["--tier", "full", "--only", "grad.*"]))
    monkeypatch.setattr(cli, "is_whole", lambda options: True)
    files = [word for kind in ("json", "html", "junit", "markdown", "badge") for word in (f"--{kind}", str(tmp_path / kind))]
    capsys.readouterr()
    assert main(["--alone", "--impl", word, "--problem", "P10", *files]) == 1
    line = "mine | solve.value/P99/forward/1e-07 is listed, but matches no case"
    out = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert line in out.partition("Checks")[0]  # on the first screen
    assert jsonl.read(tmp_path / "json")[0]["stale"] == [line]
    assert "1 listed failure matches no case" in (tmp_path / "html").read_text() and line in (tmp_path / "html").read_text()
    assert f'<failure message="{line}"' in (tmp_path / "junit").read_text()
    assert "## Conformance: 1 listed failure matches no case" in (tmp_path / "markdown").read_text()
    assert '"color": "red"' in (tmp_path / "badge").read_text()


def test_an_adapter_may_import_what_is_beside_it(tmp_path, monkeypatch):
    (tmp_path / "besides_the_adapter.py").write_text("FACTOR = 1.0\n")
    (tmp_path / "mine.py").write_text("from besides_the_adapter import FACTOR\n" + ADAPTER.replace("solution.y.T", "solution.y.T * FACTOR"))
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    assert main(["--alone", "--impl", f"{tmp_path / 'mine.py'}:Mine", "--problem", "P10", "--only", "solve.value"]) == 0


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("solution.y", "gave z transposed: it has a row for each time, (N, D), and not (D, N)"),
        ("solution.y.T.astype('f4')", "ValueError: z has dtype float32, expected float64"),
        ("solution.y.T[{}['boom']]", "KeyError: 'boom' (mine.py:"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(mine, capsys, body, sentence):
    assert main(["--alone", "--impl", mine(ADAPTER.replace("solution.y.T", body)), "--problem", "P10", "--only", "solve.value"]) == 1
    assert sentence in re.sub(r"\s+", " ", capsys.readouterr().out)


def test_drawn_problems_are_added_and_asked_again_by_name(mine, tmp_path, capsys):
    path = tmp_path / "out.jsonl"
    word = mine(ADAPTER.replace("solution.y.T}", "solution.y.T * (1 + 1e-2 * (case.rtol == 1e-8))}"))
    arguments = ["--alone", "--impl", word, "--only", "solve.refine,solve.shift"]
    assert cli.main([*arguments, "--draws", "3", "--seed", "40", "--json", str(path)]) == 1
    assert {row["problem"] for row in jsonl.read(path)[1]} == {"P30", "P28", "draw-40", "draw-41", "draw-42"}
    capsys.readouterr()
    assert cli.main([*arguments, "--problem", "draw-41", "--json", str(path)]) == 1
    assert "--only solve.refine --problem draw-41 --rtol 1e-06" in re.sub(r"\s+", " ", capsys.readouterr().out)
    assert {row["id"].split("/")[1] for row in jsonl.read(path)[1]} == {"draw-41"}
    assert cli.main([*arguments, "--problem", "draw-41", "--rtol", "1e-05"]) == 0
    assert cli.main([*arguments, "--draws", "0", "--json", str(path)]) == 1
    assert {row["problem"] for row in jsonl.read(path)[1]} == {"P30", "P28"}


def test_report_file(mine, tmp_path):
    path = tmp_path / "out.jsonl"
    assert main(["--alone", "--impl", mine(), "--problem", "P10,P28", "--rtol", "1e-5", "--json", str(path)]) == 0
    header, rows, footer = jsonl.read(path)
    assert header["suite"] == __version__
    assert header["implementations"][0]["name"] == "mine"
    assert str(tmp_path) not in path.read_text()
    assert footer["counts"]["mine:pass"] == sum(row["state"] == "pass" for row in rows)
    assert {row["problem"] for row in rows} == {"P10", "P28"}
    assert {row["rtol"] for row in rows} == {1e-5}


def test_runs_are_repeatable(mine, tmp_path):
    word = mine()
    paths = [tmp_path / f"{n}.jsonl" for n in "ab"]
    for path in paths:
        main(["--alone", "--impl", word, "--problem", "P28", "--json", str(path)])
    first, second = (path.read_text().splitlines()[1:] for path in paths)
    assert first == second


def test_a_broken_harness_is_called_that(mine, capsys):
    assert main(["--alone", "--impl", mine(ADAPTER.replace("f(z, t, case.theta)", "f(t, z, case.theta)")), "--problem", "P10"]) == 1
    assert "harness-broken" in capsys.readouterr().out


def test_an_interrupted_run_says_what_was_not_run(mine, tmp_path, capsys):
    path = tmp_path / "r.jsonl"
    source = ADAPTER.replace("        f = case", "        if len(case.ts) > 10:\n            raise KeyboardInterrupt\n        f = case")
    assert main(["--alone", "--impl", mine(source), "--problem", "P10", "--json", str(path)]) == 1
    states = {row["state"] for row in jsonl.read(path)[1]}
    assert {"pass", "not-run"} <= states


def test_a_missing_package_is_skipped_and_counts_only_if_asked_for(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "torchdiffeq", None)
    monkeypatch.delitem(__import__("sys").modules, "refnode_validation.impls.torchdiffeq", raising=False)
    monkeypatch.setattr(cli, "DEFAULT", ("scipy", "torchdiffeq"))
    few = ["--problem", "P01", "--only", "solve.value", "--rtol", "1e-4"]
    assert main(few) == 0
    assert "skip" in capsys.readouterr().out
    assert main([*few, "--impl", "torchdiffeq"]) == 1


def test_a_package_that_cannot_be_imported_is_an_error_not_a_skip(monkeypatch, capsys):
    """refnode itself, installed but broken, must not look like refnode not installed."""
    monkeypatch.setitem(__import__("sys").modules, "refnode.gradients.select", None)
    for name in ("refnode", "refnode_validation.impls.refnode"):
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    monkeypatch.setattr(cli, "DEFAULT", ("refnode",))
    assert main(["--problem", "P01", "--only", "solve.value"]) == 1
    assert "its import fails: ModuleNotFoundError" in re.sub(r"\s+", " ", capsys.readouterr().out)


def test_one_implementation_of_a_library(capsys):
    assert main(["--alone", "--impl", "refnode.discrete,scipy.DOP853", "--only", "solve.value", "--problem", "P01", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert "refnode.discrete: passes 3 of 3" in out and "scipy.DOP853: passes 3 of 3" in out
    assert "RK45" not in out and "checkpointed" not in out


def test_its_list_is_its_part_of_the_librarys():
    whole, one = load("refnode", True), load("refnode.reversible", True)
    assert [adapter.name for adapter in one.adapters] == ["refnode.reversible"] and one.word == "refnode.reversible"
    assert one.entries == tuple(entry for entry in whole.entries if entry.implementation == "refnode.reversible") != whole.entries


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--impl", "foo"], "unknown implementation 'foo': known are refnode, scipy"),
        (["--impl", "scipy.LSODA"], "unknown implementation 'scipy.LSODA': scipy has scipy.RK45, scipy.DOP853"),
        (["--in-process", "--impl", "scipy.RK45"], "two implementations have the name 'scipy.RK45': name it once, or give yours another"),
        (["--undeclared", "--problem", "P10"], "--undeclared asks questions of its own and ends: it goes without --problem"),
        (["--undeclared", "--html", "r.html"], "it goes without --html"),
        (["--alone"], "--alone needs --impl"),
        (["--only", "zzz"], "no check matches 'zzz'"),
        (["--problem", "P99"], "unknown problem 'P99'"),
        (["--rtol", "abc"], "--rtol takes numbers, not 'abc'"),
        (["--rtol", "1"], "rtol 1 is outside"),
        (["--bogus"], "unrecognized arguments: --bogus"),
        (["--json", "/no/such/folder/x"], "there is no such folder"),
        (["--alone", "--impl", "nofile.py:X"], "no such file: nofile.py"),
        (["--alone", "--impl", "no.such.module:X"], "No module named 'no'"),
        (["--alone", "--impl", "math:Nope"], "there is no 'Nope' in it"),
        (["--alone", "--impl", "math:pi"], "cannot create the adapter 'math:pi'"),
        (["--alone", "--impl", "fractions:Fraction"], "has no attribute 'name'"),
        (["--only", "grad.shift_sum", "--problem", "P10"], "nothing to run"),
        (["--draws", "-1"], "--draws and --seed are numbers from 0 on, not -1 and 0"),
        (["--problem", "draw-x"], "unknown problem 'draw-x'"),
        (["--only", "solve.order", "--problem", "P10"], "nothing to run"),
        (["--problem", "forced-sin"], "unknown problem 'forced-sin', did you mean forced-sine?"),
        (["--only", ""], "--only '' names nothing: give a name, or leave it out"),
        (["--problem", ","], "--problem ',' names nothing"),
        (["--rtol", " "], "--rtol ' ' names nothing"),
        (["--z0", "1,2"], "--z0 is about your own f: it needs --dynamics"),
        (["--ts", "0:1:3"], "--ts is about your own f"),
        (["--theta", ""], "--theta is about your own f"),
        *[(["--dynamics", "nofile.py:f", option, word], f"{option} is about implementations; --dynamics takes --z0, --ts, --theta")
          for option, word in (("--html", "r.html"), ("--junit", "r.xml"), ("--markdown", "r.md"), ("--badge", "r.json"), ("--picture", "r.png"),
                               ("--tier", "default"), ("--draws", "0"), ("--impl", "scipy"), ("--rtol", "1e-5"))],
        (["--alone", "--impl", "statistics:mean"], "the adapter 'statistics:mean' is a function, not a class"),
        (["--seed", "x"], "argument --seed: invalid int value: 'x'"),
    ],
)
def test_usage_errors_are_one_sentence(arguments, sentence, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert err.startswith("refnode validate: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "headline"),
    [
        (["--problem", "P10", "--only", "solve.value"], "1 check; 1 problem at rtol 1e-04 1e-07 1e-10"),
        (["--problem", "forced-sine", "--only", "solve.value", "--rtol", "1e-5"], "1 check; 1 vector at 1e-05"),
        (["--problem", "draw-0", "--only", "solve.refine"], "1 relation, 1 drawn problem, at 1e-06"),
    ],
)
def test_the_headline_counts_what_there_is(mine, capsys, arguments, headline):
    main(["--alone", "--impl", mine(), *arguments])
    assert capsys.readouterr().out.splitlines()[0].endswith(f": {headline}")


def test_two_adapters_of_one_name_are_refused(mine, capsys):
    assert main(["--alone", "--impl", f"{mine()},{mine(name='other')}"]) == 2
    assert "two implementations have the name 'mine'" in capsys.readouterr().err


def test_list_help_and_version(capsys):
    assert main(["--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in [*all_checks(), *problems()])
    assert main(["--help"]) == 0
    assert main(["--version"]) == 0
    assert f"suite {__version__}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("judged", "text"),
    [
        ([("pass", 0.1234, "ok"), ("pass", 0.02, "ok")], "ok: ok 0.12"),
        ([("pass", 0.1, "ok"), ("unsupported", None, "neutral")], "ok: ok 0.10"),
        ([("unsupported", None, "neutral")], "unsupported: --"),
        ([("skipped", None, "neutral")], "skipped: skip"),
        ([("skipped", None, "MISSING")], "unexpected: skip"),
        ([("pass", 0.1, "ok"), ("fail", 34.56, "UNEXPECTED")], "unexpected: FAIL 34.6"),
        ([("pass", 0.1, "XPASS"), ("pass", 0.3, "ok")], "unexpected: XPASS 0.10"),
        ([("fail", 1234.5, "witness")], "noted: FAIL 1e+03"),
        ([("fail", 2.0, "xfail"), ("pass", 0.1, "ok")], "expected: xf 2.00"),
        ([("fail", 5.0, "xfail"), ("fail", 3.0, "UNEXPECTED")], "unexpected: FAIL 3.00"),
        ([("crash", None, "xfail"), ("fail", 3.0, "UNEXPECTED")], "unexpected: FAIL 3.00"),
        ([("fail", float("inf"), "UNEXPECTED")], "unexpected: FAIL inf"),
        ([("fail", 2.0, "UNEXPECTED"), ("fail", float("nan"), "UNEXPECTED")], "unexpected: FAIL inf"),
        ([("timeout", None, "UNEXPECTED"), ("fail", 2.0, "UNEXPECTED")], "unexpected: FAIL 2.00"),
        ([*[("timeout", None, "UNEXPECTED")] * 2, ("fail", 2.0, "UNEXPECTED")], "unexpected: timeout"),
        ([("timeout", None, "UNEXPECTED"), *[("fail", 2.0, "UNEXPECTED")] * 2, ("crash", None, "UNEXPECTED")], "unexpected: FAIL 2.00"),
        ([("fail", 2.0, "UNEXPECTED"), *[("pass", 0.1, "XPASS")] * 3], "unexpected: FAIL 2.00"),
        ([("harness-broken", None, "UNEXPECTED")], "unexpected: broken"),
        ([], "empty: "),
    ],
)
def test_cells(judged, text):
    rows = [jsonl.row(Result("a", "grad.t", "P01", "forward", 1e-4, Verdict(state, ratio)), outcome) for state, ratio, outcome in judged]
    assert f"{cell(rows).kind}: {cell(rows).text}" == text
