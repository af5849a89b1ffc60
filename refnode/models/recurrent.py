"""Recurrent networks as scans: the recognition network of the latent ODE, and the RNN that the paper compares it with.

A batch of irregular series is times (n, B), values (n, B, D) and mask (n, B): row i holds the i-th observation of each series, in the order of
time; where the mask is False there is none, and what stands there has no influence.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refnode.ode.arguments import whole_number


class RNN(NamedTuple):
    """The parameters of a recurrent network: of the hidden state, W_x (D, H), W_h (H, H), b (H,); of the output, W_o (H, O), b_o (O,)."""

    W_x: Any
    W_h: Any
    b: Any
    W_o: Any
    b_o: Any


def rnn_init(rng: np.random.Generator, inputs: int, hidden: int, outputs: int) -> RNN:
    """Normal weights of variance 1 / fan-in for the inputs and the output, an orthogonal W_h, biases 0. The hidden state starts at 0."""
    for name, size in (("inputs", inputs), ("hidden", hidden), ("outputs", outputs)):
        whole_number(name, size)
    Q, R = np.linalg.qr(rng.normal(size=(hidden, hidden)))
    return RNN(rng.normal(size=(inputs, hidden)) / np.sqrt(inputs), Q * np.sign(np.diag(R)), np.zeros(hidden),
               rng.normal(size=(hidden, outputs)) / np.sqrt(hidden), np.zeros(outputs))


def rnn_step(h: Any, x: Any, theta: RNN) -> Any:
    """h = tanh(x W_x + h W_h + b): x (..., D), h (..., H)."""
    return np.tanh(x @ theta.W_x + h @ theta.W_h + theta.b)


def rnn_output(h: Any, theta: RNN) -> Any:
    """h W_o + b_o: (..., H) to (..., O)."""
    return h @ theta.W_o + theta.b_o


def gaps(times: Any, mask: Any, t0: float) -> Any:
    """The time since the observation before, or since t0 for the first: (n, B); 0 where there is no observation.

    times: (n, B), increasing along each series from t0 on, where the mask (n, B) is True.
    """
    times, given = np.asarray(times, float), np.asarray(mask)
    if times.ndim != 2 or given.shape != times.shape:
        raise ValueError(f"times and mask must both have a shape (n, B), of n times and B series; they have {times.shape} and {given.shape}.")
    if not np.all((given == 0) | (given == 1)):
        raise ValueError(f"a mask holds True and False, not {given.flat[np.argmax((given != 0) & (given != 1))]!r}.")
    mask = given.astype(bool)
    before = np.maximum.accumulate(np.concatenate([np.full((1, *times.shape[1:]), t0), np.where(mask, times, t0)]), axis=0)[:-1]
    between = np.where(mask, times - before, 0.0)
    if not np.all(between >= 0):
        raise ValueError(f"the times of a series must be finite and increase from t0 = {t0} on; there is a step of {between.min():.3g}.")
    return between


def recognise(values: Any, between: Any, mask: Any, theta: RNN) -> tuple[Any, Any]:
    """Mean and log-variance of q(z(t0) | x_1, ..., x_n) = N(mean, diag exp(log_variance)), (B, L) each: the output of an RNN that reads backwards.

        h_n = step(0, [x_n, t_n - t_{n-1}]),   h_i = step(h_{i+1}, [x_i, t_i - t_{i-1}]),   [mean, log_variance] = output(h_1)

    The last observation is consumed first. Its time difference leads to the observation that is consumed next, the one of x_1 to t0, so that
    all times are known. values: (n, B, D); between: (n, B), `gaps`; mask: (n, B): h stays where it is False. theta: `rnn_init` with D + 1
    inputs and 2 L outputs. To be compiled as it is: `rn.compiled(recognise)`.
    Paper: App. E, eq. (53). Statement: S58
    """
    inputs = np.concatenate([np.where(mask[..., None], values, 0.0), between[..., None]], axis=-1)
    h = np.zeros_like(inputs[0, :, :1] @ theta.W_x[:1])
    for i in range(len(inputs) - 1, -1, -1):
        h = np.where(mask[i][:, None], rnn_step(h, inputs[i], theta), h)
    out = rnn_output(h, theta)
    L = out.shape[-1] // 2
    return out[:, :L], out[:, L:]


def predict_next(inputs: Any, theta: RNN) -> Any:
    """What an RNN expects after each of its inputs: outputs (n, B, O) for inputs (n, B, D), the i-th from the inputs up to the i-th.

    Paper: sec. 5.1, the baseline
    """
    h, out = np.zeros_like(inputs[0, :, :1] @ theta.W_x[:1]), []
    for x in inputs:
        h = rnn_step(h, x, theta)
        out.append(rnn_output(h, theta))
    return np.stack(out)
