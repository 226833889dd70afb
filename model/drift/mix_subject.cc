#include "model/drift/mix_subject.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <mutex>
#include <numeric>

namespace lacuna::drift {
namespace {

constexpr double kUpdatesMax = 20'000;            // counts are halved then
constexpr double kPrior = 0.5;                    // of each class (Jeffreys)
constexpr double kSds = 2;                        // of a class's log odds
constexpr double kSlack = 0.08;                   // log odds: so much more of a class is still normal
constexpr double kHighMin = 0.03, kLowMax = 0.9;  // one stay must not decide
constexpr double kRecentUpdates = 100;
constexpr std::size_t kContributorsMax = 5;
constexpr std::size_t kForecasts = Forecasts::kMemories.size();
constexpr double kForecastWeight = 0.3;

/// The forecasts, then the rate bets of each class. Made once for each number of classes, and never destroyed.
std::span<const double> weights_for(std::size_t classes) {
  static std::mutex mutex;
  static std::map<std::size_t, std::vector<double>> made;
  const std::lock_guard lock(mutex);
  std::vector<double>& weights = made[classes];
  if (weights.empty()) {
    for (const double w : Forecasts::weights()) weights.push_back(kForecastWeight * w);
    for (std::size_t j = 0; j < classes; ++j) {
      for (const double w : rate_weights(Direction::both)) weights.push_back((1 - kForecastWeight) * w / static_cast<double>(classes));
    }
  }
  return weights;
}

}  // namespace

MixSubject::MixSubject(SubjectSpec spec, MonitorContext& shared, std::string_view of, std::vector<std::string> classes)
    : Subject(std::move(spec), shared, weights_for(classes.size())),
      of_(of),
      classes_(std::move(classes)),
      counts_(classes_.size()),
      expected_(classes_.size()),
      bounds_(classes_.size()),
      high_(classes_.size()),
      recent_(classes_.size()),
      forecasts_(classes_.size()) {
  refresh();
}

void MixSubject::refresh() {
  const double n = std::accumulate(counts_.begin(), counts_.end(), 0.0) + kPrior * static_cast<double>(counts_.size());
  for (std::size_t j = 0; j < counts_.size(); ++j) {
    const double hits = counts_[j] + kPrior, misses = n - hits, p = hits / n;
    const double centre = std::log(hits / misses), unsure = kSds * std::sqrt(spec().design_effect * (1 / hits + 1 / misses)) + kSlack;
    expected_[j] = p;
    high_[j] = 1 / (1 + std::exp(-centre - unsure));
    bounds_[j] = {std::min(1 / (1 + std::exp(-centre + unsure)), kLowMax), p, std::max(high_[j], kHighMin)};
  }
}

void MixSubject::update(std::size_t category, Time at, Time now, std::uint16_t site) {
  if (category >= counts_.size()) return;
  std::vector<double> gains(kForecasts + kRateBets * counts_.size());
  forecasts_.gains(category, expected_, high_, std::span(gains).first(kForecasts));
  for (std::size_t j = 0; j < counts_.size(); ++j) {
    rate_gains(j == category ? 1 : 0, bounds_[j], std::span(gains).subspan(kForecasts + kRateBets * j, kRateBets));
  }
  // That it is as before, against half-way to what it was when the alarm was raised.
  double recovery = 1;
  if (state() != SubjectState::alarmed) {
    alarmed_.clear();
  } else {
    if (alarmed_.empty()) alarmed_ = shares();
    recovery = 2 * expected_[category] / (expected_[category] + alarmed_[category]);
  }
  for (double& share : recent_) share *= 1 - 1 / kRecentUpdates;
  recent_[category] += 1 / kRecentUpdates;
  // Shown: how probable what comes was thought to be.
  double concentration = 0;
  for (const double p : expected_) concentration += p * p;
  if (!observe({gains, recovery, expected_[category], concentration, at, now, site})) return;
  counts_[category] += 1;
  if (std::accumulate(counts_.begin(), counts_.end(), 0.0) >= kUpdatesMax) {
    for (double& c : counts_) c /= 2;
  }
  refresh();
}

void MixSubject::reorder(std::span<const std::size_t> from) {
  for (auto* values : {&counts_, &recent_}) *values = reordered(*values, from);
  if (!alarmed_.empty()) alarmed_ = reordered(alarmed_, from);
  forecasts_.reorder(from);
  std::vector<std::size_t> bets(kForecasts);
  std::iota(bets.begin(), bets.end(), std::size_t{0});
  for (const std::size_t j : from) {
    for (std::size_t k = 0; k < kRateBets; ++k) bets.push_back(kForecasts + kRateBets * j + k);
  }
  reorder_bets(bets);
  refresh();
}

std::vector<double> MixSubject::shares() const {
  std::vector<double> out = recent_;
  const double seen = std::accumulate(out.begin(), out.end(), 0.0);
  for (std::size_t j = 0; j < out.size(); ++j) out[j] += (1 - seen) * expected_[j];
  return out;
}

void MixSubject::describe(Alert& alert) const {
  const std::vector<double> now = shares();
  std::vector<std::size_t> order(now.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto moved = [&](std::size_t j) { return std::abs(now[j] - expected_[j]); };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return moved(a) > moved(b); });
  double total = 0;
  for (std::size_t j = 0; j < now.size(); ++j) total += moved(j);
  const std::size_t top = order.front();
  alert.before = expected_[top];
  alert.after = now[top];
  char text[96];
  std::snprintf(text, sizeof text, " %s from %.0f %% to %.0f %% of %s", alert.after < alert.before ? "fell" : "rose", 100 * alert.before,
                100 * alert.after, std::string(of_).c_str());
  alert.summary = alert.subject + ": " + classes_[top] + text + " since " + format_rfc3339(alert.since);
  alert.effects = effects();
  alert.contributors.clear();
  for (const std::size_t j : order) {
    if (alert.contributors.size() < kContributorsMax && moved(j) > 0) alert.contributors.push_back({classes_[j], moved(j) / total});
  }
}

std::vector<Effect> MixSubject::effects() const {
  const std::vector<double> now = shares();
  double psi = 0, g = 0;
  for (std::size_t j = 0; j < now.size(); ++j) {
    const double q = std::max(now[j], 1e-6), p = expected_[j];
    psi += (q - p) * std::log(q / p);
    g += 2 * kRecentUpdates * q * std::log(q / p);
  }
  return {{"psi", psi}, {"g", g}};
}

void MixSubject::forget_baseline() {
  std::fill(counts_.begin(), counts_.end(), 0.0);
  forecasts_.reset();
  refresh();
}

void MixSubject::save_baseline(ByteWriter& out) const {
  for (const auto* values : {&counts_, &recent_}) {
    for (const double v : *values) out.put(v);
  }
  out.put_all(alarmed_);
  forecasts_.save(out);
}

void MixSubject::load_baseline(ByteReader& in) {
  for (auto* values : {&counts_, &recent_}) {
    for (double& v : *values) {
      const auto read = in.get<double>();
      v = read >= 0 && read <= kUpdatesMax ? read : 0;
    }
  }
  alarmed_ = in.get_all<double>();
  if (alarmed_.size() != counts_.size()) alarmed_.clear();
  forecasts_.load(in);
  refresh();
}

}  // namespace lacuna::drift
