"""`refnode doctor`: every gradient method on a user's own dynamics, and which of them to use."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from refnode.errors import SolverError
from refnode.experiments.user_module import Wrong, load, value
from refnode.gradients.report import gradient_report
from refnode.gradients.select import GRADIENTS


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="refnode doctor", description="Compares all gradient methods on your own dynamics, and recommends one.",
        epilog="z0, ts, theta and loss are taken from the same module, where it has these names.")
    parser.add_argument("dynamics", metavar="MODULE:f", help="mymodel:f, or path/to/mymodel.py:f; it is called as f(z, t, theta)")
    parser.add_argument("--z0", metavar="NAME", help="the initial state: a name in the module, or numbers: --z0=-1,0.5")
    parser.add_argument("--ts", metavar="NAME", help="the observation times: a name, numbers, or start:end:count")
    parser.add_argument("--theta", metavar="NAME", help="the parameters: a name, or numbers")
    parser.add_argument("--loss", metavar="NAME", help="a function of the observations; the sum of squares if there is none")
    parser.add_argument("--method", default="dopri5", help="the solver (dopri5)")
    parser.add_argument("--rtol", type=float, default=1e-6)
    parser.add_argument("--atol", type=float, default=1e-8)
    parser.add_argument("--memory", type=float, default=1024.0, metavar="MB", help="what a gradient may take (1024)")
    parser.add_argument("--gradients", metavar="NAMES", help=f"only these, with commas between: {','.join(GRADIENTS)}")
    parser.add_argument("--output", metavar="FILE.png", help="draw the comparison")
    options = parser.parse_args(argv)
    try:
        if options.output:
            _check_output(options.output)
        module, f = load(options.dynamics)
        z0 = value(module, "z0", options.z0)
        ts = value(module, "ts", options.ts)
        theta = value(module, "theta", options.theta, ())
        loss = value(module, "loss", options.loss, None)
    except Wrong as error:
        parser.error(str(error))
    print("one gradient after the other; this may take a minute ...", file=sys.stderr)
    try:
        gradients = options.gradients.split(",") if options.gradients else None
        report = gradient_report(f, z0, np.atleast_1d(ts), theta, loss=loss, gradients=gradients, memory=options.memory * 2**20,
                                 method=options.method, rtol=options.rtol, atol=options.atol)
    except SolverError as error:
        print(f"refnode doctor: the reference could not be computed: {error}", file=sys.stderr)
        return 1
    except (TypeError, ValueError) as error:
        print(f"refnode doctor: {error}", file=sys.stderr)
        return 2
    print(report)
    if options.output:
        from refnode.plots import draw_gradient_report
        draw_gradient_report(report).savefig(options.output, dpi=130)
        print(f"\ndrawn: {options.output}")
    return 0


def _check_output(path: str) -> None:
    """Before any work: that it can be drawn."""
    if not Path(path).absolute().parent.is_dir():
        raise Wrong(f"--output {path}: there is no such folder.")
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise Wrong('--output needs the package matplotlib; install it with: pip install -e ".[plots]".') from None
    matplotlib.use("Agg")
