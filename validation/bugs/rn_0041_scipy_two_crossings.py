"""scipy.integrate.solve_ivp: two crossings of an event in one step are not found."""

from scipy.integrate import solve_ivp

solution = solve_ivp(lambda t, y: [1.0], (0.0, 10.0), [0.0], events=lambda t, y: (t - 4.0) * (t - 5.0))
got = len(solution.t_events[0])
expected = 2  # crossings, at 4 and 5
print("got", got, "expected", expected)
