"""Test vectors: JSON files with dynamics, dyadic inputs, and expected values as balls that hold the exact ones. README.md has the format.

tasks.py reads them for the suite; families/ authors them; generate.py certifies them; store.py keeps the folder; lint.py checks it;
cli.py is the tool. Nothing here imports refnode.
"""

VERSION = "1.0.0"  # X a vector removed or the format changed, Y vectors added, Z words changed
