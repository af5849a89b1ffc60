"""The formulas by family, gathered in the tables of rules.py and lowerings.py."""
