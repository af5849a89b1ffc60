// f(z, t, theta) as data: the language of dynamics, its values, and its vector-Jacobian products a^T df/dz, a^T df/dtheta.
#pragma once

#include <cmath>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "json.hpp"

class Dynamics {
 public:
  int dim, params;
  long calls = 0;  // of f, by whatever solver

  explicit Dynamics(const json::Value& data) : dim(int(data["dim"].number)), params(int(data["params"].number)) {
    std::vector<int> let;
    for (const json::Value& e : data["let"].items) let.push_back(node(e, let));
    for (const json::Value& e : data["rhs"].items) outputs.push_back(node(e, let));
    if (int(outputs.size()) != dim) throw std::runtime_error("rhs has not dim expressions");
    value.resize(nodes.size());
    slope.resize(nodes.size());
  }

  // dz/dt, (dim); dz must not overlap z.
  void f(const double* z, double t, const double* theta, double* dz) {
    ++calls;
    forward(z, t, theta);
    for (int i = 0; i < dim; ++i) dz[i] = value[outputs[i]];
  }

  // a^T df/dz, (dim), and a^T df/dtheta, (params). Either may be null.
  void vjp(const double* z, double t, const double* theta, const double* a, double* az, double* atheta) {
    forward(z, t, theta);
    std::fill(slope.begin(), slope.end(), 0.0);
    for (int i = 0; i < dim; ++i) slope[outputs[i]] += a[i];
    if (az) std::fill(az, az + dim, 0.0);
    if (atheta) std::fill(atheta, atheta + params, 0.0);
    for (int k = int(nodes.size()) - 1; k >= 0; --k) backward(k, az, atheta);
  }

 private:
  enum Op { Constant, Z, Theta, T, Add, Mul, Sub, Div, Pow, Neg, Tanh, Sin, Cos, Exp, Log, Sqrt, Softplus, Sigmoid, Relu };
  struct Node {
    Op op;
    int x = 0, y = 0;     // operands, by their numbers; of Z and Theta the index, of Pow y is the exponent
    double constant = 0;
  };
  std::vector<Node> nodes;  // operands before what is made of them
  std::vector<int> outputs;
  std::vector<double> value, slope;

  int add(Node n) { nodes.push_back(n); return int(nodes.size()) - 1; }

  int node(const json::Value& e, const std::vector<int>& let) {
    if (e.kind == json::Value::String) return add({Constant, 0, 0, e.real()});
    if (e.items.empty()) throw std::runtime_error("an expression is a string or a list");
    static const std::map<std::string, Op> ops = {
        {"add", Add}, {"mul", Mul}, {"sub", Sub}, {"div", Div}, {"pow", Pow}, {"neg", Neg}, {"tanh", Tanh}, {"sin", Sin}, {"cos", Cos},
        {"exp", Exp}, {"log", Log}, {"sqrt", Sqrt}, {"softplus", Softplus}, {"sigmoid", Sigmoid}, {"relu", Relu}};
    const std::string& head = e.items[0].text;
    if (head == "z" || head == "theta") return add({head == "z" ? Z : Theta, int(e.items.at(1).number)});
    if (head == "t") return add({T});
    if (head == "let") return let.at(int(e.items.at(1).number));
    if (!ops.count(head)) throw std::runtime_error("no such operation: " + head);
    Op op = ops.at(head);
    int x = node(e.items.at(1), let);
    if (op == Pow) return add({Pow, x, int(e.items.at(2).number)});
    for (size_t i = 2; i < e.items.size(); ++i) {
      int y = node(e.items[i], let);
      x = add({op, x, y});
    }
    return e.items.size() > 2 ? x : add({op, x});
  }

  static double softplus(double x) { return std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }
  static double sigmoid(double x) { return std::exp(-softplus(-x)); }
  static double power(double x, int n) { return n == 0 ? 1 : n % 2 ? x * power(x, n - 1) : power(x * x, n / 2); }

  void forward(const double* z, double t, const double* theta) {
    for (size_t k = 0; k < nodes.size(); ++k) {
      const Node& n = nodes[k];
      switch (n.op) {
        case Constant: value[k] = n.constant; break;
        case Z: value[k] = z[n.x]; break;
        case Theta: value[k] = theta[n.x]; break;
        case T: value[k] = t; break;
        case Add: value[k] = value[n.x] + value[n.y]; break;
        case Mul: value[k] = value[n.x] * value[n.y]; break;
        case Sub: value[k] = value[n.x] - value[n.y]; break;
        case Div: value[k] = value[n.x] / value[n.y]; break;
        case Pow: value[k] = power(value[n.x], n.y); break;
        case Neg: value[k] = -value[n.x]; break;
        case Tanh: value[k] = std::tanh(value[n.x]); break;
        case Sin: value[k] = std::sin(value[n.x]); break;
        case Cos: value[k] = std::cos(value[n.x]); break;
        case Exp: value[k] = std::exp(value[n.x]); break;
        case Log: value[k] = std::log(value[n.x]); break;
        case Sqrt: value[k] = std::sqrt(value[n.x]); break;
        case Softplus: value[k] = softplus(value[n.x]); break;
        case Sigmoid: value[k] = sigmoid(value[n.x]); break;
        case Relu: value[k] = value[n.x] > 0 ? value[n.x] : value[n.x] <= 0 ? 0 : NAN; break;
      }
    }
  }

  void backward(int k, double* az, double* atheta) {
    const Node& n = nodes[k];
    const double s = slope[k], y = value[k];
    switch (n.op) {
      case Constant: case T: break;
      case Z: if (az) az[n.x] += s; break;
      case Theta: if (atheta) atheta[n.x] += s; break;
      case Add: slope[n.x] += s; slope[n.y] += s; break;
      case Mul: slope[n.x] += s * value[n.y]; slope[n.y] += s * value[n.x]; break;
      case Sub: slope[n.x] += s; slope[n.y] -= s; break;
      case Div: slope[n.x] += s / value[n.y]; slope[n.y] -= s * y / value[n.y]; break;
      case Pow: slope[n.x] += s * n.y * power(value[n.x], n.y - 1); break;
      case Neg: slope[n.x] -= s; break;
      case Tanh: slope[n.x] += s * (1 - y * y); break;
      case Sin: slope[n.x] += s * std::cos(value[n.x]); break;
      case Cos: slope[n.x] -= s * std::sin(value[n.x]); break;
      case Exp: slope[n.x] += s * y; break;
      case Log: slope[n.x] += s / value[n.x]; break;
      case Sqrt: slope[n.x] += s / (2 * y); break;
      case Softplus: slope[n.x] += s * sigmoid(value[n.x]); break;
      case Sigmoid: slope[n.x] += s * y * (1 - y); break;
      case Relu: slope[n.x] += value[n.x] > 0 ? s : 0; break;
    }
  }
};
