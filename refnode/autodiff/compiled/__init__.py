"""compiled(f): a function is traced once, and printed as straight-line NumPy source for f and its pullback; one pass a file."""
