"""Balls in print, and the levels of trust."""

from fractions import Fraction

import pytest

pytest.importorskip("flint")
from flint import arb
from hypothesis import given
from hypothesis import strategies as st
from refnode_validation.certify import trust
from refnode_validation.certify.balls import contains, decimal, printed, read, rounded_up, sharp
from refnode_validation.certify.numbers import exact, working
from refnode_validation.vectors import store


def ball(text, radius="0"):
    return arb(exact(text)) + arb(0, arb(exact(radius)).upper())


@given(st.decimals(-10**6, 10**6, places=40), st.integers(36, 60))
def test_what_is_printed_contains_what_is_proved(middle, digits):
    with working(300):
        proved = ball(str(middle), f"1e-{digits}")
        text = printed(proved, "x")
        assert contains(text, proved)
        assert read(text).contains(proved)
        assert exact(text[1]) <= exact("1e-24") * max(1, abs(exact(str(middle))))
        assert float(text[0]) == pytest.approx(float(middle), rel=1e-15)


@given(st.decimals(-10**6, 10**6, places=30), st.integers(-9, 9))
def test_print_does_not_depend_on_the_proof(middle, shift):
    """Half-way cases (places=30 ends where rounding to 26 digits may tie) come out the same for a middle that is off by 1e-40."""
    with working(300):
        moved = ball(str(middle)) + arb(exact("1e-41")) * shift
        assert printed(moved + arb(0, 1e-40), "x") == printed(ball(str(middle)), "x")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.5", ["0.5", "1e-25"]), ("0", ["0", "1e-25"]), ("1", ["1", "1e-25"]), ("-1.25", ["-1.25", "1e-24"]), ("10", ["10", "1e-24"]),
        ("1000000", ["1000000", "1e-19"]), ("0.00000000000000000000000005", ["0.00000000000000000000000005", "1e-25"]),
        ("0.000000000000000000000000005", ["0", "1e-25"]), ("0.000000000000000000000000015", ["0.00000000000000000000000002", "1e-25"]),
    ],
)  # fmt: skip
def test_known_prints(value, expected):
    with working(300):
        assert printed(ball(value), "x") == expected


def test_a_ball_that_is_too_wide_is_named():
    with working(300):
        assert not sharp(ball("0.5", "1e-30"))
        with pytest.raises(ValueError, match=r"dL_dz0\[1\] = .* not proved sharply enough"):
            printed(ball("0.5", "1e-30"), "dL_dz0[1]")
        assert not sharp(arb("nan"))
        assert not contains(["0.5", "1e-25"], ball("0.5", "2e-25"))
        assert not contains(["0.5", "1e-25"], ball("0.50000000000000000000000011"))


def test_condition_numbers_are_rounded_up():
    with working(300):
        assert rounded_up(arb(1)) == "1"
        assert rounded_up(arb(1) + arb(0, 1e-40)) == "1"
        assert rounded_up(ball("1.966331")) == "1.96634"
        assert rounded_up(ball("123456.1")) == "123457"
        assert rounded_up(ball("12345678")) == "12345700"
        assert rounded_up(ball("1.00000000001")) == "1.00001"
        with pytest.raises(ValueError, match="condition number"):
            rounded_up(arb(1) + arb(0, 1e-10))


@given(st.integers(-(10**9), 10**9), st.integers(0, 12))
def test_decimal(n, places):
    text = decimal(Fraction(n, 10**places))
    assert Fraction(text) == Fraction(n, 10**places)
    assert "." not in text or not text.endswith("0")


def test_levels_of_trust():
    """Those of the schema of vectors."""
    schema = store.schema("vector-1")["properties"]["provenance"]["properties"]["trust"]
    assert list(trust.LEVELS) == schema["enum"]
    assert [trust.decides(level) for level in trust.LEVELS] == [True, True, True, False, False]
    with pytest.raises(KeyError):
        trust.decides("believed")
