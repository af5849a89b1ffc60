// A skeleton for a solver written in C++: it compiles and answers `start` and `probe` as it stands. Yours goes into solve().
//
//     make && refnode validate --alone --cmd ./harness
#include "protocol.hpp"

struct Mine : Implementation {
  Mine() {
    // Declare what solve() does, and it will be asked: "time:backward", "grad:z0", "grad:theta", "grad:t", "stats:nfe", "max_steps".
    introduction = R"({"protocol":1,"implementation":{"name":"mine","version":"0.1","language":"c++"},)"
                   R"("capabilities":["values"],"mode":"none","interpolates":false})";
  }

  // c.z0 (D), c.ts (N), c.theta (P), c.weights (N, D), c.rtol, c.atol.
  Answer solve(Case& c) override {
    Answer answer;
    for (size_t i = 1; i < c.ts.size(); ++i)
      if (!((c.ts[i] - c.ts[i - 1]) * (c.ts.back() - c.ts[0]) >= 0)) throw Refused("the times neither increase nor decrease throughout");
    answer.z.push_back(c.z0);
    for (size_t i = 1; i < c.ts.size(); ++i) {
      std::vector<double> z = answer.z.back(), dz(z.size());
      c.dynamics.f(z.data(), c.ts[i - 1], c.theta.data(), dz.data());  // f(z, t, theta); vjp() gives a^T df/dz and a^T df/dtheta

      // ---- your solver: from z at c.ts[i - 1] to z at c.ts[i] --------------------------------------------------------------
      //
      // std::vector<double> z1 = mylibrary::solve(
      //     [&](double t, const double* z, double* dz) { c.dynamics.f(z, t, c.theta.data(), dz); },
      //     c.ts[i - 1], c.ts[i], z, c.rtol, c.atol);
      // if (c.dynamics.calls > c.max_calls) throw Refused("too many evaluations");
      // answer.z.push_back(z1);
      //
      // Gradients, if you declare them: answer.dz0 (D), answer.dtheta (P), answer.dt (N).
      // An answer that does not exist: throw Refused("why"). Anything else that is thrown is reported as an error.
      // ------------------------------------------------------------------------------------------------------------------------
      throw std::runtime_error("there is no solver here yet: see solve() in harness.cpp");
    }
    return answer;
  }
};

int main() {
  Mine mine;
  return serve(mine);
}
