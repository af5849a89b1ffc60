"""diffrax: the time of a boolean event is the end of a step, and its gradients are zero."""

import diffrax
import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)
f = diffrax.ODETerm(lambda t, y, a: a)
event = diffrax.Event(lambda t, y, args, **kwargs: y > 1.0)
time = lambda a: diffrax.diffeqsolve(f, diffrax.Tsit5(), 0.0, 10.0, 0.2, jnp.array(0.0), a, event=event).ts[0]
got = [time(2.0).item(), jax.grad(time)(2.0).item()]
expected = [0.5, -0.25]  # y(t) = a t is 1 at t = 1 / a
print("got", got, "expected", expected)
