"""`refnode paper X3`: an experiment of the paper, its numbers as JSON, its picture as a PNG."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from refnode.experiments.paper import x3, x4, x7
from refnode.experiments.paper.results import OtherSettings

EXPERIMENTS = {"X3": x3, "X4": x4, "X7": x7}


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("refnode paper", formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__, epilog="\n".join(
        f"{name}: {(module.__doc__ or '').splitlines()[0]}" for name, module in EXPERIMENTS.items()))
    parser.add_argument("experiment", choices=EXPERIMENTS, help="which one")
    parser.add_argument("--quick", action="store_true", help="a smaller version that shows that it runs; its numbers say nothing about the paper")
    parser.add_argument("--output", default="paper", metavar="DIR", help="where numbers, pictures and checkpoints go (default: paper); what is "
                                                                       "finished there is not computed again")
    parser.add_argument("--seeds", "--seed", type=int, nargs="+", metavar="N", help="seeds of parameters, batches and samples (default: those of the "
                                                                                    "experiment)")
    options = parser.parse_args(argv)
    if options.seeds and (min(options.seeds) < 0 or len(set(options.seeds)) < len(options.seeds)):
        parser.error(f"--seeds {' '.join(map(str, options.seeds))}: seeds are different whole numbers from 0 on")
    folder = Path(options.output)
    if not folder.absolute().parent.is_dir():
        parser.error(f"--output {options.output}: there is no folder {folder.absolute().parent.name} to make it in")
    for package in ("matplotlib", "sklearn", "tqdm"):  # needed at the end, or on the way; better said at the start
        importlib.import_module(package)
    folder.mkdir(exist_ok=True)
    try:
        lines = EXPERIMENTS[options.experiment].run(folder, options.seeds, options.quick)
    except OtherSettings as error:
        parser.error(str(error))
    print("\n".join(lines))
    return 0
