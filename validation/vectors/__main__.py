"""python -m refnode_validation.vectors: the tool."""

import sys

from .cli import main

sys.exit(main(sys.argv[1:]))
