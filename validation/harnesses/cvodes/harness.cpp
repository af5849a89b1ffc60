// SUNDIALS CVODES behind the protocol: forward solves, and gradients by its own adjoint sensitivity analysis (CVodeF, CVodeB, quadratures).
//
//     ./harness adams               Adams's methods of orders 1 to 12, functional iteration
//     ./harness bdf                 backward differentiation formulas of orders 1 to 5, Newton's method with dense exact Jacobians
//     ./harness adams polynomial    z between the stored steps by CV_POLYNOMIAL instead of CV_HERMITE
//
// For L = sum_i g_i . z(t_i) the backward problem starts at the last time with a = g_N. It is started again at each observation before, with the
// jump a += g_i; the integral dL/dtheta = int a^T df/dtheta dt goes on as it stands. The time gradients are g_i . f(z_i, t_i), and -a . f at t_0.
#include <cvodes/cvodes.h>
#include <nvector/nvector_serial.h>
#include <sundials/sundials_version.h>
#include <sunlinsol/sunlinsol_dense.h>
#include <sunmatrix/sunmatrix_dense.h>
#include <sunnonlinsol/sunnonlinsol_fixedpoint.h>

#include <algorithm>
#include <numeric>

#include "../cpp/protocol.hpp"

namespace {

const long CHECKPOINT = 250;     // steps between two checkpoints
const long MAX_STEPS = 20'000;  // between two output times; CVODE's own 500 are too few at rtol 1e-10

void check(int flag, const char* function) {
  if (flag >= 0) return;
  char* name = CVodeGetReturnFlagName(flag);
  std::string message = std::string(function) + " returned " + name;
  free(name);
  throw Refused(message);
}

double* data(N_Vector v) { return N_VGetArrayPointer(v); }
bool finite(const double* x, int n) { return std::all_of(x, x + n, [](double y) { return std::isfinite(y); }); }
double dot(const std::vector<double>& x, const std::vector<double>& y) { return std::inner_product(x.begin(), x.end(), y.begin(), 0.0); }

// What CVODES calls. 0: done; 1: try a smaller step; -1: give up.
int f(sunrealtype t, N_Vector z, N_Vector dz, void* user) {
  Case& c = *static_cast<Case*>(user);
  c.dynamics.f(data(z), t, c.theta.data(), data(dz));
  return c.dynamics.calls > c.max_calls ? -1 : !finite(data(dz), c.dynamics.dim);
}

int f_backward(sunrealtype t, N_Vector z, N_Vector a, N_Vector da, void* user) {  // da/dt = -a^T df/dz
  Case& c = *static_cast<Case*>(user);
  c.dynamics.vjp(data(z), t, c.theta.data(), data(a), data(da), nullptr);
  N_VScale(-1.0, da, da);
  return !finite(data(da), c.dynamics.dim);
}

int f_quadrature(sunrealtype t, N_Vector z, N_Vector a, N_Vector dq, void* user) {  // -a^T df/dtheta, integrated from later to earlier times
  Case& c = *static_cast<Case*>(user);
  c.dynamics.vjp(data(z), t, c.theta.data(), data(a), nullptr, data(dq));
  N_VScale(-1.0, dq, dq);
  return !finite(data(dq), c.dynamics.params);
}

int jacobian(sunrealtype t, N_Vector z, N_Vector, SUNMatrix J, void* user, N_Vector, N_Vector, N_Vector) {  // row i is e_i^T df/dz
  Case& c = *static_cast<Case*>(user);
  const int D = c.dynamics.dim;
  std::vector<double> e(D), row(D);
  for (int i = 0; i < D; ++i) {
    std::fill(e.begin(), e.end(), 0.0);
    e[i] = 1;
    c.dynamics.vjp(data(z), t, c.theta.data(), e.data(), row.data(), nullptr);
    for (int j = 0; j < D; ++j) SM_ELEMENT_D(J, i, j) = row[j];
  }
  return 0;
}

int jacobian_backward(sunrealtype t, N_Vector z, N_Vector, N_Vector, SUNMatrix J, void* user, N_Vector, N_Vector, N_Vector) {  // -(df/dz)^T
  Case& c = *static_cast<Case*>(user);
  const int D = c.dynamics.dim;
  std::vector<double> e(D), row(D);
  for (int i = 0; i < D; ++i) {
    std::fill(e.begin(), e.end(), 0.0);
    e[i] = 1;
    c.dynamics.vjp(data(z), t, c.theta.data(), e.data(), row.data(), nullptr);
    for (int j = 0; j < D; ++j) SM_ELEMENT_D(J, j, i) = -row[j];
  }
  return 0;
}

// The memory of one solve, freed when it goes.
struct Solver {
  SUNContext context = nullptr;
  void* cvode = nullptr;
  std::vector<N_Vector> vectors;
  std::vector<SUNMatrix> matrices;
  std::vector<SUNLinearSolver> linear;
  std::vector<SUNNonlinearSolver> nonlinear;

  Solver() {
#if SUNDIALS_VERSION_MAJOR >= 7
    SUNContext_Create(SUN_COMM_NULL, &context);
#else
    SUNContext_Create(nullptr, &context);
#endif
  }
  ~Solver() {
    if (cvode) CVodeFree(&cvode);
    for (auto s : nonlinear) SUNNonlinSolFree(s);
    for (auto s : linear) SUNLinSolFree(s);
    for (auto m : matrices) SUNMatDestroy(m);
    for (auto v : vectors) N_VDestroy(v);
    SUNContext_Free(&context);
  }
  N_Vector vector(const std::vector<double>& x) {
    vectors.push_back(N_VNew_Serial(sunindextype(x.size()), context));
    std::copy(x.begin(), x.end(), data(vectors.back()));
    return vectors.back();
  }
  SUNNonlinearSolver iteration(N_Vector y) {
    nonlinear.push_back(SUNNonlinSol_FixedPoint(y, 0, context));
    return nonlinear.back();
  }
  SUNMatrix matrix(int D) {
    matrices.push_back(SUNDenseMatrix(D, D, context));
    return matrices.back();
  }
  SUNLinearSolver dense(N_Vector y, SUNMatrix J) {
    linear.push_back(SUNLinSol_Dense(y, J, context));
    return linear.back();
  }
};

struct Cvodes : Implementation {
  int method, interpolation;

  Cvodes(const std::string& name, int method, int interpolation) : method(method), interpolation(interpolation) {
    char version[32];
    SUNDIALSGetVersion(version, sizeof version);
    introduction = "{\"protocol\":1,\"implementation\":{\"name\":" + json::text(name) + ",\"version\":" +
                   json::text(std::string(version)) + ",\"language\":\"c++\",\"homepage\":\"https://computing.llnl.gov/projects/sundials\"}," +
                   "\"capabilities\":[\"values\",\"time:backward\",\"grad:z0\",\"grad:theta\",\"grad:t\",\"stats:nfe\",\"max_steps\"]," +
                   "\"mode\":\"direct\",\"interpolates\":true}";
  }

  Answer solve(Case& c) override {
    const int D = c.dynamics.dim, N = int(c.ts.size());
    const bool gradients = !c.wants_only_z();
    for (int i = 1; i < N; ++i)
      if (!((c.ts[i] - c.ts[i - 1]) * (c.ts[N - 1] - c.ts[0]) >= 0)) throw Refused("the times neither increase nor decrease");
    Solver s;
    Answer answer;
    answer.z.assign(N, c.z0);
    answer.nfe = 0;
    if (c.ts[N - 1] != c.ts[0]) forward(s, c, answer, gradients);
    if (!gradients) return answer;

    // Backward from observation to observation.
    std::vector<double> a = c.weights[N - 1], q(c.theta.size(), 0.0), dz(D);
    answer.dt.assign(N, 0.0);
    Backward back(s, c, method);
    for (int i = N - 1; i > 0; --i) {
      c.dynamics.f(answer.z[i].data(), c.ts[i], c.theta.data(), dz.data());
      answer.dt[i] = dot(c.weights[i], dz);
      if (c.ts[i] != c.ts[i - 1]) back.solve(c.ts[i], c.ts[i - 1], a, q);
      if (i == 1) {
        c.dynamics.f(c.z0.data(), c.ts[0], c.theta.data(), dz.data());
        answer.dt[0] = -dot(a, dz);
      }
      for (int j = 0; j < D; ++j) a[j] += c.weights[i - 1][j];
    }
    answer.dz0 = a;
    answer.dtheta = q;
    return answer;
  }

  void forward(Solver& s, Case& c, Answer& answer, bool gradients) {
    const int D = c.dynamics.dim, N = int(c.ts.size());
    N_Vector z = s.vector(c.z0);
    s.cvode = CVodeCreate(method, s.context);
    check(CVodeInit(s.cvode, f, c.ts[0], z), "CVodeInit");
    check(CVodeSStolerances(s.cvode, c.rtol, c.atol), "CVodeSStolerances");
    check(CVodeSetUserData(s.cvode, &c), "CVodeSetUserData");
    if (method == CV_ADAMS) {
      check(CVodeSetNonlinearSolver(s.cvode, s.iteration(z)), "CVodeSetNonlinearSolver");
    } else {
      SUNMatrix J = s.matrix(D);
      check(CVodeSetLinearSolver(s.cvode, s.dense(z, J), J), "CVodeSetLinearSolver");
      check(CVodeSetJacFn(s.cvode, jacobian), "CVodeSetJacFn");
    }
    if (gradients) check(CVodeAdjInit(s.cvode, CHECKPOINT, interpolation), "CVodeAdjInit");
    for (int i = 1; i < N; ++i) {
      if (c.ts[i] != c.ts[i - 1]) {
        long steps = 0;
        sunrealtype t;
        int checkpoints;
        CVodeGetNumSteps(s.cvode, &steps);
        if (c.max_steps && steps >= c.max_steps) throw Refused("more steps than max_steps");
        check(CVodeSetMaxNumSteps(s.cvode, c.max_steps ? c.max_steps - steps : MAX_STEPS), "CVodeSetMaxNumSteps");
        check(gradients ? CVodeF(s.cvode, c.ts[i], z, &t, CV_NORMAL, &checkpoints) : CVode(s.cvode, c.ts[i], z, &t, CV_NORMAL),
              gradients ? "CVodeF" : "CVode");
      }
      answer.z[i].assign(data(z), data(z) + D);
    }
    CVodeGetNumRhsEvals(s.cvode, &answer.nfe);
  }

  // CVODES's backward problem: made at the last time, started again at each observation.
  struct Backward {
    Solver& s;
    Case& c;
    int method, which = -1;
    N_Vector a = nullptr, q = nullptr;

    Backward(Solver& s, Case& c, int method) : s(s), c(c), method(method) {}

    void solve(double from, double to, std::vector<double>& adjoint, std::vector<double>& integral) {
      const bool parameters = !c.theta.empty();
      if (which < 0) make(from, adjoint, integral);
      std::copy(adjoint.begin(), adjoint.end(), data(a));
      check(CVodeReInitB(s.cvode, which, from, a), "CVodeReInitB");
      if (parameters) check(CVodeQuadReInitB(s.cvode, which, q), "CVodeQuadReInitB");
      check(CVodeB(s.cvode, to, CV_NORMAL), "CVodeB");
      sunrealtype t;
      check(CVodeGetB(s.cvode, which, &t, a), "CVodeGetB");
      if (parameters) check(CVodeGetQuadB(s.cvode, which, &t, q), "CVodeGetQuadB");
      adjoint.assign(data(a), data(a) + c.dynamics.dim);
      if (parameters) integral.assign(data(q), data(q) + c.dynamics.params);
    }

    void make(double at, const std::vector<double>& adjoint, const std::vector<double>& integral) {
      a = s.vector(adjoint);
      check(CVodeCreateB(s.cvode, method, &which), "CVodeCreateB");
      check(CVodeInitB(s.cvode, which, f_backward, at, a), "CVodeInitB");
      check(CVodeSStolerancesB(s.cvode, which, c.rtol, c.atol), "CVodeSStolerancesB");
      check(CVodeSetUserDataB(s.cvode, which, &c), "CVodeSetUserDataB");
      check(CVodeSetMaxNumStepsB(s.cvode, which, MAX_STEPS), "CVodeSetMaxNumStepsB");
      if (method == CV_ADAMS) {
        check(CVodeSetNonlinearSolverB(s.cvode, which, s.iteration(a)), "CVodeSetNonlinearSolverB");
      } else {
        SUNMatrix J = s.matrix(c.dynamics.dim);
        check(CVodeSetLinearSolverB(s.cvode, which, s.dense(a, J), J), "CVodeSetLinearSolverB");
        check(CVodeSetJacFnB(s.cvode, which, jacobian_backward), "CVodeSetJacFnB");
      }
      if (integral.empty()) return;
      q = s.vector(integral);
      check(CVodeQuadInitB(s.cvode, which, f_quadrature, q), "CVodeQuadInitB");
      check(CVodeQuadSStolerancesB(s.cvode, which, c.rtol, c.atol), "CVodeQuadSStolerancesB");
      check(CVodeSetQuadErrConB(s.cvode, which, SUNTRUE), "CVodeSetQuadErrConB");
    }
  };
};

}  // namespace

int main(int argc, char** argv) {
  const std::string method = argc > 1 ? argv[1] : "adams", interpolation = argc > 2 ? argv[2] : "hermite";
  if (argc > 3 || (method != "adams" && method != "bdf") || (interpolation != "hermite" && interpolation != "polynomial")) {
    std::cerr << "usage: harness [adams|bdf] [hermite|polynomial]\n";
    return 2;
  }
  const bool polynomial = interpolation == "polynomial";
  Cvodes cvodes("cvodes." + method + (polynomial ? ".polynomial" : ""), method == "bdf" ? CV_BDF : CV_ADAMS,
                polynomial ? CV_POLYNOMIAL : CV_HERMITE);
  return serve(cvodes);
}
