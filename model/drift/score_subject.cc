#include "model/drift/score_subject.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace lacuna::drift {
namespace {

constexpr double kUpdatesMax = 20'000;  // counts are halved then: what is normal may change slowly
constexpr double kPrior = 20;           // outcomes of a standard normal that a cell starts with
constexpr double kSds = 2;              // of a mean gain's estimate
constexpr double kHourSds = 0.3;        // of an hour's mean: the errors of 24 hours largely cancel
constexpr double kHourPrior = 30;       // outcomes without a rhythm that an hour of day starts with
// What is small enough to be nobody's business: a mean off by so many sd, a variance off by so much.
constexpr double kLocationSlack = 0.04, kVarianceSlack = 0.1;
constexpr double kNarrowSlack = 0.3;    // a model that learns predicts better: that is no news
constexpr double kRecentUpdates = 200;  // memory of the recent histogram
// Edges at the eighths of the standard normal.
constexpr std::array<double, ScoreSubject::kBins - 1> kEdges = {-1.15, -0.674, -0.319, 0, 0.319, 0.674, 1.15};

// About half as strong; see rate_subject.cc.
constexpr std::array<std::uint8_t, kScoreBets> kWeaker = {1, 2, 3, 3, 4, 4, 5, 6, 9, 9, 10, 10};

/// Mean gain of a bet on the spread where the variance is off by the slack in its direction.
std::array<double, kScoreBets> spread_slack() {
  std::array<double, kScoreBets> out;
  for (std::size_t k = 0; k < kScoreBets; ++k) {
    const double sd = score_bets()[k].sd, a = 1 - 1 / (sd * sd), v = a > 0 ? 1 + kVarianceSlack : 1 - kNarrowSlack;
    out[k] = 1 / (sd * std::sqrt(1 - a * v));
  }
  return out;
}

std::size_t hour_of_day(Time at) {
  const auto hour = std::chrono::floor<std::chrono::hours>(at).time_since_epoch().count() % 24;
  return static_cast<std::size_t>(hour < 0 ? hour + 24 : hour);
}

std::size_t bin(double z) { return static_cast<std::size_t>(std::upper_bound(kEdges.begin(), kEdges.end(), z) - kEdges.begin()); }

}  // namespace

ScoreSubject::ScoreSubject(SubjectSpec spec, MonitorContext& shared, std::string_view given, std::size_t cells)
    : Subject(std::move(spec), shared, score_weights()), given_(given), cells_(cells) {}

double ScoreSubject::normaliser(const Cell& cell, std::size_t bet, double off) const {
  static const std::array<double, kScoreBets> spread = spread_slack();
  const double delta = score_bets()[bet].delta;
  const double slack = delta != 0 ? std::exp(std::abs(delta) * (kLocationSlack + off)) : spread[bet];
  const double n = cell.updates + kPrior;
  const double mean = (cell.gains[bet] + kPrior) / n;
  // A standard normal's own variance of the gain, as far as nothing else is known; it is finite for all bets after clamping.
  const double variance = std::max((cell.squares[bet] + kPrior * 2) / n - mean * mean, 0.1);
  return (mean + kSds * std::sqrt(spec().design_effect * variance / n)) * slack;
}

void ScoreSubject::update(double z, std::size_t index, Time at, Time now, std::uint16_t site, std::optional<double> earlier) {
  Cell& cell = cells_[index];
  Hour& hour = hours_[hour_of_day(at)];
  const double rhythm = hour.sum / (hour.updates + kHourPrior),
               off = kHourSds * std::sqrt(spec().design_effect / (hour.updates + kHourPrior));
  z = std::clamp(z - rhythm, -kScoreMax, kScoreMax);
  std::array<double, kScoreBets> raw, gains;
  score_gains(z, raw);
  for (std::size_t k = 0; k < kScoreBets; ++k) gains[k] = raw[k] / normaliser(cell, k, off);
  const auto pace = static_cast<float>(1 / kRecentUpdates);
  for (float& share : recent_) share *= 1 - pace;
  recent_[bin(z)] += pace;
  Outcome outcome{gains, 1, z, cell.sum / (cell.updates + kPrior), at, now, site};
  if (state() == SubjectState::alarmed) {
    outcome.recovery = 1 / gains[kWeaker[leader()]];
    if (earlier) {
      const std::size_t weaker = kWeaker[raised_by()];
      std::array<double, kScoreBets> then;
      score_gains(std::clamp(*earlier - rhythm, -kScoreMax, kScoreMax), then);
      outcome.earlier_recovery = normaliser(cell, weaker, off) / then[weaker];
    }
  }
  if (observe(outcome)) learn(cell, hour, z, raw);
}

void ScoreSubject::learn(Cell& cell, Hour& hour, double z, const std::array<double, kScoreBets>& raw) {
  // What the cells do not say of z is the hour's.
  hour.updates += 1;
  hour.sum += static_cast<float>(z + hour.sum / (hour.updates - 1 + kHourPrior) - cell.sum / (cell.updates + kPrior));
  if (hour.updates >= kUpdatesMax) hour = {hour.updates / 2, hour.sum / 2};
  cell.updates += 1;
  cell.sum += static_cast<float>(z);
  for (std::size_t k = 0; k < kScoreBets; ++k) {
    cell.gains[k] += static_cast<float>(raw[k]);
    cell.squares[k] += static_cast<float>(raw[k] * raw[k]);
  }
  if (cell.updates >= kUpdatesMax) {
    cell.updates /= 2;
    cell.sum /= 2;
    for (auto* sums : {&cell.gains, &cell.squares}) {
      for (float& s : *sums) s /= 2;
    }
  }
  float total = 0;
  for (const float n : normal_) total += n;
  if (total >= kUpdatesMax) {
    for (float& n : normal_) n /= 2;
  }
  normal_[bin(z)] += 1;
}

double ScoreSubject::psi() const {
  double before = kBins, now = 0, sum = 0;
  for (const float n : normal_) before += n;
  for (const float n : recent_) now += n;
  for (std::size_t i = 0; i < kBins; ++i) {
    const double p = (normal_[i] + 1) / before, q = (recent_[i] + 0.005) / (now + 0.005 * kBins);
    sum += (q - p) * std::log(q / p);
  }
  return sum;
}

void ScoreSubject::describe(Alert& alert) const {
  const Onset::Since s = since();
  const double n = std::max(1.0, s.updates);
  alert.before = s.expected / n;
  alert.after = s.sum / n;
  const ScoreBet& bet = score_bets()[leader()];
  char text[160];
  if (bet.delta != 0) {
    std::snprintf(text, sizeof text, ": values %s %s by %.2f standard deviations", std::string(given_).c_str(),
                  alert.after < alert.before ? "fell" : "rose", std::abs(alert.after - alert.before));
  } else {
    std::snprintf(text, sizeof text, ": values %s spread %s", std::string(given_).c_str(), bet.sd > 1 ? "wider" : "less wide");
  }
  alert.summary = alert.subject + text + " since " + format_rfc3339(alert.since);
  alert.effects = effects();
  alert.effects.front().value = alert.after - alert.before;  // since the onset, not recently
  alert.contributors = sites(alert.after < alert.before ? -1 : 1);
}

std::vector<Effect> ScoreSubject::effects() const { return {{"mean_shift", recent() - recent_expected()}, {"psi", psi()}}; }

void ScoreSubject::forget_baseline() {
  std::fill(cells_.begin(), cells_.end(), Cell{});
  hours_.fill({});
  normal_.fill(0);
}

template <typename Self, typename Visit>
void ScoreSubject::each_number(Self& self, Visit&& visit) {
  for (auto& cell : self.cells_) {
    visit(cell.updates), visit(cell.sum);
    for (auto& g : cell.gains) visit(g);
    for (auto& g : cell.squares) visit(g);
  }
  for (auto& hour : self.hours_) visit(hour.updates), visit(hour.sum);
  for (auto& n : self.normal_) visit(n);
  for (auto& n : self.recent_) visit(n);
}

void ScoreSubject::save_baseline(ByteWriter& out) const {
  each_number(*this, [&out](float v) { out.put(v); });
}

void ScoreSubject::load_baseline(ByteReader& in) {
  each_number(*this, [&in](float& v) {
    const auto read = in.get<float>();
    v = std::isfinite(read) ? read : 0;
  });
}

}  // namespace lacuna::drift
