"""Right-hand sides for `refnode validate --dynamics`: in order, and with one defect each."""
