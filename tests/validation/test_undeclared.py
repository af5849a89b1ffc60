"""What adapters declare: a snapshot, so that what disappears is seen; and what they could declare."""

import json
from importlib.resources import files

import pytest
from refnode_validation.cli import main
from refnode_validation.impls.loading import KNOWN, load
from refnode_validation.impls.refnode import Discrete, Interpolating
from refnode_validation.undeclared import sentences, working

SNAPSHOT = json.loads(files("refnode_validation").joinpath("impls/capabilities.json").read_text(encoding="utf-8"))


def test_the_snapshot_is_of_all_adapters():
    assert list(SNAPSHOT) == list(KNOWN)


@pytest.mark.parametrize("word", KNOWN)
def test_what_is_declared_is_what_was(word):
    if word != "refnode":
        pytest.importorskip(word)
    assert {adapter.name: sorted(adapter.capabilities) for adapter in load(word, True).adapters} == SNAPSHOT[word]


def silent(Mode, *capabilities):
    class Silent(Mode):
        name = "silent"

    Silent.capabilities = Mode.capabilities - set(capabilities)
    return Silent()


SOME = ["grad:z0", "grad:t", "time:backward", "stats:nfe", "f32", "max_steps", "fixed:rk4", "flow:grad_t", "grad:second"]


@pytest.mark.parametrize("capability", SOME)
def test_what_works_and_is_not_declared_is_found(capability):
    found = working(silent(Discrete, capability))
    assert list(found) == [capability] and found[capability]


def test_what_does_not_work_is_not():
    """Interpolating gives no second derivatives; and a wrong sign is not passed off as a capability."""

    class Wrong(Interpolating):
        name = "wrong"
        capabilities = Interpolating.capabilities - {"grad:t"}

        def run(self, case):
            answer = super().run(case)
            return answer | ({"dL/dt": -answer["dL/dt"]} if "dL/dt" in answer else {})

    assert working(Interpolating()) == {} and working(Wrong()) == {}


def test_the_sentence():
    (line,) = sentences(silent(Discrete, "grad:t"))
    assert line.startswith('silent: "grad:t" works, and is not declared (dL/dt_i for every output time): it passes grad.observations_t, ')


def test_the_command(capsys):
    assert main(["--undeclared", "--alone", "--impl", "scipy"]) == 0
    assert "scipy.RK45: nothing that it does not declare works" in capsys.readouterr().out
