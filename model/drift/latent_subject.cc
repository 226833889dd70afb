#include "model/drift/latent_subject.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <mutex>

namespace lacuna::drift {
namespace {

constexpr std::array<double, 4> kDeltas = {-1, -0.5, 0.5, 1};
constexpr std::array<std::uint8_t, 4> kWeaker = {1, 1, 2, 2};
constexpr double kMax = 4;       // |z|: one patient must not decide
constexpr double kSds = 2;       // of a mean gain over the reference
constexpr double kSlack = 0.04;  // a mean off by so many sd is nobody's business
constexpr double kRecent = 100;  // patients
constexpr std::size_t kContributorsMax = 5;

/// Even over all coordinates; made once for each number of them, and never destroyed.
std::span<const double> weights_for(std::size_t coordinates) {
  static std::mutex mutex;
  static std::map<std::size_t, std::vector<double>> made;
  const std::lock_guard lock(mutex);
  const std::size_t bets = coordinates * kDeltas.size();
  std::vector<double>& weights = made[coordinates];
  if (weights.empty()) weights.assign(bets, 1 / static_cast<double>(bets));
  return weights;
}

double gain(double z, double delta) { return std::exp(delta * z - delta * delta / 2); }

}  // namespace

LatentSubject::LatentSubject(SubjectSpec spec, MonitorContext& shared, std::size_t dimensions)
    : Subject(std::move(spec), shared, weights_for(dimensions + 1)), dimensions_(dimensions), recent_z_(dimensions + 1) {}

void LatentSubject::standardise(std::span<const float> code, std::vector<double>& z) const {
  z.resize(dimensions_ + 1);
  double squares = 0;
  for (std::size_t d = 0; d < dimensions_; ++d) {
    z[d] = (code[d] - means_[d]) / sds_[d];
    squares += z[d] * z[d];
    z[d] = std::clamp(z[d], -kMax, kMax);
  }
  z[dimensions_] = std::log(squares / static_cast<double>(dimensions_) + 1e-6);
  if (means_.size() > dimensions_) z[dimensions_] = std::clamp((z[dimensions_] - means_[dimensions_]) / sds_[dimensions_], -kMax, kMax);
}

void LatentSubject::set_reference(std::span<const std::vector<float>> codes) {
  const auto n = static_cast<double>(codes.size());
  const auto moments = [n](const std::vector<double>& values, double& mean, double& sd) {
    mean = sd = 0;
    for (const double v : values) mean += v / n;
    for (const double v : values) sd += (v - mean) * (v - mean) / (n - 1);
    sd = std::sqrt(std::max(sd, 1e-12));
  };
  means_.assign(dimensions_, 0);
  sds_.assign(dimensions_, 1);
  std::vector<double> values(codes.size());
  for (std::size_t d = 0; d < dimensions_; ++d) {
    for (std::size_t i = 0; i < codes.size(); ++i) values[i] = codes[i][d];
    moments(values, means_[d], sds_[d]);
  }
  std::vector<double> z;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    standardise(codes[i], z);
    values[i] = z[dimensions_];
  }
  double mean = 0, sd = 1;
  moments(values, mean, sd);
  means_.push_back(mean);
  sds_.push_back(sd);

  const std::size_t bets = (dimensions_ + 1) * kDeltas.size();
  std::vector<double> sums(bets), squares(bets);
  for (const std::vector<float>& code : codes) {
    standardise(code, z);
    for (std::size_t b = 0; b < bets; ++b) {
      const double g = gain(z[b / kDeltas.size()], kDeltas[b % kDeltas.size()]);
      sums[b] += g;
      squares[b] += g * g;
    }
  }
  normalisers_.resize(bets);
  for (std::size_t b = 0; b < bets; ++b) {
    const double average = sums[b] / n, variance = std::max(squares[b] / n - average * average, 0.1);
    normalisers_[b] =
        (average + kSds * std::sqrt(spec().design_effect * variance / n)) * std::exp(std::abs(kDeltas[b % kDeltas.size()]) * kSlack);
  }
}

void LatentSubject::learn(Time at, Time now) {
  const std::vector<double> nothing((dimensions_ + 1) * kDeltas.size(), 1.0);
  observe({nothing, 1, 0, 0, at, now, 0});
}

void LatentSubject::update(std::span<const float> code, Time at, Time now, std::uint16_t site) {
  std::vector<double> z, gains(normalisers_.size());
  standardise(code, z);
  for (std::size_t b = 0; b < gains.size(); ++b) {
    gains[b] = gain(z[b / kDeltas.size()], kDeltas[b % kDeltas.size()]) / normalisers_[b];
  }
  for (std::size_t d = 0; d < z.size(); ++d) recent_z_[d] += static_cast<float>((z[d] - recent_z_[d]) / kRecent);
  const std::size_t top = leader(), coordinate = top / kDeltas.size();
  Outcome outcome{gains, 1, z[coordinate], 0, at, now, site};
  if (state() == SubjectState::alarmed) outcome.recovery = 1 / gains[coordinate * kDeltas.size() + kWeaker[top % kDeltas.size()]];
  observe(outcome);
}

void LatentSubject::describe(Alert& alert) const {
  std::vector<std::pair<double, std::size_t>> moved;
  double total = 0;
  for (std::size_t d = 0; d < recent_z_.size(); ++d) {
    moved.emplace_back(std::abs(recent_z_[d]), d);
    total += std::abs(recent_z_[d]);
  }
  std::stable_sort(moved.begin(), moved.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  const auto name = [this](std::size_t d) { return d == dimensions_ ? std::string("distance") : "z" + std::to_string(d); };
  const std::size_t top = leader() / kDeltas.size();
  alert.before = 0;
  alert.after = recent_z_[top];
  char text[128];
  std::snprintf(text, sizeof text, ": the patients' codes moved (%s by %.2f standard deviations of the reference)", name(top).c_str(),
                alert.after);
  alert.summary = alert.subject + text + " since " + format_rfc3339(alert.since);
  alert.effects = effects();
  alert.contributors.clear();
  for (const auto& [distance, d] : moved) {
    if (alert.contributors.size() == kContributorsMax || distance <= 0) break;
    alert.contributors.push_back({name(d), distance / total});
  }
}

std::vector<Effect> LatentSubject::effects() const {
  float most = 0;
  for (const float z : recent_z_) most = std::abs(z) > std::abs(most) ? z : most;
  return {{"mean_shift", most}};
}

void LatentSubject::save_baseline(ByteWriter& out) const {
  for (const float z : recent_z_) out.put(z);
}

void LatentSubject::load_baseline(ByteReader& in) {
  for (float& z : recent_z_) {
    const auto read = in.get<float>();
    z = std::isfinite(read) ? read : 0;
  }
  normalisers_.clear();
}

}  // namespace lacuna::drift
