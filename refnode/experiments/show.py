"""`refnode show`: the source that `compiled` makes of a user's own dynamics."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments.user_module import Wrong, load, value
from refnode.tree import as_state, tree_map


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="refnode show", description="Prints the NumPy source that rn.compiled makes of f, and of its pullback.",
                                     epilog="z0, ts and theta are taken from the same module, where it has these names; of them only shapes count.")
    parser.add_argument("dynamics", metavar="MODULE:f", help="mymodel:f, or path/to/mymodel.py:f; it is called as f(z, t, theta)")
    parser.add_argument("--z0", metavar="NAME", help="the state: a name in the module, or numbers: --z0=-1,0.5")
    parser.add_argument("--t", type=float, default=0.0, help="the time (0)")
    parser.add_argument("--theta", metavar="NAME", help="the parameters: a name, or numbers")
    options = parser.parse_args(argv)
    try:
        module, f = load(options.dynamics)
        z0, theta = value(module, "z0", options.z0), value(module, "theta", options.theta, ())
    except Wrong as error:
        parser.error(str(error))
    try:
        z0 = as_state(z0)
        fast = rn.compiled(f, example=(z0, options.t, theta))
    except (TypeError, ValueError) as error:
        parser.exit(2, f"refnode show: {error}\n")
    print(f"# {options.dynamics} at z of {described(z0)}, t of float, theta of {described(theta)}\n")
    print(fast.source)
    print("# its pullback\n")
    print(fast.vjp_source)
    if fast.consts:
        print("# constants that were captured")
        for name, constant in fast.consts.items():
            print(f"{name} = {constant if np.ndim(constant) == 0 else described(constant)}")
    return 0


def described(tree: Any) -> str:
    """The tree with shapes in place of its arrays."""
    found = tree_map(lambda leaf: f"{leaf.dtype}{list(leaf.shape)}" if isinstance(leaf, np.ndarray) else type(leaf).__name__, tree)
    return str(found).replace("'", "")
