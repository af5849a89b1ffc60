import sys

from refnode.cli import main

sys.exit(main())
