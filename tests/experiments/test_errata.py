"""Each erratum is shown by its numbers, and ERRATA.md says what they are."""

from pathlib import Path

import pytest

from refnode.cli import main
from refnode.experiments.errata.run import PARTS, markdown, measured

ROOT = Path(__file__).parents[2]
ENTRIES = [entry for part in PARTS.values() for entry in part]


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.check], ids=lambda entry: entry.id)
def test_the_numbers_tell_printed_from_right(entry):
    line, right = measured(entry)
    assert right, line


def test_ids_are_those_of_the_three_lists():
    wanted = [f"C{n}" for n in range(1, 20)] + [f"D{n}" for n in range(1, 17)] + [f"A{n}" for n in range(1, 27)]
    assert [entry.id for entry in ENTRIES] == wanted


def test_most_are_measured():
    assert sum(entry.check is not None for entry in ENTRIES) >= 35


def test_the_file_is_up_to_date():
    """Word for word, and number for number within a fifth: step counts may differ between machines by rounding errors."""
    committed, now = ((text.replace("|", "\n|\n")).splitlines() for text in ((ROOT / "ERRATA.md").read_text(encoding="utf-8"), markdown()))
    for old, new in zip(committed, now, strict=True):
        assert old == new or float(old) == pytest.approx(float(new), rel=0.2), "write it again: refnode errata --markdown ERRATA.md"


def test_command(capsys):
    assert main(["errata", "c1", "C4"]) == 0
    out = capsys.readouterr().out
    assert "printed:      d log p/dt = sum_n tr(df_n/dz)" in out and "not measured: a slip of the pen" in out


def test_unknown_id(capsys):
    with pytest.raises(SystemExit):
        main(["errata", "C99"])
    assert "there is no erratum 'C99'; there are C1 to C19" in capsys.readouterr().err
