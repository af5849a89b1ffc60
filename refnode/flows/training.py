"""Training of flows: losses as functions of (theta, rng), steps of an optimiser, and checkpoints that go on to the same bits.

    loss = maximum_likelihood(flow, rows(x, 256))
    state = last(tqdm(train(loss, start(theta, seed=0), 1000, learning_rate=1e-3), total=1000))

A state holds all that the next step depends on. `saved_training` is `train` with a file: interrupted and called again, it goes on where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from refnode.autodiff.transforms import value_and_grad
from refnode.flows.cnf import CNF
from refnode.flows.regularisers import Cost, change_of_variables_and_costs
from refnode.models.optimisers import adam_init, adam_step, clipped
from refnode.ode.arguments import whole_number
from refnode.tree import Tree, leaves, rebuild

Loss = Callable[[Tree, np.random.Generator], Any]
Weighted = tuple[tuple[float, Cost], ...]
Rate = float | Callable[[int], float]


# the losses

def maximum_likelihood(flow: CNF, batches: Callable[[np.random.Generator], np.ndarray], costs: Weighted = ()) -> Loss:
    """The loss -(1/n) sum_i log p(x_i) + sum_k lambda_k (1/n) sum_i R_k(x_i), over the batch x = batches(rng).

    batches: a function, as `rows(x, n)` makes one of an array. costs: ((lambda_1, cost_1), ...), of `refnode.flows.regularisers`; R_k is the
    integral of cost_k along the trajectory that ends in x_i. It is added to the loss, never to log p.
    Paper: sec. 4.1, maximum likelihood. Statement: S47
    """
    def loss(theta: Tree, rng: np.random.Generator) -> Any:
        x = batches(rng)
        if not costs:
            return -np.mean(flow.log_prob(theta, x, rng=rng))
        z0, change, totals = change_of_variables_and_costs(x, 0.0, flow.f, flow.t1, flow.t0, theta, tuple(cost for _, cost in costs),
                                                           trace=flow.trace, rng=rng, **flow.solver)
        return -np.mean(flow.base.log_prob(z0) - change) + weighted_sum(costs, totals)

    return loss


def density_matching(flow: CNF, U: Callable[[Any], Any], n: int, costs: Weighted = ()) -> Loss:
    """The loss E_q[log q(x) + U(x)] = KL(q || p) - log Z for p = e^{-U} / Z, as the mean over n samples of the flow; costs as above.

    U: the energy of points (n, D), (n,), in traceable NumPy. Z need not be known. Paper: sec. 4.1, density matching. Statement: S46
    """
    n = whole_number("n", n)

    def loss(theta: Tree, rng: np.random.Generator) -> Any:
        if not costs:
            x, log_q = flow.sample_and_log_prob(theta, rng, n)
            return np.mean(log_q + U(x))
        z0 = flow.base.sample(rng, n)
        x, log_q, totals = change_of_variables_and_costs(z0, flow.base.log_prob(z0), flow.f, flow.t0, flow.t1, theta,
                                                         tuple(cost for _, cost in costs), trace=flow.trace, rng=rng, **flow.solver)
        return np.mean(log_q + U(x)) + weighted_sum(costs, totals)

    return loss


def weighted_sum(costs: Weighted, totals: tuple[Any, ...]) -> Any:
    return sum(weight * np.mean(total) for (weight, _), total in zip(costs, totals, strict=True))


def rows(x: Any, n: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Minibatches: n rows of x, drawn independently, each time anew from the generator that is given."""
    x, n = np.asarray(x, float), whole_number("n", n)
    return lambda rng: x[rng.integers(0, len(x), n)]


# the steps

class State(NamedTuple):
    """What the next step depends on: parameters, the optimiser's state, the state of the generator (a dict); and the losses so far (k,)."""

    theta: Tree
    optimiser: Any
    rng: Any
    losses: np.ndarray


def start(theta: Tree, seed: int, init: Callable[[Tree], Any] = adam_init) -> State:
    """The state before the first step. init: that of the optimiser, `adam_init` or `rmsprop_init`."""
    return State(theta, init(theta), np.random.default_rng(seed).bit_generator.state, np.zeros(0))


def train(loss: Loss, state: State, steps: int, *, learning_rate: Rate = 1e-3, step: Callable[..., Any] = adam_step,
          longest: float = np.inf) -> Iterator[State]:
    """The state after each step, until there have been `steps` of them, those before `state` counted.

    learning_rate: a number, or a function of the number of steps taken. step: `adam_step` or `rmsprop_step`, as `start` was told.
    longest: gradients that are longer are shortened to it. A loss that is not finite raises ValueError, and says at which step.
    """
    gradient_of = value_and_grad(lambda theta, rng: loss(theta, rng))
    for k in range(len(state.losses), whole_number("steps", steps)):
        rng = generator_at(state.rng)
        value, gradient = gradient_of(state.theta, rng)
        if not np.isfinite(value):
            raise ValueError(f"the loss is {value} at step {k}; a smaller learning_rate or a bound on the gradient (longest) may help.")
        rate = learning_rate(k) if callable(learning_rate) else learning_rate
        theta, optimiser = step(state.theta, clipped(gradient, longest), state.optimiser, rate)
        state = State(theta, optimiser, rng.bit_generator.state, np.append(state.losses, value))
        yield state


def last(states: Iterable[State]) -> State:
    """The last of the states: trains to the end."""
    for state in states:  # noqa: B007  (the last one is what is wanted)
        pass
    return state


def generator_at(state: Any) -> np.random.Generator:
    rng = np.random.Generator(np.random.PCG64(0))
    rng.bit_generator.state = state
    return rng


# checkpoints

def saved_training(path: str | os.PathLike[str], loss: Loss, state: State, steps: int, *, every: int = 100, **keywords: Any) -> Iterator[State]:
    """As `train`, from what is stored at `path` if there is such a file, else from `state`; stored again after each `every` steps and at the end.

    What follows has the same bits as if there had been no interruption. Yields at least once, also where all steps were already taken.
    """
    if Path(path).exists():
        state = load(path, state)
    if len(state.losses) >= steps:
        yield state
        return
    for after in train(loss, state, steps, **keywords):
        if len(after.losses) % every == 0 or len(after.losses) == steps:
            save(path, after)
        yield after


def save(path: str | os.PathLike[str], state: State) -> None:
    """The state as an npz file; a file that was there is replaced when the new one is complete."""
    arrays = {f"leaf_{i}": np.asarray(leaf) for i, leaf in enumerate(leaves((state.theta, state.optimiser)))}
    unfinished = Path(f"{os.fspath(path)}.unfinished")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, losses=state.losses, rng=np.array(json.dumps(state.rng)), **arrays)
    unfinished.replace(path)


def load(path: str | os.PathLike[str], like: State) -> State:
    """The state that was saved. like: one of the same structure and shapes, such as that from which training began."""
    with np.load(path, allow_pickle=False) as file:
        found = [file[name] for name in sorted((n for n in file.files if n.startswith("leaf_")), key=lambda name: int(name[5:]))]
        losses, rng = file["losses"], json.loads(str(file["rng"]))
    expected = leaves((like.theta, like.optimiser))
    if [np.shape(leaf) for leaf in expected] != [leaf.shape for leaf in found]:
        raise ValueError(f"{os.fspath(path)} holds a state of other parameters or of another optimiser; remove it, or give what it belongs to.")
    back = (leaf if isinstance(old, np.ndarray) else type(old)(leaf[()]) for old, leaf in zip(expected, found, strict=True))
    theta, optimiser = rebuild((like.theta, like.optimiser), back)
    return State(theta, optimiser, rng, losses)
