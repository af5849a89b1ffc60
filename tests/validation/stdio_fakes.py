"""Implementations behind the protocol that misbehave in one way each: python stdio_fakes.py SYMPTOM

They need nothing but Python's own library, and solve with many steps of Runge and Kutta's method. In one run, that of the loss over four
increasing times at rtol 1e-4, they do what the symptom says; symptoms of "start" and "probe" they have there. See test_protocol.py.
"""

import itertools
import json
import math
import operator
import os
import subprocess
import sys
import time
from functools import reduce

START = {"protocol": 1, "implementation": {"name": "fake", "version": "1.0", "language": "python"}, "mode": "none", "interpolates": False}
CAPABILITIES = ["values", "time:backward"]
STEPS = 40  # between two output times


def main(symptom):
    for line in sys.stdin:
        request = json.loads(line)
        if request["cmd"] == "stop":
            return hang(None) if symptom == "stop: deaf" else None
        said = ANSWERS[request["cmd"]](request)
        place = symptom.partition(":")[0] if ":" in symptom else "run"
        if request["cmd"] == place and (place != "run" or symptom.startswith("always") or is_the_one(request)):
            said = SYMPTOMS[symptom](said)
        if said is not None:
            say(json.dumps(said))


def start(request):
    return {**START, "capabilities": CAPABILITIES}


def probe(request):
    return {"seq": request["seq"], "points": [{"f": function(request["dynamics"])(*numbers(point))} for point in request["points"]]}


def run(request):
    case, calls = request["case"], 0
    theta, ts, z0 = ([float(x) for x in case[name]] for name in ("theta", "ts", "z0"))
    rhs, zs = function(case["dynamics"]), [z0]

    def f(z, t):
        nonlocal calls
        calls += 1
        return rhs(z, t, theta)

    for t0, t1 in itertools.pairwise(ts):
        z, h = zs[-1], (t1 - t0) / STEPS
        for i in range(STEPS):
            t = t0 + i * h
            k1 = f(z, t)
            k2 = f(plus(z, h / 2, k1), t + h / 2)
            k3 = f(plus(z, h / 2, k2), t + h / 2)
            k4 = f(plus(z, h, k3), t + h)
            z = [x + h / 6 * (a + 2 * b + 2 * c + d) for x, a, b, c, d in zip(z, k1, k2, k3, k4, strict=True)]
        zs.append(z)
    return {"seq": request["seq"], "results": {"z": zs}, "calls": calls}


def plus(z, h, k):
    return [x + h * y for x, y in zip(z, k, strict=True)]


def numbers(point):
    return [float(x) for x in point["z"]], float(point["t"]), [float(x) for x in point["theta"]]


def function(dynamics):
    """f(z, t, theta) of the language of dynamics."""

    def f(z, t, theta):
        let = []

        def value(e):
            if not isinstance(e, list):
                return float(e)
            head, operands = e[0], e[1:]
            if head in ("z", "theta", "let"):
                return {"z": z, "theta": theta, "let": let}[head][operands[0]]
            if head == "t":
                return t
            return reduce(OPERATIONS[head], [value(x) for x in operands]) if head in BINARY else OPERATIONS[head](value(operands[0]))

        for e in dynamics["let"]:
            let.append(value(e))
        return [value(e) for e in dynamics["rhs"]]

    return f


BINARY = {"add": operator.add, "mul": operator.mul, "sub": operator.sub, "div": operator.truediv, "pow": operator.pow}
OPERATIONS = BINARY | {
    "neg": operator.neg,
    "softplus": lambda x: math.log1p(math.exp(-abs(x))) + max(x, 0.0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "relu": lambda x: max(x, 0.0),
    **{name: getattr(math, name) for name in ("tanh", "sin", "cos", "exp", "log", "sqrt")},
}
ANSWERS = {"start": start, "probe": probe, "run": run}


def is_the_one(request):
    case = request["case"]
    return float(case["rtol"]) == 1e-4 and float(case["ts"][0]) < float(case["ts"][-1])


def say(line, end="\n"):
    sys.stdout.write(line + end)
    sys.stdout.flush()


def write(data):
    """Bytes as they are, and no answer."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def kill(said):
    print("the last words", file=sys.stderr, flush=True)
    if hasattr(os, "kill") and os.name != "nt":
        os.kill(os.getpid(), 9)
    os._exit(9)


def hang(said):
    print("thinking", file=sys.stderr, flush=True)
    time.sleep(1000)


def half_a_line(said):
    say(json.dumps(said)[:20], end="")
    os._exit(0)


def half_a_line_and_silence(said):
    say(json.dumps(said)[:20], end="")
    time.sleep(1000)


def chatter(said):
    """More than a pipe holds, in the form of the protocol."""
    for _ in range(2000):
        print('{"seq": 1, "errored": {"message": "on stderr"}}' + 1000 * "x", file=sys.stderr)
    return said


def banner(said):
    say("Welcome to the solver!")
    return said


def twice(said):
    say(json.dumps(said))
    return said


def late(said):
    """After the limit: nobody is there."""
    time.sleep(5)
    return said


def close_stdout(said):
    os.close(1)
    time.sleep(1000)


def unread(said):
    """The stream stays open in a process of its own."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
    os._exit(3)


def with_value(value):
    """A raw JSON text in place of z[1][0]."""

    def change(said):
        said["results"]["z"][1][0] = "HERE"
        say(json.dumps(said).replace('"HERE"', value))

    return change


def with_key(place, key, value):
    def change(said):
        (said[place] if place else said)[key] = value
        return said

    return change


def without(key):
    return lambda said: {name: value for name, value in said.items() if name != key}


SYMPTOMS = {
    "none": lambda said: said,
    "stop: deaf": lambda said: said,
    "start: dies": kill,
    "start: hangs": hang,
    "start: says nothing and ends": lambda said: os._exit(0),
    "start: another protocol": lambda said: said | {"protocol": 2},
    "start: not JSON": lambda said: say("ready"),
    "start: unknown key": lambda said: said | {"colour": "blue"},
    "start: unknown capability": lambda said: said | {"capabilities": ["values", "grad:y0"]},
    "start: no values": lambda said: said | {"capabilities": []},
    "start: another mode": lambda said: said | {"mode": "backsolve"},
    "start: no name": lambda said: said | {"implementation": {"version": "1", "language": "x"}},
    "start: declares gradients": lambda said: said | {"capabilities": [*CAPABILITIES, "grad:z0"], "mode": "direct"},
    "probe: wrong f": lambda said: with_key(None, "points", [{"f": [0.0] * 4}] * 2)(said),
    "probe: too few": lambda said: with_key(None, "points", said["points"][:1])(said),
    "probe: wrong vjp": lambda said: with_key(None, "points", [p | {"vjp_z": [0.0] * 4, "vjp_theta": [0] * 3} for p in said["points"]])(said),
    "probe: cannot": lambda said: {"seq": said["seq"], "errored": {"message": "no such operation: relu"}},
    "probe: hangs": hang,
    "kill -9": kill,
    "hangs": hang,
    "10 MB line": lambda said: say(10_000_000 * "x"),
    "invalid UTF-8": lambda said: write(b'{"seq": "\xff\xfe"}\n'),
    "wrong seq": lambda said: said | {"seq": said["seq"] - 1},
    "no seq": without("seq"),
    "half a line": half_a_line,
    "half a line and silence": half_a_line_and_silence,
    "chatter on stderr": chatter,
    "banner on stdout": banner,
    "answers twice": twice,
    "late": late,
    "leaves a process": unread,
    "closes stdout": close_stdout,
    "not an object": lambda said: say("[1, 2]"),
    "empty line": lambda said: say(""),
    "deep": lambda said: say(200_000 * "["),
    "NaN string": with_value('"NaN"'),
    "NaN token": with_value("NaN"),
    "nan string": with_value('"nan"'),
    "null": with_value("null"),
    "true": with_value("true"),
    "INF string": with_value('"-INF"'),
    "hexadecimal": lambda said: with_key("results", "z", [[x.hex() for x in row] for row in said["results"]["z"]])(said),
    "decimal string": with_value('"0.5"'),
    "ragged": lambda said: with_key("results", "z", [*said["results"]["z"][:-1], []])(said),
    "unknown key": with_key(None, "time", 0.1),
    "unknown stat": with_key(None, "stats", {"steps": 3}),
    "unknown result": with_key("results", "dL/dz0", [1.0]),
    "no results": without("results"),
    "no calls": without("calls"),
    "two answers": with_key(None, "refused", {"message": "no"}),
    "refuses": lambda said: {"seq": said["seq"], "refused": {"message": "too stiff for me"}},
    "errs": lambda said: {"seq": said["seq"], "errored": {"message": "IndexError: out of range"}},
    "calls it unsupported": lambda said: {"seq": said["seq"], "unsupported": {"capability": "values"}},
    "too many calls": with_key(None, "calls", 200_001),
    "warns": with_key(None, "warnings", ["RuntimeWarning"]),
    "always dies": kill,
    "always garbled": lambda said: say("what?"),
}

if __name__ == "__main__":
    main(sys.argv[1])
