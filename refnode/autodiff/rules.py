"""The table of derivative formulas: data, no mechanism.

A line of `ELEMENTWISE` or `RULES` gives, for one NumPy function, the vector-Jacobian product for each positional argument:

    function: (lambda g, y, *args, **kwargs: cotangent of args[0], lambda ...: cotangent of args[1], ...)

where y = function(*args, **kwargs) and g is the cotangent of y. The formulas are written in NumPy and are themselves traced, so that higher
derivatives need nothing more. A formula never asks what is traced and never branches on values; it may branch on shapes and on
static arguments. In the place of a formula, None says that the derivative is zero, and a string that there is none, and why.
Arguments beyond the tuple's end are static. A single function instead of the tuple serves any position: it is called with the position first.
The cotangents of ELEMENTWISE rules are summed to the argument's shape by the engine.

A formula receives the arguments in the canonical form that `lowerings` gives them.

Conventions at singular points, which the tests hold to:

- ties in maximum, minimum, fmax, fmin, clip, max, min and ptp share the cotangent equally;
- abs, the norm, hypot and arctan2 have slope 0 where all their arguments are 0;
- x**0 has slope 0, and x**p has slope 0 in p at x = 0;
- where, clip, maximum and minimum mask the cotangent: what is not selected receives exactly 0. But 0 times infinity is NaN: in
  np.where(x > 0, np.sqrt(x), 0) the square root's slope at x = 0 is infinite and the gradient NaN; write
  np.where(x > 0, np.sqrt(np.where(x > 0, x, 1)), 0);
- floor, sign, rounding and comparisons have slope 0; remainder and fmod that of the branch they are on;
- a product with zeros among its factors has its right slope; eigenvectors of equal eigenvalues have none (infinity or NaN);
- cholesky, eigh and eigvalsh read the lower triangle alone, and so does their cotangent.
"""

from __future__ import annotations

from typing import Any

from refnode.autodiff.formulas.elementwise import ELEMENTWISE as ELEMENTWISE
from refnode.autodiff.formulas.linalg import LINALG
from refnode.autodiff.formulas.structure import STRUCTURE

RULES: dict[Any, Any] = {**STRUCTURE, **LINALG}
