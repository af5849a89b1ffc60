"""diffrax: with dtmin, steps of that size are accepted whatever their error is, and the result is "successful"."""

import diffrax
import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)
f = diffrax.ODETerm(lambda t, y, args: -1000 * y)
controller = diffrax.PIDController(rtol=1e-6, atol=1e-6, dtmin=0.01)
solution = diffrax.diffeqsolve(f, diffrax.Tsit5(), 0.0, 0.1, None, jnp.array(1.0), stepsize_controller=controller, throw=False)
got = [bool(solution.result == diffrax.RESULTS.successful), bool(abs(solution.ys[0]) < 1e6)]
expected = [True, True]  # y(0.1) = exp(-100); or not successful
print("got", got, "expected", expected)
