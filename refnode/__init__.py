"""refnode: the reference implementation of Neural Ordinary Differential Equations (arXiv 1806.07366 v5) in NumPy.

    import numpy as np, refnode as rn

The public names, by section of the paper.
"""

# Section 2, Appendices B-D: the solve and its gradient
# The engine: NumPy in, derivatives out
from refnode.autodiff.check import check_grads
from refnode.autodiff.compiled.expressions import expressions
from refnode.autodiff.compiled.function import compiled
from refnode.autodiff.debug import debug_nans
from refnode.autodiff.transforms import differentiable, grad, hvp, jacobian, jvp, pullback, value_and_grad
from refnode.errors import (
    EventError,
    MaxStepsReached,
    NonFiniteDynamics,
    ReconstructionError,
    ReconstructionWarning,
    SolverError,
    StepSizeUnderflow,
    TraceError,
)

# Section 4, Appendix A: continuous normalizing flows
from refnode.flows.change_of_variables import change_of_variables
from refnode.flows.cnf import CNF
from refnode.flows.distributions import normal, standard_normal
from refnode.flows.traces import hutchinson, value_and_trace, with_trace
from refnode.gradients.adjoint import adjoint, full_adjoint
from refnode.gradients.dynamics import DynamicsReport, check_dynamics
from refnode.gradients.events import odeint_event
from refnode.gradients.report import GradientReport, gradient_report
from refnode.gradients.select import ODESolve, Stepper, odeint, solve
from refnode.ode.events import Event
from refnode.ode.independent import RowsSolution
from refnode.ode.interpolate import Interpolant, interpolate
from refnode.ode.scipy_api import solve_ivp
from refnode.ode.solution import Solution, SolveStats, Stats
from refnode.version import __version__

__all__ = [
    "CNF", "DynamicsReport", "Event", "EventError", "GradientReport", "Interpolant", "MaxStepsReached", "NonFiniteDynamics", "ODESolve",
    "ReconstructionError", "ReconstructionWarning", "RowsSolution", "Solution", "SolveStats", "SolverError", "Stats", "StepSizeUnderflow",
    "Stepper", "TraceError", "__version__", "adjoint", "change_of_variables", "check_dynamics", "check_grads", "compiled", "debug_nans",
    "differentiable", "expressions", "full_adjoint", "grad", "gradient_report", "hutchinson", "hvp", "interpolate", "jacobian", "jvp", "normal",
    "odeint", "odeint_event", "pullback", "solve", "solve_ivp", "standard_normal", "value_and_grad", "value_and_trace", "with_trace",
]
