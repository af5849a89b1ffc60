"""Seeded bugs in refnode: the suite under test."""
