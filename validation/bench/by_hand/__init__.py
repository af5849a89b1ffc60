"""Gradients written by hand in NumPy, one workload at a time: the bar that a compiler has to reach. Nothing here is general."""
