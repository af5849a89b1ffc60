"""python -m refnode_validation: the same as `refnode validate`."""

import sys

from .cli import main

sys.exit(main(sys.argv[1:]))
