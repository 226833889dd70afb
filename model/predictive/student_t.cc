#include "model/predictive/student_t.h"

#include <algorithm>
#include <array>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/quadrature/gauss.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <numbers>
#include <vector>

namespace lacuna::model::student_t {
namespace {

// The variance must stay a number, and beyond the upper end nothing changes that can be measured.
constexpr double kFreedomMin = 2 + 1e-3;
constexpr double kFreedomMax = 1e6;
constexpr int kNewtonStepsMax = 100;
// Positions are looked for as middle + scale * sinh(x), |x| up to this: beyond, every tail of more than 2 degrees of freedom is
// below the smallest double.
constexpr double kReach = 400;

// A prediction that is no number gives a result that is none, not an exception. Doubles do: long doubles cost seven times as
// much, and 1e-13 is enough.
namespace policies = boost::math::policies;
using Policy = policies::policy<policies::domain_error<policies::ignore_error>, policies::pole_error<policies::ignore_error>,
                                policies::overflow_error<policies::ignore_error>, policies::underflow_error<policies::ignore_error>,
                                policies::evaluation_error<policies::ignore_error>, policies::promote_double<false>>;

double clamped(double freedom) { return std::clamp(freedom, kFreedomMin, kFreedomMax); }

// B(1/2, a).
double half_beta(double a) { return std::sqrt(std::numbers::pi) * boost::math::tgamma_delta_ratio(a, 0.5, Policy()); }

// log(1 + t^2 / freedom), also where t^2 is no double.
double log_growth(double freedom, double t) {
  const double r = std::abs(t) / std::sqrt(freedom);
  return r < 1e8 ? std::log1p(r * r) : 2 * std::log(r);
}

// What of a component does not depend on where it is asked.
struct Component {
  double weight, location, scale, freedom;
  double log_constant;  // of the density of T at 0

  double standardised(double y) const { return (y - location) / scale; }
  // Of T.
  double log_density(double t) const { return log_constant - 0.5 * (freedom + 1) * log_growth(freedom, t); }
};

std::vector<Component> components_of(const Predictive& p) {
  std::vector<Component> out;
  out.reserve(p.location.size());
  for (std::size_t k = 0; k < p.location.size(); ++k) {
    const double v = clamped(p.freedom[k]);
    // Components of one feature often share their freedom.
    const double log_constant = k > 0 && out[k - 1].freedom == v ? out[k - 1].log_constant : -std::log(std::sqrt(v) * half_beta(v / 2));
    out.push_back({p.weights[k], p.location[k], p.scale[k], v, log_constant});
  }
  return out;
}

struct Tails {
  double lower = 0, upper = 0;
  double score() const { return lower <= upper ? normal_quantile(lower) : -normal_quantile(upper); }
};

// Mass at or below y and above it, each with full relative accuracy when it is the small one.
Tails tails(const std::vector<Component>& components, double y) {
  Tails out;
  for (const Component& c : components) {
    const double t = c.standardised(y);
    const double tail = distribution(c.freedom, -std::abs(t));
    out.lower += c.weight * (t < 0 ? tail : 1 - tail);
    out.upper += c.weight * (t < 0 ? 1 - tail : tail);
  }
  return out;
}

struct Middle {
  double location = 0, scale = 0;
};

Middle middle_of(const std::vector<Component>& components) {
  Middle out;
  for (const Component& c : components) {
    out.location += c.weight * c.location;
    out.scale += c.weight * c.scale;
  }
  return out;
}

// E|T - t| (Jordan, Krueger and Lerch 2019, from the CRPS of the t distribution).
double distance(const Component& c, double t) {
  const double v = c.freedom, a = std::abs(t);
  // (v + t^2) times the density, as one exponential.
  const double spread = v * std::exp(c.log_constant - 0.5 * (v - 1) * log_growth(v, a));
  return a * (1 - 2 * distribution(v, -a)) + 2 * spread / (v - 1);
}

// E|T - T'| of two with the same freedom.
double distance_to_itself(double v) {
  const double half = half_beta(v / 2);
  return 4 * std::sqrt(v) / (v - 1) * half_beta(v - 0.5) / (half * half);
}

// E max(side (Y - y), 0): what lies above (side 1) or below (side -1) y, times how far.
double excess(const std::vector<Component>& components, double y, double side) {
  double sum = 0;
  for (const Component& c : components) {
    const double t = c.standardised(y);
    sum += c.weight * c.scale * 0.5 * (distance(c, t) - side * t);
  }
  return sum;
}

// --- E|Y - Y'| / 2 = integral of F (1 - F) ---

using Rule = boost::math::quadrature::gauss<double, 10>;
constexpr std::size_t kNodes = 10;

// Gauss-Legendre nodes on [-1, 1], and the weights that integrate from -1 up to each node what is known at all of them.
struct Panel {
  std::array<double, kNodes> at{}, weight{};
  std::array<std::array<double, kNodes>, kNodes> up_to{};

  Panel() {
    for (std::size_t i = 0; i < kNodes / 2; ++i) {
      at[kNodes / 2 + i] = Rule::abscissa()[i];
      at[kNodes / 2 - 1 - i] = -Rule::abscissa()[i];
      weight[kNodes / 2 + i] = weight[kNodes / 2 - 1 - i] = Rule::weights()[i];
    }
    // By expansion in Legendre polynomials P_n, whose integral from -1 is (P_{n+1} - P_{n-1}) / (2 n + 1).
    for (std::size_t i = 0; i < kNodes; ++i) {
      const auto upper = legendre(at[i]);
      for (std::size_t j = 0; j < kNodes; ++j) {
        const auto here = legendre(at[j]);
        double sum = 0.5 * (at[i] + 1);
        for (std::size_t n = 1; n < kNodes; ++n) sum += 0.5 * here[n] * (upper[n + 1] - upper[n - 1]);
        up_to[i][j] = weight[j] * sum;
      }
    }
  }

 private:
  static std::array<double, kNodes + 1> legendre(double x) {
    std::array<double, kNodes + 1> p{1, x};
    for (std::size_t n = 1; n < kNodes; ++n) {
      const auto m = static_cast<double>(n);
      p[n + 1] = ((2 * m + 1) * x * p[n] - m * p[n - 1]) / (m + 1);
    }
    return p;
  }
};

const Panel kPanel;

// The density costs a thirtieth of the distribution function, so the latter is asked at the ends of panels only, and the former
// summed up in between. Panels are halved until the sum over each agrees with its two ends and with its halves: a component too
// narrow for any node to meet it shows there too.
class SpreadIntegral {
 public:
  SpreadIntegral(const std::vector<Component>& components, Middle middle) : components_(components), middle_(middle) {
    tolerance_ = 1e-6 * middle.scale;  // of a panel; its halves, which are taken, are far closer
    for (const Component& c : components) {
      total_ += c.weight;
      bells_.push_back({c.location, 1 / (c.scale * std::sqrt(c.freedom)), 0.5 * (c.freedom + 1),
                        std::log(std::max(c.weight, 1e-300) / c.scale) + c.log_constant});
    }
  }

  double operator()() {
    // Beyond both ends the smaller of F and 1 - F is integrated in closed form; the larger is 1 within this.
    constexpr double kOutside = 1e-6;
    double from = -4, to = 4;
    const auto upper = [&](double x) { return tails(components_, position(x)).upper; };
    while (from > -kReach && lower(from) > kOutside) from -= 1.5;
    while (to < kReach && upper(to) > kOutside) to += 1.5;
    sum_ = excess(components_, position(from), -1) + excess(components_, position(to), 1);
    const int panels = static_cast<int>(std::ceil((to - from) / kPanelMax));
    double left = from, below = lower(from);
    for (int i = 1; i <= panels; ++i) {
      const double right = from + (to - from) * i / panels, at_right = lower(right);
      add(left, right, below, at_right);
      left = right;
      below = at_right;
    }
    return sum_;
  }

 private:
  static constexpr double kPanelMax = 1.5;
  static constexpr double kRounding = 1e-12;  // of the distribution function
  static constexpr int kHalvingsMax = 2000;   // a usual mixture takes about 10, a needle 30

  struct Bell {  // a component's density, as few operations as can be
    double location, rate, power, log_height;
  };
  struct Part {
    double mass = 0, spread = 0;
  };

  double lower(double x) const { return tails(components_, position(x)).lower; }
  double position(double x) const { return middle_.location + middle_.scale * std::sinh(x); }

  Part measure(double from, double to, double below) const {
    const double half = 0.5 * (to - from);
    std::array<double, kNodes> density{}, stretch{};
    for (std::size_t i = 0; i < kNodes; ++i) {
      const double x = from + half * (kPanel.at[i] + 1);
      const double y = position(x);
      stretch[i] = middle_.scale * std::cosh(x) * half;
      for (const Bell& b : bells_) {
        const double r = (y - b.location) * b.rate, q = r * r;
        // The power may be large, and then needs every digit of a small q.
        density[i] += std::exp(b.log_height - b.power * (q < 0.1 ? std::log1p(q) : std::log(1 + q)));
      }
      density[i] *= stretch[i];
    }
    Part out;
    for (std::size_t i = 0; i < kNodes; ++i) {
      double reached = below;
      for (std::size_t j = 0; j < kNodes; ++j) reached += kPanel.up_to[i][j] * density[j];
      out.spread += kPanel.weight[i] * stretch[i] * reached * (total_ - reached);
      out.mass += kPanel.weight[i] * density[i];
    }
    return out;
  }

  bool agrees(double mass, double exact, double from, double to) const {
    const double off = std::abs(mass - exact);
    return off < kRounding || off * (position(to) - position(from) + middle_.scale) < tolerance_;
  }

  void add(double from, double to, double below, double at_end) {
    const double centre = 0.5 * (from + to);
    const Part whole = measure(from, to, below);
    if (agrees(whole.mass, at_end - below, from, to)) {
      // A sum can be right by chance; its halves' sums are not as well.
      const Part left = measure(from, centre, below), right = measure(centre, to, below + left.mass);
      const double spread = left.spread + right.spread;
      if (agrees(left.mass + right.mass, at_end - below, from, to) && std::abs(spread - whole.spread) < 10 * tolerance_) {
        sum_ += spread;
        return;
      }
    }
    if (++halvings_ > kHalvingsMax) {
      sum_ += whole.spread;
      return;
    }
    const double at_centre = lower(centre);
    add(from, centre, below, at_centre);
    add(centre, to, at_centre, at_end);
  }

  const std::vector<Component>& components_;
  std::vector<Bell> bells_;
  Middle middle_;
  double tolerance_ = 0;
  double total_ = 0;  // 1 but for the rounding of the weights, which would count over the whole length of the tails
  double sum_ = 0;
  int halvings_ = 0;
};

}  // namespace

double distribution(double freedom, double t) {
  return boost::math::cdf(boost::math::students_t_distribution<double, Policy>(clamped(freedom)), t);
}

double variance(double freedom) {
  const double v = clamped(freedom);
  return v / (v - 2);
}

double mixture_distribution(const Predictive& p, double y) { return tails(components_of(p), y).lower; }

double mixture_score(const Predictive& p, double y) { return tails(components_of(p), y).score(); }

double mixture_at(const Predictive& p, double z) {
  // Newton on the score as a function of x, y = middle + scale sinh(x): a tail that falls with a power of y has a score that
  // follows a root of x.
  const std::vector<Component> components = components_of(p);
  const Middle middle = middle_of(components);
  double low = -kReach, high = kReach, x = std::asinh(z), y = 0;
  for (int i = 0; i < kNewtonStepsMax; ++i) {
    y = middle.location + middle.scale * std::sinh(x);
    const double stretch = middle.scale * std::cosh(x);
    const double score = tails(components, y).score();
    if (std::isnan(score)) return score;
    const double gap = score - z;
    (gap > 0 ? high : low) = x;
    // The density may underflow where its product with `stretch` does not.
    double slope = 0;
    for (const Component& c : components) {
      slope += c.weight * std::exp(c.log_density(c.standardised(y)) + std::log(stretch / c.scale) + 0.5 * score * score);
    }
    slope *= std::sqrt(2 * std::numbers::pi);
    double next = x - gap / slope;
    const bool newton = next > low && next < high;  // false also when the slope is 0 or not a number
    if (!newton) next = low + (high - low) / 2;
    const double step = std::abs(next - x) * stretch;
    x = next;
    // Newton squares its error: after a step this short, what is left is far below 1e-4 of a component's scale.
    if (step < (newton ? 1e-4 : 1e-7) * middle.scale || step < 1e-9 * std::abs(y - middle.location)) break;
  }
  return middle.location + middle.scale * std::sinh(x);
}

double mixture_log_density(const Predictive& p, double y) {
  const std::vector<Component> components = components_of(p);
  double largest = -INFINITY, sum = 0;
  const auto term = [y](const Component& c) {
    return std::log(std::max(c.weight, 1e-300)) - std::log(c.scale) + c.log_density(c.standardised(y));
  };
  for (const Component& c : components) largest = std::max(largest, term(c));
  for (const Component& c : components) sum += std::exp(term(c) - largest);
  return largest + std::log(sum);
}

double mixture_crps(const Predictive& p, double y) {
  const std::vector<Component> components = components_of(p);
  double to_value = 0;
  for (const Component& c : components) to_value += c.weight * c.scale * distance(c, c.standardised(y));
  if (!std::isfinite(to_value)) return to_value;
  if (components.size() == 1) {
    const Component& c = components.front();
    return to_value - 0.5 * c.scale * distance_to_itself(c.freedom);
  }
  return to_value - SpreadIntegral(components, middle_of(components))();
}

}  // namespace lacuna::model::student_t
