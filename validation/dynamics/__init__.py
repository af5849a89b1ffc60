"""refnode validate --dynamics MODULE:f: what a user's own right-hand side f(z, t, theta) has to be, checked without an expected value."""
