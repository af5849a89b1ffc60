"""A step of ours as SciPy's `DenseOutput`. In a file of its own: it imports SciPy, which `import refnode` must not."""

from __future__ import annotations

import numpy as np
from scipy.integrate import DenseOutput

from refnode.ode.stepping import Step


class StepOutput(DenseOutput):
    """The interpolant of a kept step: times () -> (n,), times (m,) -> (n, m). At the end of the step it is the state itself."""

    def __init__(self, step: Step):
        super().__init__(step.t, step.t1)
        self.step = step

    def _call_impl(self, t: np.ndarray) -> np.ndarray:
        return self.step(t[np.newaxis])[0] if t.ndim == 0 else self.step(t).T
