// The loop of the protocol (validation/PROTOCOL.md): requests on stdin, answers on stdout. What is left to write is an Implementation.
#pragma once

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "dynamics.hpp"
#include "json.hpp"

struct Refused : std::runtime_error {  // the implementation declines to answer
  using std::runtime_error::runtime_error;
};
struct Unsupported : std::runtime_error {  // the message is the capability that is missing
  using std::runtime_error::runtime_error;
};

struct Case {
  Dynamics dynamics;
  std::vector<double> z0, ts, theta;
  std::vector<std::vector<double>> weights;  // (N, D): the loss is L = sum_i weights[i] . z(ts[i])
  double rtol, atol;
  std::vector<std::string> wants;
  long max_calls, max_steps;  // max_steps is 0 if there is no limit

  explicit Case(const json::Value& data)
      : dynamics(data["dynamics"]), z0(data["z0"].reals()), ts(data["ts"].reals()), theta(data["theta"].reals()),
        rtol(data["rtol"].real()), atol(data["atol"].real()), max_calls(long(data["max_calls"].number)),
        max_steps(long(data["max_steps"].number)) {
    for (const json::Value& row : data["weights"].items) weights.push_back(row.reals());
    for (const json::Value& want : data["wants"].items) wants.push_back(want.text);
    if (data["method"].kind == json::Value::String) throw Unsupported("fixed:" + data["method"].text);
    if (data["dtype"].text != "f64") throw Unsupported(data["dtype"].text);
  }
  bool wants_only_z() const { return wants.size() == 1 && wants[0] == "z"; }
};

struct Answer {
  std::vector<std::vector<double>> z;  // (N, D)
  std::vector<double> dz0, dtheta, dt;
  long nfe = -1;  // as the solver reports it; -1 if it does not
};

struct Implementation {
  std::string introduction;  // the answer to `start`
  virtual Answer solve(Case& c) = 0;
  virtual ~Implementation() = default;
};

inline std::string probe(const json::Value& request) {
  Dynamics dynamics(request["dynamics"]);
  std::string points;
  for (const json::Value& point : request["points"].items) {
    std::vector<double> z = point["z"].reals(), theta = point["theta"].reals(), a = point["a"].reals(), dz(z.size()), az(z.size()),
                        atheta(theta.size());
    dynamics.f(z.data(), point["t"].real(), theta.data(), dz.data());
    dynamics.vjp(z.data(), point["t"].real(), theta.data(), a.data(), az.data(), atheta.data());
    points += (points.empty() ? "" : ",") + ("{\"f\":" + json::text(dz)) + ",\"vjp_z\":" + json::text(az) +
              ",\"vjp_theta\":" + json::text(atheta) + "}";
  }
  return "\"points\":[" + points + "]";
}

inline std::string run(Implementation& mine, const json::Value& request) {
  std::unique_ptr<Case> c;
  const auto told = [&](const char* state, const char* what, const std::exception& e) {
    return std::string("\"") + state + "\":{\"" + what + "\":" + json::text(std::string(e.what())) + "},\"calls\":" +
           std::to_string(c ? c->dynamics.calls : 0);
  };
  try {
    c = std::make_unique<Case>(request["case"]);
    Answer answer = mine.solve(*c);
    std::string results;
    for (const std::string& want : c->wants) {
      std::string value = want == "z" ? json::text(answer.z) : want == "dL/dz0" ? json::text(answer.dz0)
                        : want == "dL/dtheta" ? json::text(answer.dtheta) : want == "dL/dt" ? json::text(answer.dt) : "";
      if (value.empty()) throw Unsupported(want);
      results += (results.empty() ? "" : ",") + json::text(want) + ":" + value;
    }
    std::string stats = answer.nfe < 0 ? "" : ",\"stats\":{\"nfe\":" + std::to_string(answer.nfe) + "}";
    return "\"results\":{" + results + "},\"calls\":" + std::to_string(c->dynamics.calls) + stats;
  } catch (const Unsupported& e) {
    return told("unsupported", "capability", e);
  } catch (const Refused& e) {
    return told("refused", "message", e);
  } catch (const std::exception& e) {
    return told("errored", "message", e);
  }
}

inline int serve(Implementation& mine) {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::string seq = "null", answer;
    try {
      json::Value request = json::read(line);
      const std::string& cmd = request["cmd"].text;
      if (cmd == "stop") return 0;
      if (cmd == "start") {
        std::cout << mine.introduction << std::endl;
        continue;
      }
      seq = request["seq"].kind == json::Value::String ? json::text(request["seq"].text) : request["seq"].text;
      if (cmd != "probe" && cmd != "run") throw std::runtime_error("there is no request " + cmd);
      answer = cmd == "probe" ? probe(request) : run(mine, request);
    } catch (const std::exception& e) {
      answer = "\"errored\":{\"message\":" + json::text(std::string(e.what())) + "}";
    }
    std::cout << "{\"seq\":" << seq << "," << answer << "}" << std::endl;
  }
  return 0;
}
