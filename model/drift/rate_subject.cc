#include "model/drift/rate_subject.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace lacuna::drift {
namespace {

// A bet about half as strong, by the logarithm of its tilt: while a rate stays beyond that, its inverse gains nothing.
constexpr std::array<std::uint8_t, kRateBets> kWeaker = {1, 2, 3, 3, 4, 4, 5, 5, 6};

/// The statistic of the G-test of one proportion: 2 n KL(after || before).
double g_statistic(double n, double after, double before) {
  const auto part = [](double a, double b) { return a > 0 ? a * std::log(a / std::max(b, 1e-12)) : 0; };
  return 2 * n * (part(after, before) + part(1 - after, 1 - before));
}

}  // namespace

RateSubject::RateSubject(SubjectSpec spec, MonitorContext& shared, Direction direction, Wording wording, Baseline::Options baseline,
                         const Baseline* common)
    : Subject(std::move(spec), shared, rate_weights(direction)), wording_(wording), baseline_(std::move(baseline)), common_(common) {}

void RateSubject::update(double x, std::size_t cell, Time at, Time now, std::uint16_t site, std::optional<double> earlier) {
  const Bounds bounds = normal().bounds(cell, at);
  std::array<double, kRateBets> gains;
  rate_gains(x, bounds, gains);
  Outcome outcome{gains, 1, x, bounds.expected, at, now, site};
  if (state() == SubjectState::alarmed) {
    outcome.recovery = 1 / gains[kWeaker[leader()]];
    if (earlier) {
      std::array<double, kRateBets> then;
      rate_gains(*earlier, bounds, then);
      outcome.earlier_recovery = 1 / then[kWeaker[raised_by()]];
    }
  }
  if (observe(outcome) && common_ == nullptr) baseline_.learn(cell, at, x);
}

void RateSubject::describe(Alert& alert) const {
  const Onset::Since s = since();
  const double n = std::max(1.0, s.updates);
  alert.before = s.expected / n;
  alert.after = s.sum / n;
  char rates[128];
  std::snprintf(rates, sizeof rates, "%s from %.2f to %.2f per ", alert.after < alert.before ? "fell" : "rose", alert.before, alert.after);
  alert.summary =
      alert.subject + ": " + std::string(wording_.what) + " " + rates + std::string(wording_.per) + " since " + format_rfc3339(alert.since);
  alert.effects = {{"g", g_statistic(n, alert.after, alert.before)}};
  if (spec().kind == Kind::missingness || spec().kind == Kind::measured) alert.effects.push_back({"missing_share", 1 - alert.after});
  alert.contributors = sites(alert.after < alert.before ? -1 : 1);
}

std::vector<Effect> RateSubject::effects() const {
  std::vector<Effect> out;
  if (spec().kind == Kind::missingness || spec().kind == Kind::measured) out.push_back({"missing_share", 1 - recent()});
  return out;
}

}  // namespace lacuna::drift
