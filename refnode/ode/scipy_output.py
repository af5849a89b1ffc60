"""Steps and SciPy's classes. In a file of its own: it imports SciPy, which `import refnode` must not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.integrate import DenseOutput, OdeSolver

from refnode.errors import MaxStepsReached, SolverError
from refnode.ode.scipy_arguments import MAX_STEPS
from refnode.ode.solution import SolveStats
from refnode.ode.stepping import Failure, Step


class StepOutput(DenseOutput):
    """The interpolant of a kept step of ours: times () -> (n,), times (m,) -> (n, m). At the end of the step it is the state itself."""

    def __init__(self, step: Step):
        super().__init__(step.t, step.t1)
        self.step = step

    def _call_impl(self, t: np.ndarray) -> np.ndarray:
        return self.step(t[np.newaxis])[0] if t.ndim == 0 else self.step(t).T


class SolverStep:
    """A step of an OdeSolver, and its own interpolant."""

    def __init__(self, solver: OdeSolver, z: np.ndarray):
        self.t, self.t1, self.z, self.z1 = float(solver.t_old), float(solver.t), z, np.array(solver.y)
        self.solver: OdeSolver | None = solver
        self._output: DenseOutput | None = None

    def __call__(self, times: np.ndarray) -> np.ndarray:
        return np.asarray(self.output(times)).T

    @property
    def output(self) -> DenseOutput:
        if self._output is None:
            assert self.solver is not None
            self._output = self.solver.dense_output()
        return self._output

    def keep(self) -> None:
        self._output, self.solver = self.output, None


def output_of(step: Step) -> DenseOutput:
    return step.output if isinstance(step, SolverStep) else StepOutput(step)


def steps_of(solver: OdeSolver, stats: SolveStats) -> Iterator[Step]:
    """The steps of an OdeSolver until it is finished."""
    for _ in range(MAX_STEPS):
        z = np.array(solver.y)
        try:
            message = solver.step()
        finally:
            stats.nfe, stats.njev, stats.nlu = solver.nfev, solver.njev, solver.nlu
        if solver.status == "failed":
            raise Failure(SolverError, str(message), 0.0)
        yield SolverStep(solver, z)
        if solver.status == "finished":
            return
    raise Failure(MaxStepsReached, f"{MAX_STEPS} steps were made and t = {solver.t} of {solver.t_bound} was reached.", 0.0)
