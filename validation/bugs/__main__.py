"""python -m refnode_validation.bugs: writes REPORT.md; with --run it runs the reproducers instead and says what came out."""

import argparse

from .registry import LIBRARIES, bugs
from .report import REPORT, report
from .run import outcomes


def main() -> None:
    """The command."""
    description = "Writes REPORT.md from bugs.json and the reproducers."
    parser = argparse.ArgumentParser(prog="python -m refnode_validation.bugs", description=description)
    parser.add_argument("--run", nargs="*", choices=LIBRARIES, metavar="LIBRARY", help="run the reproducers (of these libraries)")
    chosen = parser.parse_args().run
    if chosen is None:
        REPORT.write_text(report(), encoding="utf-8")
        return
    for library in chosen or LIBRARIES:
        for id, outcome in outcomes(library).items():
            measured = f"got {outcome.got}, expected {outcome.expected}" if outcome.got else ""
            print(f"{id}  {outcome.state:14}  {bugs()[id]['title']}: {measured} {outcome.message}", flush=True)


if __name__ == "__main__":
    main()
