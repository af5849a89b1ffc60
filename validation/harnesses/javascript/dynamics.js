// f(z, t, theta) as data: the language of dynamics (validation/PROTOCOL.md), as a function of JavaScript.

const UNARY = {
  neg: (x) => -x, tanh: Math.tanh, sin: Math.sin, cos: Math.cos, exp: Math.exp, log: Math.log, sqrt: Math.sqrt,
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  sigmoid: (x) => Math.exp(-UNARY.softplus(-x)),
  relu: (x) => Math.max(x, 0),
};
const BINARY = { add: (x, y) => x + y, mul: (x, y) => x * y, sub: (x, y) => x - y, div: (x, y) => x / y };

// f(z, t, theta): an array of dz_i/dt.
export function dynamics({ let: shared, rhs }) {
  const lets = shared.map(compiled), outputs = rhs.map(compiled);
  return (z, t, theta) => {
    const at = { z, t, theta, let: [] };
    for (const e of lets) at.let.push(e(at));
    return outputs.map((e) => e(at));
  };
}

function compiled(e) {
  if (typeof e === "string") {
    const value = Number(e);
    return () => value;
  }
  const [head, ...operands] = e;
  if (head === "t") return (at) => at.t;
  if (head === "z" || head === "theta" || head === "let") return (at) => at[head][operands[0]];
  if (head === "pow") {
    const x = compiled(operands[0]);
    return (at) => power(x(at), operands[1]);
  }
  if (head in UNARY) {
    const f = UNARY[head], x = compiled(operands[0]);
    return (at) => f(x(at));
  }
  if (!(head in BINARY)) throw new Error(`no such operation: ${head}`);
  const f = BINARY[head];
  return operands.map(compiled).reduce((x, y) => (at) => f(x(at), y(at)));
}

function power(x, n) {
  return n === 0 ? 1 : n % 2 ? x * power(x, n - 1) : power(x * x, n / 2);
}
