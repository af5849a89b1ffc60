"""Whole reports for the tests of their readers: a small one by hand, and a Hypothesis strategy for any."""

import math

from hypothesis import strategies as st
from refnode_validation.checks.catalog import all_checks
from refnode_validation.outcomes import OUTCOMES
from refnode_validation.report import jsonl
from refnode_validation.runner import Result
from refnode_validation.verdicts import STATES, Comparison, Verdict

HEADER = jsonl.header(
    [
        {"name": "mine", "version": "1.0", "word": "/home/me/my adapters/mine.py:Mine", "mode": "adjoint", "capabilities": ["values"]},
        {"name": "other", "version": "2.0", "word": "other", "mode": "direct", "capabilities": ["values", "grad:t"]},
    ],
    ["--json", "r.jsonl"],
    7,
    (1e-4, 1e-7, 1e-10),
)


def row(name, check, problem, rtol, state, ratio=None, outcome="ok", message="", worst=None, reason="", direction="forward"):
    """One row; worst is (quantity, index, got, expected)."""
    comparison = Comparison(worst[0], math.nan if ratio is None else ratio, worst[1], *worst[2:]) if worst else None
    return jsonl.row(Result(name, check, problem, direction, rtol, Verdict(state, ratio, message, comparison)), outcome, reason)


ROWS = [
    row("mine", "solve.value", "P10", 1e-4, "pass", 0.2),
    row("mine", "solve.value", "P10", 1e-7, "pass", 0.0),
    row("mine", "solve.value", "P11", 1e-7, "fail", 3.5, "xfail", worst=("z", (1, 0), 1.0, 2.0), reason="a <known> one"),
    row("mine", "grad.t", "P10", 1e-7, "fail", 2e5, "UNEXPECTED", worst=("dL/dt", (0,), 0.25, -0.25)),
    row("mine", "grad.t", "P11", 1e-7, "fail", math.inf, "UNEXPECTED", "dL/dt is not finite", worst=("dL/dt", (0,), math.nan, 1.0)),
    row("mine", "solve.tolerance", "P10", None, "fail", 1.5, "noted", worst=("error", (), 3.0, 1.0)),
    row("mine", "grad.second", "P10", 1e-7, "unsupported", None, "neutral", "grad:second"),
    row("other", "solve.value", "P10", 1e-4, "error", None, "UNEXPECTED", 'ValueError: <b> & "quotes" | `ticks`'),
    row("other", "grad.t", "P10", 1e-7, "pass", 0.5, "XPASS"),
    row("gone", "grad.t", "P10", 1e-7, "skipped", None, "MISSING", "the package gone is not installed"),
]

numbers = st.floats() | st.sampled_from([0.0, 1.0, math.inf, -math.inf, math.nan, 1e300])
texts = st.text(max_size=12) | st.sampled_from(["<script>", "&amp;", '"', "a|b", "``", "]]>", "\x00", "\ud800", "--", "\n", "S79"])
names = st.text(min_size=1, max_size=6) | st.sampled_from(["a.b", "a b", "a-b", "<i>", "grad.t", "\ud800", "a\x00"])


@st.composite
def reports(draw):
    """(header, rows): any states, outcomes, numbers and texts, and checks that this suite does not have."""
    known = draw(st.lists(names, max_size=3, unique=True))
    header = jsonl.header([{"name": name, "version": draw(texts), "word": draw(texts)} for name in known], draw(st.lists(texts, max_size=2)), 0)
    keys = draw(st.lists(
        st.tuples(
            st.sampled_from(known) if known else names,
            st.sampled_from([*all_checks(), "no.such check", "a&b"]),
            st.sampled_from(["P10", "P11", "<P>"]),
            st.sampled_from(["forward", "reversed"]),
            st.sampled_from([1e-4, 2.5e-6, 1e-7, None]),
        ),
        max_size=12,
        unique_by=lambda key: (key[0], Result("", *key[1:], Verdict("pass")).id),
    ))
    rows = []
    for name, check, problem, direction, rtol in keys:
        worst = draw(st.none() | st.tuples(texts, st.sampled_from([(), (0,), (1, 2)]), numbers, st.floats(allow_nan=False, allow_infinity=False)))
        state, outcome = draw(st.sampled_from(list(STATES))), draw(st.sampled_from(list(OUTCOMES)))
        rows.append(row(name, check, problem, rtol, state, draw(st.none() | numbers), outcome, draw(texts), worst, draw(texts), direction))
    return header, rows
