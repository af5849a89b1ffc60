"""The non-stiff DETEST problems of Hull, Enright, Fellen and Sedgwick 1972 (SIAM J. Numer. Anal. 9(4)), in the form of ACM Algorithm 648.

Reading order: problem.py (what a problem is), scalar.py (class A), small.py (B), moderate.py (C), orbits.py (D), second_order.py (E),
catalog.py (all of them), extrapolation.py and reference.py (the values of B1, C5, E2 and E3, which have no closed form).
"""
