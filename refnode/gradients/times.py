"""dL/dt_i by definition, the same for all methods that have the states at the observations and a(t_0)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refnode.gradients.algebra import at, dot
from refnode.tree import Tree


def times_cotangent(evaluate: Callable[[Tree, Any, Tree], Tree], states: Sequence[Tree], dLdzs: Tree, times: Any, observed: dict[int, int],
                    sides: dict[int, float], a0: Tree, theta: Tree) -> Any:
    """dL/dt_i = dL/dz(t_i)^T f(z(t_i), t_i, theta), i >= 1;     dL/dt_0 = -a(t_0)^T f(z(t_0), t_0, theta), a(t_0) without dL/dz(t_0).

    evaluate(z, t, theta): f. states, times: at all nodes; observed, sides: which of these are observations, and where f is asked at those that
    are jumps (see `inputs.nodes`). dLdzs: at the observations.
    """
    dLdt = [np.float64(0.0)] * len(observed)
    for node, i in observed.items():
        cotangent = -a0 if i == 0 and not isinstance(a0, (tuple, list, dict)) else at(dLdzs, i)
        dLdt[i] = dot(cotangent, evaluate(states[node], sides.get(node, times[node]), theta))
    return np.stack(dLdt)
