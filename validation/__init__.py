"""The conformance suite of refnode: what "Neural Ordinary Differential Equations" says, as checks for any implementation.

Reading order: problems/ (what is solved, and the exact answers), verdicts.py (how an answer is judged), case.py (what an implementation
is asked), checks/ (which answers are compared with what), relations/ (which with each other), impls/ (the adapters), runner.py (the
loop), report/ (tables and files), cli.py (the command).
Nothing here imports refnode, except impls/refnode.py.
"""

__version__ = "0.1.0"
