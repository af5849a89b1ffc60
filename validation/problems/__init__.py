"""Closed-form problems: dynamics, exact flows and exact derivatives (P01-P14, P18-P21, P24, P27, P28, P30)."""
