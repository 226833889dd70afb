#include "model/drift/onset.h"

#include <algorithm>

namespace lacuna::drift {
namespace {

constexpr float kUnlikely = 3;  // log 20

}  // namespace

void Onset::update(double log_gain, double x, double expected, Time at) {
  if (count_ == kPoints) make_room();
  points_[count_++] = {at, 0, 0, 0, 0};
  float most = 0;
  for (std::uint32_t i = 0; i < count_; ++i) {
    Point& p = points_[i];
    p.log_gain += static_cast<float>(log_gain);
    p.updates += 1;
    p.sum += static_cast<float>(x);
    p.expected += static_cast<float>(expected);
    most = std::max(most, p.log_gain);
  }
  // What the outcomes since speak against as an onset, by more than the interval is wide, is none.
  const auto dropped =
      std::remove_if(points_.begin(), points_.begin() + count_, [most](const Point& p) { return p.log_gain < most - kUnlikely; });
  count_ = static_cast<std::uint32_t>(dropped - points_.begin());
  lead_ = most;
}

/// Drops the point whose neighbours are closest together, counted in outcomes and relative to their age; never the likeliest onset.
void Onset::make_room() {
  const auto best =
      std::max_element(points_.begin(), points_.end(), [](const Point& a, const Point& b) { return a.log_gain < b.log_gain; });
  std::size_t drop = 1;
  float narrowest = 1e30f;
  for (std::size_t i = 1; i + 1 < kPoints; ++i) {
    if (points_.begin() + static_cast<std::ptrdiff_t>(i) == best) continue;
    const float width = (points_[i - 1].updates - points_[i + 1].updates) / (points_[i].updates + 1);
    if (width < narrowest) narrowest = width, drop = i;
  }
  std::move(points_.begin() + static_cast<std::ptrdiff_t>(drop) + 1, points_.end(), points_.begin() + static_cast<std::ptrdiff_t>(drop));
  --count_;
}

Onset::Since Onset::estimate() const {
  Since out;
  if (count_ == 0) return out;
  const Point* const begin = points_.data();
  const Point* const end = begin + count_;
  const Point* best = std::max_element(begin, end, [](const Point& a, const Point& b) { return a.log_gain < b.log_gain; });
  out = {best->time, best->time, best->time, best->updates, best->sum, best->expected};
  for (const Point* p = begin; p != end; ++p) {
    if (p->log_gain < best->log_gain - kUnlikely) continue;
    out.earliest = std::min(out.earliest, p->time);
    out.latest = std::max(out.latest, p->time);
  }
  return out;
}

void Onset::save(ByteWriter& out) const {
  out.put(count_);
  for (std::uint32_t i = 0; i < count_; ++i) {
    const Point& p = points_[i];
    out.put<std::int64_t>(p.time.time_since_epoch().count());
    for (const float v : {p.log_gain, p.updates, p.sum, p.expected}) out.put(v);
  }
}

void Onset::load(ByteReader& in) {
  count_ = std::min<std::uint32_t>(in.get<std::uint32_t>(), kPoints);
  lead_ = 0;
  for (std::uint32_t i = 0; i < count_; ++i) {
    Point& p = points_[i];
    p.time = Time(Millis(in.get<std::int64_t>()));
    for (float* v : {&p.log_gain, &p.updates, &p.sum, &p.expected}) *v = in.get<float>();
    lead_ = std::max(lead_, p.log_gain);
  }
}

}  // namespace lacuna::drift
