#include "model/drift/level.h"

#include <algorithm>
#include <cmath>

namespace lacuna::drift {
namespace {

constexpr double kMoments = 100;       // values that only say on which scale the others are told
constexpr double kCountMax = 10'000;   // then the older count for less: what is normal may change slowly
constexpr double kClip = 4;            // standard deviations beyond which a value counts as that
constexpr float kPrior = 5;            // values as before that those since the onset start with
constexpr float kSinceMax = 500;       // counts are halved then
constexpr double kShownUpdates = 200;  // time constant of what is shown
constexpr float kBackEvidence = 1e4f;  // that it is as before, against half-way
constexpr float kAlike = 3;            // design effect: values of one patient are alike
// What the patients who happen to be there make of a mean and a spread: nearer than that a change cannot be told from them.
constexpr double kNear = 0.25, kNarrower = 0.75, kWider = 1.3, kNearUpdates = 50;
constexpr double kSpreadMin = 1e-6;
// The eighths of the standard normal, and its tails.
constexpr std::array<double, Level::kBins - 1> kEdges = {-3, -2, -1.15, -0.674, -0.319, 0, 0.319, 0.674, 1.15, 2, 3};

std::size_t bin_of(double u) { return static_cast<std::size_t>(std::upper_bound(kEdges.begin(), kEdges.end(), u) - kEdges.begin()); }

}  // namespace

double Level::score(double y) const {
  const double sd = std::sqrt(std::max(squares_ / std::max(count_ - 1, 1.0), kSpreadMin * kSpreadMin));
  return std::clamp((y - mean_) / sd, -kClip, kClip);
}

double Level::spread() const { return std::sqrt(std::max(square_ - shift_ * shift_, 0.0)); }

void Level::hold(double outcomes_since_onset) {
  held_ = true;
  not_before_ = newest_;
  since_.fill(0);
  since_total_ = 0;
  evidence_ = 1;
  shift_ = updates_ = 0;
  square_ = 1;
  const auto newest = static_cast<std::uint32_t>(std::min<double>(std::min(recent_count_, std::uint32_t{kRecent}), outcomes_since_onset));
  for (std::uint32_t i = 0; i < newest; ++i) {
    since_[recent_[(recent_count_ - 1 - i) % kRecent]] += 1;
    since_total_ += 1;
  }
}

void Level::weigh(std::size_t bin, Time at) {
  float total = 0;
  for (const float n : before_) total += n;
  const float before = (before_[bin] + 0.5f) / (total + 0.5f * kBins);
  const float since = (since_[bin] + kPrior * before) / (since_total_ + kPrior);
  // What it may be on the way back from is learned only while nothing speaks for a return: else a return would become what it is from.
  const bool learns = evidence_ <= 1;
  if (learns) recovering_since_ = at;
  evidence_ = std::clamp(evidence_ * std::pow(2 * before / (before + since), 1 / kAlike), 1.0f, kBackEvidence);
  if (!learns) return;
  since_[bin] += 1;
  since_total_ += 1;
  if (since_total_ < kSinceMax) return;
  since_total_ /= 2;
  for (float& n : since_) n /= 2;
}

void Level::observe(double y, Time at, bool held, double outcomes_since_onset) {
  if (!known()) return;
  const double u = score(y);
  const std::size_t bin = bin_of(u);
  if (held && !held_) hold(outcomes_since_onset);
  held_ = held;
  newest_ = std::max(newest_, at);
  recent_[recent_count_ % kRecent] = static_cast<std::uint8_t>(bin);
  recent_count_ = recent_count_ + 1 < 2 * kRecent ? recent_count_ + 1 : kRecent;
  if (!held || at < not_before_) return;  // hours from before come late
  updates_ += 1;
  const double pace = std::max(1 / kShownUpdates, 1 / updates_);
  shift_ += pace * (u - shift_);
  square_ += pace * (u * u - square_);
  weigh(bin, at);
}

void Level::learn(double y) {
  if (count_ >= kMoments) {
    float total = 0;
    float& bin = before_[bin_of(score(y))];
    bin += 1;
    for (const float n : before_) total += n;
    if (total >= static_cast<float>(kCountMax)) {
      for (float& n : before_) n /= 2;
    }
  }
  if (count_ >= kCountMax) {
    count_ /= 2;
    squares_ /= 2;
  }
  count_ += 1;
  // One value moves the mean as if it lay at most so far off.
  const double from = count_ > kMoments ? score(y) * std::sqrt(squares_ / (count_ - 1)) : y - mean_;
  mean_ += from / count_;
  squares_ += from * from * (1 - 1 / count_);
}

bool Level::back() const {
  if (!known() || !held_ || evidence_ >= kBackEvidence) return true;
  return updates_ >= kNearUpdates && std::abs(shift_) < kNear && spread() > kNarrower && spread() < kWider;
}

void Level::convert(double factor, double offset) {
  mean_ = factor * mean_ + offset;
  squares_ *= factor * factor;
}

void Level::save(ByteWriter& out) const {
  for (const double v : {count_, mean_, squares_, shift_, square_, updates_}) out.put(v);
  for (const auto* bins : {&before_, &since_}) {
    for (const float n : *bins) out.put(n);
  }
  for (const std::uint8_t bin : recent_) out.put(bin);
  out.put(recent_count_);
  out.put<std::uint8_t>(held_ ? 1 : 0);
  out.put(evidence_);
  for (const Time t : {newest_, not_before_, recovering_since_}) out.put<std::int64_t>(t.time_since_epoch().count());
}

void Level::load(ByteReader& in) {
  for (double* v : {&count_, &mean_, &squares_, &shift_, &square_, &updates_}) {
    const auto read = in.get<double>();
    *v = std::isfinite(read) ? read : 0;
  }
  since_total_ = 0;
  for (auto* bins : {&before_, &since_}) {
    for (float& n : *bins) {
      const auto read = in.get<float>();
      n = read >= 0 && read <= static_cast<float>(kCountMax) ? read : 0;
    }
  }
  for (const float n : since_) since_total_ += n;
  for (std::uint8_t& bin : recent_) bin = std::min<std::uint8_t>(in.get<std::uint8_t>(), kBins - 1);
  recent_count_ = std::min<std::uint32_t>(in.get<std::uint32_t>(), 2 * kRecent - 1);
  held_ = in.get<std::uint8_t>() != 0;
  evidence_ = in.get<float>();
  if (!(evidence_ >= 1 && evidence_ <= kBackEvidence)) evidence_ = 1;
  for (Time* t : {&newest_, &not_before_, &recovering_since_}) *t = Time(Millis(in.get<std::int64_t>()));
}

}  // namespace lacuna::drift
