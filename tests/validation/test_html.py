"""The page, read by a parser: well-formed, complete, with nothing from outside, and with a text wherever there is a colour."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from refnode_validation.report import html
from refnode_validation.report.cells import reproduction
from refnode_validation.report.junit import text as legal

from .reports import HEADER, ROWS, reports, row

VOID = {"meta", "br", "wbr", "path", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Ids, links, commands and cells of a page; an AssertionError where a tag is not closed in its turn."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.links, self.cells, self.commands, self.words, self.tables = [], [], [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        assert len(given) == len(attributes), f"<{tag}> has an attribute twice"
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[key] for key in ("href", "src", "srcset", "action", "data", "poster", "xlink:href") if key in given]
        if tag == "th":
            assert given.get("scope") in ("row", "col")
        if tag == "table":
            self.tables.append(False)
        if tag == "caption":
            self.tables[-1] = True
        if tag == "svg":
            assert given["role"] == "img"
            assert given["aria-label"]
        if tag == "td":
            self.cells.append([given.get("class", ""), ""])
        if tag == "code":
            self.commands.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if "td" in self.open:
            self.cells[-1][1] += data
        if self.open and self.open[-1] == "code":
            self.commands[-1] += data


def check(header, rows):
    text = html.render(header, rows)
    page = Page(text)
    assert len(set(page.ids)) == len(page.ids)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert "url(" not in text
    assert "@import" not in text
    assert all(page.tables)
    assert all(words.strip() for kind, words in page.cells if kind not in ("", "empty"))
    assert "\x00" not in text
    text.encode("utf-8")
    for case in rows:
        if case["state"] not in ("pass", "unsupported", "skipped"):
            assert legal(reproduction(header, case)).replace("\r\n", "\n").replace("\r", "\n") in [c.replace("\r", "\n") for c in page.commands]
    return page


def test_a_report():
    page = check(HEADER, ROWS)
    words = re.sub(r"\s+", " ", " ".join(page.words))
    assert "unexpected outcomes in 4 checks" in words
    assert "dL/dt[0] got 0.25, expected -0.25, error 0.5, ratio 2e+05" in words
    assert "expected: a <known> one" in words
    assert 'ValueError: <b> & "quotes"' in words
    assert "refnode validate --alone --impl mine.py:Mine --only grad.t --problem P10 --rtol 1e-07 --seed 7" in page.commands
    assert "dL/dt0 = -a(t0) . f(z(t0), t0, theta)" in words
    assert "\N{MULTIPLICATION SIGN}" not in words


def test_all_is_well():
    page = check(HEADER, ROWS[:2])
    assert "all outcomes expected" in " ".join(page.words)
    assert page.commands == []


def test_without_rows():
    check(HEADER, [])


@settings(max_examples=60, deadline=None)
@given(reports())
def test_any_report(report):
    check(*report)


@pytest.mark.parametrize(("ratio", "hue"), [(1e-9, "r0"), (5e-3, "r1"), (0.05, "r2"), (1.0, "r3"), (1.01, "r4"), (99.0, "r5"), (1e9, "r6")])
def test_shades_are_decades(ratio, hue):
    state, outcome = ("pass", "ok") if ratio <= 1 else ("fail", "UNEXPECTED")
    text = html.render(HEADER, [row("mine", "grad.z0", "P10", 1e-7, state, ratio, outcome)])
    assert f'<td class="{"ok" if ratio <= 1 else "unexpected"} {hue}">' in text


def test_size():
    """Ten implementations with a thousand cases each stay below two megabytes."""
    checks = [f"solve.{i}" for i in range(19)]
    rows = [
        row(f"implementation.{n}", check, f"P{p:02}", rtol, "pass", 10.0**-(p % 9), worst=("dL/dtheta", (1, 2), 0.123456789012, 0.12345678901))
        for n in range(10) for check in checks for p in range(18) for rtol in (1e-4, 1e-7, 1e-10)
    ]
    assert len(rows) == 10260
    assert len(html.render(HEADER, rows)) < 2_000_000
