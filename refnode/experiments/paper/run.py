"""`refnode paper`: the paper's experiments at the size of a laptop: numbers as JSON, pictures, and one report with a verdict on each claim."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any

from refnode.experiments.paper import e14, mnist, report, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10
from refnode.experiments.paper.idx import BadFile
from refnode.experiments.paper.results import OtherSettings

EXPERIMENTS = {
    "X1": x1,
    "X2": x2,
    "X3": x3,
    "X4": x4,
    "X5": x5,
    "X6": x6,
    "X7": x7,
    "X8": x8,
    "X9": x9,
    "X10": x10,
    "E14": e14,
}


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("refnode paper", formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__, epilog="\n".join(
        f"{name}: {title(module)}" for name, module in EXPERIMENTS.items()))
    parser.add_argument("experiments", nargs="*", metavar="X", help=f"which ones, of {', '.join(EXPERIMENTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a smaller version that shows that it runs; its numbers say nothing about the paper")
    parser.add_argument("--output", default="paper", metavar="DIR", help="where numbers, pictures, checkpoints and report.md go (default: paper); "
                                                                       "what is finished there is not computed again")
    parser.add_argument("--seeds", "--seed", type=int, nargs="+", metavar="N", help="seeds of parameters, batches and samples (default: 0 1 2, with "
                                                                                    "--quick 0)")
    parser.add_argument("--mnist", metavar="DIR", help="a folder with MNIST's four files: X1 on them, by a convolutional model, instead of on digits")
    options = parser.parse_args(argv)
    options.experiments = [name.upper() for name in options.experiments]
    if unknown := [name for name in options.experiments if name not in EXPERIMENTS]:
        parser.error(f"there is no experiment {unknown[0]}; there are: {', '.join(EXPERIMENTS)}.")
    if options.seeds and (min(options.seeds) < 0 or len(set(options.seeds)) < len(options.seeds)):
        parser.error(f"--seeds {' '.join(map(str, options.seeds))}: seeds are different whole numbers from 0 on")
    if options.mnist and options.experiments != ["X1"]:
        parser.error("--mnist is for X1 alone: refnode paper X1 --mnist DIR")
    folder = Path(options.output)
    if not folder.absolute().parent.is_dir():
        parser.error(f"--output {options.output}: there is no folder {folder.parent} to make it in")
    if folder.exists() and not folder.is_dir():
        parser.error(f"--output {options.output}: that is a file; give the name of a folder")
    for package in ("matplotlib", "sklearn", "tqdm"):  # needed at the end, or on the way; better said at the start
        importlib.import_module(package)
    folder.mkdir(exist_ok=True)
    seeds, chosen = options.seeds or ([0] if options.quick else [0, 1, 2]), list(dict.fromkeys(options.experiments or EXPERIMENTS))
    stored = report.Report(folder, options.quick)
    try:
        if options.mnist:
            chosen = ["MNIST"]
            stored.add("MNIST", mnist.run(folder, seeds, options.quick, Path(options.mnist)), title(mnist), seeds)
        else:
            for name in chosen:
                stored.add(name, EXPERIMENTS[name].run(folder, seeds, options.quick), title(EXPERIMENTS[name]), seeds)
    except (OtherSettings, BadFile) as error:
        parser.error(str(error))
    stored.show(chosen)
    return 0


def title(module: Any) -> str:
    return (module.__doc__ or "").splitlines()[0]
