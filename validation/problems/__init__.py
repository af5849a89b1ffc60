"""Closed-form problems: dynamics, exact flows and exact derivatives (Paper notes: problems P01-P14, P24, P27, P28, and P30, which is ours)."""
