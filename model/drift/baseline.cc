#include "model/drift/baseline.h"

#include <algorithm>
#include <cmath>

namespace lacuna::drift {
namespace {

constexpr std::size_t kHours = 24, kDays = 7;
constexpr double kCellPrior = 4;   // outcomes at the overall rate that a cell starts with
constexpr double kHourPrior = 2;   // outcomes of each sort at factor 1 that an hour of day starts with
constexpr double kDayPrior = 100;  // and a day of the week, which differs less and is first seen once the rest is known
constexpr double kDayToDay = 0.1;  // variance of an hour's log odds from one day to another: no number of patients makes up for days
constexpr double kSds = 1.5;       // of the estimate's log odds, towards the side that makes betting harder
// One outcome must not decide: with these a single update multiplies a stake at most by 4.5 (falling) or 7.7 (rising).
constexpr double kLowMax = 0.85;
constexpr double kHighMin = 0.05;

double logistic(double t) { return 1 / (1 + std::exp(-t)); }

std::size_t remainder(std::int64_t value, std::size_t n) {
  const auto m = static_cast<std::int64_t>(n);
  return static_cast<std::size_t>((value % m + m) % m);
}

}  // namespace

Baseline::Baseline(Options options) : options_(std::move(options)), cells_(options_.groups.size()) {
  if (!options_.calendar) return;
  const std::size_t groups = 1u + *std::max_element(options_.groups.begin(), options_.groups.end());
  hours_.resize(groups * kHours);
  days_.resize(groups * kDays);
}

double Baseline::Factor::log_odds(double prior) const {
  return std::log((hits + prior) / (expected + prior) * (updates - expected + prior) / (updates - hits + prior));
}
// Variance of log odds from counts: 1/hits + 1/misses. The prior is part of its counts, and its outcomes are of many patients.
double Baseline::Factor::variance(double prior) const { return 1 / (hits + prior) + 1 / (updates - hits + prior); }

void Baseline::Factor::learn(double x, double p) {
  expected += static_cast<float>(p);
  updates += 1;
  hits += static_cast<float>(x);
  if (updates >= kCellUpdatesMax) *this = {updates / 2, hits / 2, expected / 2};
}

double Baseline::overall() const { return (all_.hits + 1.0) / (all_.updates + 2.0); }

double Baseline::log_odds(const Cell& cell) const {
  const double p = (cell.hits + kCellPrior * overall()) / (cell.updates + kCellPrior);
  return std::log(p / (1 - p));
}

std::size_t Baseline::hour_factor(std::size_t cell, Time at) const {
  return options_.groups[cell] * kHours + remainder(std::chrono::floor<std::chrono::hours>(at).time_since_epoch().count(), kHours);
}
std::size_t Baseline::day_factor(std::size_t cell, Time at) const {
  return options_.groups[cell] * kDays + remainder(std::chrono::floor<std::chrono::days>(at).time_since_epoch().count(), kDays);
}

Bounds Baseline::bounds(std::size_t index, Time at) const {
  const Cell& cell = cells_[index];
  double centre = log_odds(cell);
  const double hits = cell.hits + kCellPrior * overall();
  const double misses = cell.updates - cell.hits + kCellPrior * (1 - overall());
  double variance = options_.design_effect * (1 / hits + 1 / misses);
  if (options_.calendar) {
    const Factor &hour = hours_[hour_factor(index, at)], &day = days_[day_factor(index, at)];
    centre += hour.log_odds(kHourPrior) + day.log_odds(kDayPrior);
    variance += hour.variance(kHourPrior) + day.variance(kDayPrior) + kDayToDay / days();
  }
  Bounds out;
  out.expected = std::max(logistic(centre), options_.floor);
  centre = std::log(out.expected / (1 - out.expected));
  const double unsure = kSds * std::sqrt(variance);
  out.low = std::min(logistic(centre - unsure - options_.slack.below), kLowMax);
  out.high = std::max(logistic(centre + unsure + options_.slack.above), kHighMin);
  return out;
}

void Baseline::learn(std::size_t index, Time at, double x) {
  Cell& cell = cells_[index];
  if (options_.calendar) {
    Factor &hour = hours_[hour_factor(index, at)], &day = days_[day_factor(index, at)];
    const double centre = log_odds(cell), by_hour = hour.log_odds(kHourPrior);
    hour.learn(x, logistic(centre));
    day.learn(x, logistic(centre + by_hour));
    const auto today = static_cast<float>(std::chrono::floor<std::chrono::days>(at).time_since_epoch().count());
    if (last_day_ < first_day_) first_day_ = last_day_ = today;
    last_day_ = std::max(last_day_, today);
  }
  for (Cell* c : {&cell, &all_}) {
    c->updates += 1;
    c->hits += static_cast<float>(x);
    if (c->updates >= kCellUpdatesMax) *c = {c->updates / 2, c->hits / 2};
  }
}

void Baseline::forget() { *this = Baseline(options_); }

template <typename Self, typename Visit>
void Baseline::each_number(Self& self, Visit&& visit) {
  visit(self.all_.updates), visit(self.all_.hits);
  for (auto& c : self.cells_) visit(c.updates), visit(c.hits);
  for (auto* factors : {&self.hours_, &self.days_}) {
    for (auto& f : *factors) visit(f.updates), visit(f.hits), visit(f.expected);
  }
}

void Baseline::save(ByteWriter& out) const {
  out.put(first_day_);
  out.put(last_day_);
  each_number(*this, [&out](float v) { out.put(v); });
}

void Baseline::load(ByteReader& in) {
  first_day_ = in.get<float>();
  last_day_ = in.get<float>();
  each_number(*this, [&in](float& v) {
    const auto read = in.get<float>();
    v = read >= 0 && read <= kCellUpdatesMax ? read : 0;
  });
}

}  // namespace lacuna::drift
