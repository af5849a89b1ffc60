"""The authors of the vectors: short Python files with dynamics, inputs, and the reason why each vector exists. catalog.py collects them."""
