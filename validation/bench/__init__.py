"""refnode bench: what a gradient costs, in refnode, in other libraries, and written by hand."""
