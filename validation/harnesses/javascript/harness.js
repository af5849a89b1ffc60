// odex, Hairer and Wanner's extrapolation method ODEX in JavaScript, behind the protocol of validation/PROTOCOL.md: solutions, no gradients.
//
//     npm ci && refnode validate --alone --cmd "node harness.js"
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { dynamics } from "./dynamics.js";

const require = createRequire(import.meta.url);
const { Outcome, Solver } = require("odex");

const START = {
  protocol: 1,
  implementation: {
    name: "odex",
    version: require("odex/package.json").version,
    language: "javascript",
    language_version: process.version,
    source: "https://github.com/littleredcomputer/odex-js",
  },
  capabilities: ["values", "time:backward", "stats:nfe", "max_steps"],
  mode: "none",
  interpolates: true,
};

function probe({ dynamics: data, points }) {
  const f = dynamics(data);
  return { points: points.map(({ z, t, theta }) => ({ f: plain(f(z.map(number), number(t), theta.map(number))) })) };
}

function run({ case: asked }) {
  const f = dynamics(asked.dynamics), theta = asked.theta.map(number);
  const z0 = asked.z0.map(number), ts = asked.ts.map(number), [t0, t1] = [ts[0], ts[ts.length - 1]];
  let calls = 0;
  const rhs = (t, z) => {
    if (++calls > asked.max_calls) throw new Error("too many evaluations");
    return f(z, t, theta);
  };
  if (asked.method || asked.dtype !== "f64") return { unsupported: { capability: asked.method ? `fixed:${asked.method}` : asked.dtype } };
  const monotone = ts.every((t, i) => i === 0 || (t - ts[i - 1]) * (t1 - t0) >= 0);
  if (!monotone) return { refused: { message: "the times neither increase nor decrease" } };

  const solver = new Solver(z0.length), zs = ts.map((t) => (t === t0 ? z0 : null));
  Object.assign(solver, { relativeTolerance: number(asked.rtol), absoluteTolerance: number(asked.atol), denseOutput: true });
  if (asked.max_steps) solver.maxSteps = asked.max_steps;
  const observe = (step, from, to, z, dense) => {
    ts.forEach((t, i) => {
      if (zs[i] === null && t !== t1 && (t - from) * (to - t) >= 0) zs[i] = z.map((_, c) => dense(c, t));
    });
  };
  let end = { y: z0, outcome: Outcome.Converged, nEval: 0 };
  try {
    if (t1 !== t0) end = solver.solve(rhs, t0, z0, t1, observe);
  } catch (error) {
    return { errored: { message: String(error.message) }, calls };
  }
  if (end.outcome !== Outcome.Converged) return { refused: { message: `odex: ${Outcome[end.outcome]}` }, calls };
  // The last step may end a rounding before t1, and end.y is the state there.
  return { results: { z: zs.map((z) => plain(z ?? end.y)) }, calls, stats: { nfe: end.nEval } };
}

// A number of a request: Number() knows all but the infinite ones.
function number(word) {
  return word === "INF" ? Infinity : word === "-INF" ? -Infinity : Number(word);
}

// Numbers of an answer: JSON has all digits of a double, but nothing that is not finite.
function plain(xs) {
  return Array.from(xs, (x) => (Number.isFinite(x) ? x : Number.isNaN(x) ? "NaN" : x > 0 ? "INF" : "-INF"));
}

const ANSWERS = { probe, run };
for await (const line of createInterface({ input: process.stdin })) {
  let request = {}, answer;
  try {
    request = JSON.parse(line);
    if (request.cmd === "stop") break;
    if (request.cmd === "start") answer = START;
    else if (!(request.cmd in ANSWERS)) throw new Error(`there is no request ${request.cmd}`);
    else answer = { seq: request.seq, ...ANSWERS[request.cmd](request) };
  } catch (error) {
    answer = { seq: request.seq ?? null, errored: { message: `${error.name}: ${error.message}` } };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
