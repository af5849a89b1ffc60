"""Gradients written by hand for the workloads of `refnode bench`: see bench/by_hand/."""

from __future__ import annotations

import numpy as np

from ..bench.by_hand import adjoint, cnf, discrete, lotka_volterra, mlp_adjoint, mlp_discrete
from ..case import Unsupported


class Discrete:
    """Stage by stage: one fused f and vjp each, in reused buffers."""

    name = "by hand.discrete"
    version = np.__version__

    def bench(self, workload):
        if workload.kind == "lotka-volterra":
            return lotka_volterra.Discrete(workload)
        equation = mlp_discrete.Stagewise if workload.kind == "mlp" else cnf.Flow
        return discrete.Discrete(workload, equation(workload))


class Batched:
    """What is computed again is computed for all stages of a step at once."""

    name = "by hand.discrete batched"
    version = np.__version__

    def bench(self, workload):
        return discrete.Discrete(workload, mlp_discrete.Batched(written_for(workload, "mlp")))


class Stored:
    """The hidden layers of all stages are kept, and not computed again."""

    name = "by hand.discrete stored"
    version = np.__version__

    def bench(self, workload):
        equation = mlp_discrete.Stored if written_for(workload, "mlp", "cnf").kind == "mlp" else cnf.Stored
        return discrete.Discrete(workload, equation(workload))


class Adjoint:
    """(z, a) with the seminorm."""

    name = "by hand.adjoint"
    version = np.__version__

    def bench(self, workload):
        return adjoint.Adjoint(workload, mlp_adjoint.Augmented(written_for(workload, "mlp")))


def written_for(workload, *kinds):
    """The workload, if there is such a version of it."""
    if workload.kind not in kinds:
        raise Unsupported(f"not written for {workload.name}")
    return workload
