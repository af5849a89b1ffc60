"""scipy.integrate.solve_ivp: times of events are found to 9e-16 absolutely, which is no digit where times are small."""

import numpy as np
from scipy.integrate import solve_ivp

unit = 1e-15  # of time: a femtosecond in seconds
f = lambda t, y: -y / unit
solution = solve_ivp(f, (0.0, 3 * unit), [1.0], events=lambda t, y: y[0] - 0.5, rtol=1e-9, atol=1e-12)
got = solution.t_events[0][0] / unit
expected = np.log(2.0)  # exp(-t / unit) = 1/2
print("got", got, "expected", expected)
