"""Stiff problems: Robertson, van der Pol with mu = 1000, HIRES, Prothero-Robinson, E5.

Hairer and Wanner II, IV.10; Test Set for IVP Solvers (Bari).

Reading order: catalog.py (what a problem is, and the five), extrapolation.py and reference.py (the values of those without a closed form).
"""
