"""Solvers of initial value problems. They know nothing of differentiation: a solver is a numerical method, testable against SciPy alone."""
