#include "model/drift/detector.h"

#include <algorithm>

namespace lacuna::drift {
namespace {

// Far above any threshold; keeps stakes finite through an outage of any length.
constexpr double kStakeMax = 1e250;

}  // namespace

void Detector::update(double x, const Bounds& bounds, Time at, std::uint16_t site) {
  for (const bool falling : {true, false}) {
    if (falling && !falling_) continue;
    const std::size_t begin = falling ? 0 : kOldFallingBets, end = falling ? kOldFallingBets : kOldTilts.size();
    const double p = falling ? bounds.low : bounds.high;
    double strongest = 1;
    Time onset = at;
    for (std::size_t k = begin; k < end; ++k) {
      Bet& bet = bets_[k];
      const double gain = (1 + (kOldTilts[k] - 1) * x) / (1 + (kOldTilts[k] - 1) * p);
      bet.stake = std::min((1 + bet.stake) * gain, kStakeMax);
      if (bet.run <= 1) bet.left_floor = at;
      bet.run = std::clamp(bet.run * gain, 1.0, kStakeMax);
      if (bet.run > strongest) {
        strongest = bet.run;
        onset = bet.left_floor;
      }
    }
    Since& since = since_[falling ? 0 : 1];
    if (strongest <= 1) {
      since = {};
      continue;
    }
    since.onset = onset;
    since.outcomes += x;
    since.expected += bounds.expected;
    since.updates += 1;
    since.gap_by_site[site] += x - bounds.expected;
  }
}

double Detector::evidence() const {
  double sum = 0;
  for (const Bet& bet : bets_) sum += bet.stake;
  return sum / static_cast<double>(falling_ ? kOldTilts.size() : kOldTilts.size() - kOldFallingBets);
}

bool Detector::leans_down() const {
  double down = 0, up = 0;
  for (std::size_t k = 0; k < bets_.size(); ++k) (k < kOldFallingBets ? down : up) += bets_[k].stake;
  return down > up;
}

void Detector::reset() {
  bets_.fill({});
  since_.fill({});
}

void Detector::save(ByteWriter& out) const {
  for (const Bet& bet : bets_) {
    out.put(bet.stake);
    out.put(bet.run);
    out.put<std::int64_t>(bet.left_floor.time_since_epoch().count());
  }
  for (const Since& s : since_) {
    out.put<std::int64_t>(s.onset.time_since_epoch().count());
    out.put(s.outcomes);
    out.put(s.expected);
    out.put(s.updates);
    out.put<std::uint32_t>(static_cast<std::uint32_t>(s.gap_by_site.size()));
    for (const auto& [site, gap] : s.gap_by_site) {
      out.put(site);
      out.put(gap);
    }
  }
}

void Detector::load(ByteReader& in) {
  for (Bet& bet : bets_) {
    bet.stake = in.get<double>();
    bet.run = in.get<double>();
    bet.left_floor = Time(Millis(in.get<std::int64_t>()));
  }
  for (Since& s : since_) {
    s.onset = Time(Millis(in.get<std::int64_t>()));
    s.outcomes = in.get<double>();
    s.expected = in.get<double>();
    s.updates = in.get<std::uint64_t>();
    s.gap_by_site.clear();
    const auto sites = in.get<std::uint32_t>();
    for (std::uint32_t i = 0; i < sites && in.ok(); ++i) {
      const auto site = in.get<std::uint16_t>();
      s.gap_by_site[site] = in.get<double>();
    }
  }
}

}  // namespace lacuna::drift
