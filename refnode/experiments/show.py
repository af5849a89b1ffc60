"""`refnode show`: the source that `compiled` makes of a user's own dynamics, or the dynamics as data."""

from __future__ import annotations

import argparse
import json
import traceback
from pathlib import Path
from typing import Any

import numpy as np

import refnode as rn
from refnode.errors import is_users
from refnode.experiments.user_module import Wrong, load, value
from refnode.ode.arguments import check_dynamics
from refnode.tree import as_state, tree_map


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="refnode show",
                                     description="Prints the NumPy source that rn.compiled makes of f and of its pullback; or f as data.",
                                     epilog="z0, ts and theta are taken from the same module, where it has these names; of them only shapes count.")
    parser.add_argument("dynamics", metavar="MODULE:f", help="mymodel:f, or path/to/mymodel.py:f; it is called as f(z, t, theta)")
    parser.add_argument("--z0", metavar="NAME", help="the state: a name in the module, or numbers: --z0=-1,0.5")
    parser.add_argument("--t", type=float, default=0.0, help="the time (0)")
    parser.add_argument("--theta", metavar="NAME", help="the parameters: a name, or numbers")
    parser.add_argument("--json", action="store_true", help="print f as data instead, in the language of expressions: see rn.expressions")
    options = parser.parse_args(argv)
    try:
        module, f = load(options.dynamics)
        z0, theta = value(module, "z0", options.z0), value(module, "theta", options.theta, ())
    except Wrong as error:
        parser.error(str(error))
    try:
        check_dynamics(f)
        z0 = as_state(z0)
        if f(z0, options.t, theta) is None:
            raise ValueError("f returned None; is its return statement missing?")
        if options.json:
            print(as_text(rn.expressions(f, z0, options.t, theta)))
            return 0
        fast = rn.compiled(f, example=(z0, options.t, theta))
    except Exception as error:  # f is the user's: it may fail in any way
        what = str(error) if isinstance(error, (rn.TraceError, ValueError)) else f"{type(error).__name__}: {error}"
        parser.exit(2, f"refnode show: {what}{line_of(error)}\n")
    print(f"# {options.dynamics} at z of {described(z0)}, t of float, theta of {described(theta)}\n")
    print(fast.source)
    print("# its pullback\n")
    print(fast.vjp_source)
    if fast.consts:
        print("# constants that were captured")
        for name, constant in fast.consts.items():
            print(f"{name} = {constant if np.ndim(constant) == 0 else described(constant)}")
    return 0


def as_text(dynamics: dict[str, Any]) -> str:
    """JSON with one expression a line."""
    let, rhs = ("[" + "".join(f"\n  {json.dumps(e)}," for e in dynamics[name]).rstrip(",") + "]" for name in ("let", "rhs"))
    return f'{{"dim": {dynamics["dim"]}, "params": {dynamics["params"]},\n "let": {let},\n "rhs": {rhs}}}'


def line_of(error: Exception) -> str:
    """Where in the user's file it happened."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if is_users(frame) and not frame.f_code.co_filename.startswith("<")]
    users = [frame for frame in frames if not frame.f_globals.get("__name__", "").startswith("refnode")]
    return f" ({Path(users[-1].f_code.co_filename).name}:{users[-1].f_lineno})" if users and "(" not in str(error)[-25:] else ""


def described(tree: Any) -> str:
    """The tree with shapes in place of its arrays."""
    found = tree_map(lambda leaf: f"{leaf.dtype}{list(leaf.shape)}" if isinstance(leaf, np.ndarray) else type(leaf).__name__, tree)
    return str(found).replace("'", "")
