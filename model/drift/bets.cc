#include "model/drift/bets.h"

#include <algorithm>
#include <cmath>

namespace lacuna::drift {
namespace {

constexpr double kForecastPrior = 4;  // outcomes of the baseline that a forecast starts from

template <std::size_t N>
constexpr std::array<double, N> normalised(std::array<double, N> weights) {
  double sum = 0;
  for (const double w : weights) sum += w;
  for (double& w : weights) w /= sum;
  return weights;
}

constexpr auto kBoth = normalised<kRateBets>({0.3, 0.5, 0.5, 0.5, 1, 1, 1, 0.6, 0.4});
constexpr auto kFall = normalised<kRateBets>({0.6, 1, 1, 1, 0, 0, 0, 0, 0});
constexpr auto kRise = normalised<kRateBets>({0, 0, 0, 0, 1, 1, 1, 0.6, 0.4});

constexpr std::array<ScoreBet, kScoreBets> kScores = {
    {{-2, 1}, {-1, 1}, {-0.5, 1}, {-0.25, 1}, {0.25, 1}, {0.5, 1}, {1, 1}, {2, 1}, {0, 0.5}, {0, 0.75}, {0, 1.4}, {0, 2.2}}};
constexpr auto kScoreWeights = normalised<kScoreBets>({0.7, 1, 1, 1, 1, 1, 1, 0.7, 0.5, 0.8, 2.2, 1});
constexpr auto kForecastWeights = normalised<Forecasts::kMemories.size()>({1, 1, 1});

}  // namespace

std::span<const double> rate_weights(Direction direction) {
  switch (direction) {
    case Direction::fall: return kFall;
    case Direction::rise: return kRise;
    case Direction::both: break;
  }
  return kBoth;
}

void rate_gains(double x, const Bounds& bounds, std::span<double> gains) {
  for (std::size_t k = 0; k < kRateBets; ++k) {
    const double tilt = kTilts[k] - 1;
    gains[k] = (1 + tilt * x) / (1 + tilt * (k < kFallingBets ? bounds.low : bounds.high));
  }
}

std::span<const double> score_weights() { return kScoreWeights; }
const std::array<ScoreBet, kScoreBets>& score_bets() { return kScores; }

void score_gains(double z, std::span<double> gains) {
  z = std::clamp(z, -kScoreMax, kScoreMax);
  for (std::size_t k = 0; k < kScoreBets; ++k) {
    const auto [delta, sd] = kScores[k];
    gains[k] = std::exp(delta * z - delta * delta / 2 + z * z / 2 * (1 - 1 / (sd * sd))) / sd;
  }
}

Forecasts::Forecasts(std::size_t categories) : categories_(categories), counts_(kMemories.size() * categories) {}

std::span<const double> Forecasts::weights() { return kForecastWeights; }

void Forecasts::gains(std::size_t category, std::span<const double> expected, std::span<const double> high, std::span<double> gains) {
  for (std::size_t r = 0; r < kMemories.size(); ++r) {
    float* const counts = counts_.data() + r * categories_;
    double seen = 0;
    for (std::size_t j = 0; j < categories_; ++j) seen += counts[j];
    gains[r] = (counts[category] + kForecastPrior * expected[category]) / (seen + kForecastPrior) / high[category];
    const auto kept = static_cast<float>(1 - 1 / kMemories[r]);
    for (std::size_t j = 0; j < categories_; ++j) counts[j] *= kept;
    counts[category] += 1;
  }
}

void Forecasts::reset() { std::fill(counts_.begin(), counts_.end(), 0.0f); }

void Forecasts::reorder(std::span<const std::size_t> from) {
  const std::vector<float> was = counts_;
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] = was[i / categories_ * categories_ + from[i % categories_]];
}

void Forecasts::save(ByteWriter& out) const {
  for (const float c : counts_) out.put(c);
}

void Forecasts::load(ByteReader& in) {
  for (float& c : counts_) {
    const auto read = in.get<float>();
    c = read >= 0 && read <= 1e6f ? read : 0;
  }
}

}  // namespace lacuna::drift
