"""refnode's gradient="discrete" by a method of order 3: how far the thresholds, which were set with orders 5 to 8, are from it.

    refnode validate --alone --impl tests/validation/low_order.py:Bosh3 --rtol 1e-4,1e-7
"""

from refnode_validation.impls.refnode import Discrete


class Bosh3(Discrete):
    name = "refnode.discrete.bosh3"

    def run(self, case):
        if not case.method and not case.density:
            case.method = "bosh3"
        return super().run(case)
