#include "model/drift/baseline.h"

#include <algorithm>
#include <cmath>

namespace lacuna::drift {
namespace {

constexpr double kCellPrior = 4;      // patient-hours at the overall rate that a cell starts with
constexpr double kFactorPrior = 5;    // patient-hours of each outcome at factor 1 that an hour of day starts with
constexpr double kSds = 2;            // of the estimate's log odds, towards the side that makes betting harder
constexpr double kDesignEffect = 3;   // hours of one patient are alike: so many count as one
// One patient-hour must not decide: with these a single update multiplies a stake at most by 6.6 (falling) or 10 (rising).
constexpr double kLowMax = 0.85;
constexpr double kHighMin = 0.05;

double logistic(double t) { return 1 / (1 + std::exp(-t)); }

}  // namespace

Baseline::Baseline(std::vector<std::uint8_t> group_of, Slack slack, double floor)
    : group_of_(std::move(group_of)), slack_(slack), floor_(floor), cells_(group_of_.size()) {
  const std::size_t groups = group_of_.empty() ? 0 : 1u + *std::max_element(group_of_.begin(), group_of_.end());
  factors_.resize(groups * kHoursOfDay);
}

double Baseline::overall() const { return (all_.hits + 1) / (all_.updates + 2); }

double Baseline::log_odds(const Cell& cell) const {
  const double p = (cell.hits + kCellPrior * overall()) / (cell.updates + kCellPrior);
  return std::log(p / (1 - p));
}

Bounds Baseline::bounds(std::size_t index, int hour_of_day) const {
  const Cell& cell = cells_[index];
  const Factor& factor = factors_[static_cast<std::size_t>(group_of_[index] * kHoursOfDay + hour_of_day)];
  const double hits = factor.hits + kFactorPrior, misses = factor.updates - factor.hits + kFactorPrior;
  const double expected_hits = factor.expected + kFactorPrior;
  const double expected_misses = factor.updates - factor.expected + kFactorPrior;
  const double middle = log_odds(cell) + std::log(hits / expected_hits * expected_misses / misses);
  const double cell_hits = cell.hits + kCellPrior * overall();
  const double cell_misses = cell.updates - cell.hits + kCellPrior * (1 - overall());
  // Variance of log odds from counts: 1/hits + 1/misses. The factor's prior is part of its counts, and its hours are of many
  // patients.
  const double variance = kDesignEffect * (1 / cell_hits + 1 / cell_misses) + 1 / hits + 1 / misses;
  const double unsure = kSds * std::sqrt(variance);
  Bounds out;
  out.expected = std::max(logistic(middle), floor_);
  const double centre = std::log(out.expected / (1 - out.expected));
  out.low = std::min(logistic(centre - unsure - slack_.below), kLowMax);
  out.high = std::max(logistic(centre + unsure + slack_.above), kHighMin);
  return out;
}

void Baseline::learn(std::size_t index, int hour_of_day, double x) {
  Cell& cell = cells_[index];
  Factor& factor = factors_[static_cast<std::size_t>(group_of_[index] * kHoursOfDay + hour_of_day)];
  factor.expected += logistic(log_odds(cell));
  factor.updates += 1;
  factor.hits += x;
  if (factor.updates >= kCellUpdatesMax) factor = {factor.updates / 2, factor.hits / 2, factor.expected / 2};
  for (Cell* c : {&cell, &all_}) {
    c->updates += 1;
    c->hits += x;
    if (c->updates >= kCellUpdatesMax) *c = {c->updates / 2, c->hits / 2};
  }
}

template <typename Self, typename Visit>
void Baseline::each_number(Self& self, Visit&& visit) {
  visit(self.all_.updates), visit(self.all_.hits);
  for (auto& c : self.cells_) visit(c.updates), visit(c.hits);
  for (auto& f : self.factors_) visit(f.updates), visit(f.hits), visit(f.expected);
}

void Baseline::save(ByteWriter& out) const {
  each_number(*this, [&out](double v) { out.put(v); });
}

void Baseline::load(ByteReader& in) {
  each_number(*this, [&in](double& v) { v = in.get<double>(); });
}

}  // namespace lacuna::drift
