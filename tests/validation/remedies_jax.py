"""The adapters of JAX and diffrax with the causes of their listed failures taken away, as in remedies.py, where jax is installed:

    refnode validate --alone --impl tests/validation/remedies_jax.py:CheckpointedTimes --problem P10
"""

from refnode_validation.impls import diffrax as with_diffrax

from tests.validation.exact_times import ExactTimes


class CheckpointedTimes(ExactTimes, with_diffrax.Checkpointed):
    name = "diffrax.RecursiveCheckpointAdjoint, exact times"


class DirectTimes(ExactTimes, with_diffrax.Direct):
    name = "diffrax.DirectAdjoint, exact times"


class Tighter:
    """A tenth of the tolerance."""

    def run(self, case):
        case.rtol, case.atol = case.rtol / 10, case.atol / 10
        return super().run(case)


class CheckpointedTighter(Tighter, CheckpointedTimes):
    name = "diffrax.RecursiveCheckpointAdjoint, exact times, a tenth of the tolerance"


class BacksolveTighter(Tighter, with_diffrax.Backsolve):
    name = "diffrax.BacksolveAdjoint, a tenth of the tolerance"
