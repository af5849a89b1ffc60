"""scipy.integrate.solve_ivp: an event at the end of a step is found twice."""

from scipy.integrate import solve_ivp

solution = solve_ivp(lambda t, y: [1.0], (0.0, 1.0), [0.0], events=lambda t, y: t - 0.5, first_step=0.5, max_step=0.5)
got = solution.t_events[0].tolist()
expected = [0.5]  # t - 0.5 has one zero
print("got", got, "expected", expected)
