"""Dynamics printed as source: straight-line code in NumPy, torch, JAX and C++, and one Python function for every array namespace."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from .dynamics import NARY, Dynamics, Expression, evaluate
from .floats import complex_softplus
from .lanes import in_lanes
from .terms import SYMBOLS, TERMS


def source(dynamics: Dynamics, language: str) -> str:
    """The text of a function f(z, t, theta) that returns dz/dt, z (D,), theta (P,), for "numpy", "torch" or "jax"; for "cpp" of
    void f(const double* z, double t, const double* theta, double* dz). Constants are the doubles nearest to those of the dynamics.
    """
    if language not in DIALECTS:
        raise ValueError(f"unknown language {language!r}; there are {', '.join(DIALECTS)}")
    dialect = DIALECTS[language]
    return dialect.layout.format(D=dynamics.dim, P=dynamics.params, body=textwrap.indent(_body(dynamics, dialect), "    "))


@functools.lru_cache(maxsize=256)
def function(dynamics: Dynamics) -> Callable[[Any, Any, Any, Any], Any]:
    """rhs(xp, z, t, theta), the dynamics for every array namespace xp (numpy, autograd.numpy, torch, jax.numpy); differentiable there.

    The dtype is that of z and theta; complex ones, as of complex steps, with NumPy only. Plain float64 arrays are taken apart into Python's
    floats, which compute faster than NumPy's scalars and give the same bits; only where they would raise (x / 0) NumPy's inf and nan take
    their place. With ir.terms.SYMBOLS it is these very dynamics again, in terms.
    """
    on_floats, on_arrays = _python_function(_body(dynamics, XP)), _python_function(_array_body(dynamics))

    def rhs(xp: Any, z: Any, t: Any, theta: Any) -> Any:
        if xp is SYMBOLS:
            return np.array(evaluate(dynamics, TERMS, z, t, theta), dtype=object)
        if type(z) is np.ndarray and type(theta) is np.ndarray and z.dtype == theta.dtype == np.float64 and isinstance(t, float):
            try:
                return np.array(on_floats(np, z.tolist(), float(t), theta.tolist(), 0.0))
            except ZeroDivisionError:
                pass
        if xp is np and any(isinstance(x, np.ndarray | np.generic | complex) and np.iscomplexobj(x) for x in (z, t, theta)):
            xp = COMPLEX
        return on_arrays(xp, z, t, theta, xp.zeros_like(z[0]))

    return rhs


def _python_function(body: str) -> Callable[..., Any]:
    space: dict[str, Any] = {}
    exec(compile(f"def f(xp, z, t, theta, zero):\n{textwrap.indent(body, '    ')}\n", "<dynamics>", "exec"), space)
    return space["f"]


@dataclass(frozen=True)
class Dialect:
    """How a language writes things: the functions of the language with {} for the operand, the whole with {body}, D and P in it.

    define has {name} and {value}; component, where components are assigned and not returned, {i} and {value}; returned has {components}.
    zero: what is added to an operand without z and theta, for languages whose functions take no plain numbers. It is of the kind of z[0].
    """

    functions: dict[str, str]
    layout: str
    define: str = "{name} = {value}"
    component: str = ""
    returned: str = ""
    zero: str = ""


def _body(dynamics: Dynamics, dialect: Dialect) -> str:
    printer = _Printer(dialect)
    for k, entry in enumerate(dynamics.let):
        printer.shared.append(printer.defined(f"v{k}", printer.text(entry)))
    components = [printer.lifted(printer.text(e)).text for e in dynamics.rhs]
    if dialect.component:
        return "\n".join(printer.lines + [dialect.component.format(i=i, value=value) for i, value in enumerate(components)])
    return "\n".join([*printer.lines, dialect.returned.format(components=", ".join(components))])


def _array_body(dynamics: Dynamics) -> str:
    """The same for arrays, lane by lane (see lanes.py)."""
    printer = _Printer(XP)
    lines, components = in_lanes(dynamics)
    for name, _, e in lines:
        printer.varies[name] = printer.defined(name, printer.text(e)).varies
    if len({name for name, _ in components}) == 1 and lines[-1].size == len(components):
        return "\n".join([*printer.lines, f"return {lines[-1].name}"])
    texts = [printer.lifted(Text(text, ATOM, printer.varies[name])).text for name, text in components]
    return "\n".join([*printer.lines, f"return xp.stack([{', '.join(texts)}])"])


SUM, PRODUCT, SIGN, ATOM = range(4)
LONGEST = 64  # operands of a sum in one line: compilers recurse


@dataclass(frozen=True)
class Text:
    """A printed expression, how tightly it holds together, and whether z or theta is in it."""

    text: str
    level: int
    varies: bool

    def at(self, level: int) -> str:
        return self.text if self.level >= level else f"({self.text})"


class _Printer:
    """Prints expressions.

    lines: the definitions that they needed. shared: the texts of "let". varies: which arrays depend on z or theta.
    """

    def __init__(self, dialect: Dialect):
        self.dialect = dialect
        self.lines: list[str] = []
        self.shared: list[Text] = []
        self.varies = {"z": True, "theta": True}
        self.names = 0

    def text(self, e: Expression) -> Text:
        if isinstance(e, str):
            return _number(e)
        head, *operands = e
        if head == "let":
            return self.shared[operands[0]]
        if head in ("z", "theta"):
            return Text(f"{head}[{operands[0]}]", ATOM, True)
        if head == "part":
            return Text(operands[1], ATOM, self.varies[operands[0]])
        if head == "t":
            return Text("t", ATOM, False)
        if head == "pow":
            return self.power(self.text(operands[0]), operands[1])
        return self.operation(head, [self.text(operand) for operand in operands])

    def operation(self, head: str, x: list[Text]) -> Text:
        varies = any(operand.varies for operand in x)
        if head == "neg":
            return Text(f"-{x[0].at(ATOM)}", SIGN, varies)
        if head in SIGNS:
            sign, level = SIGNS[head]
            if head in NARY and len(x) > LONGEST:
                rest = self.operation(head, x[:-LONGEST])
                x = [self.named(rest), *x[-LONGEST:]]
            return Text(sign.join([x[0].at(level), *(operand.at(level + 1 if level == SUM else ATOM) for operand in x[1:])]), level, varies)
        return Text(self.dialect.functions[head].format(self.lifted(x[0]).text), ATOM, varies)

    def power(self, x: Text, n: int) -> Text:
        """Products, which each language rounds alike, and of which none is slower than its general power."""
        x = x if x.level == ATOM and "(" not in x.text else self.named(x)
        if n <= 3:
            return Text(" * ".join([x.text] * n), PRODUCT, x.varies)
        half = self.named(self.power(x, n // 2))
        return Text(" * ".join([half.text, half.text, *[x.text] * (n % 2)]), PRODUCT, x.varies)

    def lifted(self, x: Text) -> Text:
        return x if x.varies or not self.dialect.zero else Text(f"{x.at(SUM)} + {self.dialect.zero}", SUM, True)

    def named(self, x: Text) -> Text:
        self.names += 1
        return self.defined(f"w{self.names - 1}", x)

    def defined(self, name: str, x: Text) -> Text:
        self.lines.append(self.dialect.define.format(name=name, value=x.text))
        return Text(name, ATOM, x.varies)


def _number(decimal: str) -> Text:
    value = float(decimal)
    if not np.isfinite(value):
        raise ValueError(f"the constant {decimal} is no finite double")
    return Text(repr(value), SIGN if decimal.startswith("-") else ATOM, False)


SIGNS = {"add": (" + ", SUM), "sub": (" - ", SUM), "mul": (" * ", PRODUCT), "div": (" / ", PRODUCT)}
PLAIN = ("tanh", "sin", "cos", "exp", "log", "sqrt")


def _functions(prefix: str, **more: str) -> dict[str, str]:
    return {**{name: f"{prefix}{name}({{}})" for name in PLAIN}, **more}


def _python(imports: str, zero: str = "") -> str:
    return f'{imports}\n\n\ndef f(z, t, theta):\n    """dz/dt for z ({{D}},) and theta ({{P}},)."""\n{zero}{{body}}\n'


XP = Dialect(
    # Stable, and with derivatives that are: softplus(x) = log(e^x + e^0), sigmoid(x) = e^-softplus(-x).
    functions=_functions(
        "xp.", softplus="xp.logaddexp({}, zero)", sigmoid="xp.exp(-xp.logaddexp(-({}), zero))", relu="xp.maximum({}, zero)"
    ),
    layout="{body}",
    returned="return [{components}]",
    zero="zero",
)
# The namespace for complex arguments: numpy, whose logaddexp takes none.
COMPLEX = SimpleNamespace(
    **{name: getattr(np, name) for name in (*PLAIN, "maximum", "stack", "zeros_like")}, logaddexp=lambda x, zero: complex_softplus(x)
)
DIALECTS = {
    "numpy": Dialect(
        functions=_functions(
            "np.", softplus="np.logaddexp({}, 0.0)", sigmoid="np.exp(-np.logaddexp(-({}), 0.0))", relu="np.maximum({}, 0.0)"
        ),
        layout=_python("import numpy as np"),
        returned="return np.array([{components}])",
    ),
    "torch": Dialect(
        # torch's own softplus is the identity above 20.
        functions=_functions("torch.", softplus="torch.logaddexp({}, zero)", sigmoid="torch.sigmoid({})", relu="torch.relu({})"),
        layout=_python("import torch", "    zero = torch.zeros_like(z[0])\n"),
        returned="return torch.stack([{components}])",
        zero="zero",
    ),
    "jax": Dialect(
        functions=_functions("jnp.", softplus="jax.nn.softplus({})", sigmoid="jax.nn.sigmoid({})", relu="jax.nn.relu({})"),
        layout=_python("import jax\nimport jax.numpy as jnp"),
        returned="return jnp.stack([{components}])",
    ),
    "cpp": Dialect(
        functions=_functions("std::", softplus="softplus({})", sigmoid="sigmoid({})", relu="std::fmax({}, 0.0)"),
        layout="""#include <cmath>

static inline double softplus(double x) {{ return std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }}
static inline double sigmoid(double x) {{ return std::exp(-softplus(-x)); }}

// dz/dt for z ({D}) and theta ({P}); dz must not overlap z.
void f(const double* z, double t, const double* theta, double* dz) {{
{body}
}}
""",
        define="const double {name} = {value};",
        component="dz[{i}] = {value};",
    ),
}
