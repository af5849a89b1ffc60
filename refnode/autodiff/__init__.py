"""Reverse-mode differentiation of NumPy itself. It knows nothing of differential equations."""
