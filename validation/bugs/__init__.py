"""Known bugs of released libraries: their registry (../bugs.json), reproducers (rn_*.py), and the report made from both (../REPORT.md)."""
