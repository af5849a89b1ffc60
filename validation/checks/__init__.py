"""The checks: which answers are compared with what, and which statements of the paper that tests."""
