#include "state/replay_buffer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "state/records/hash.h"

namespace lacuna::state {

namespace {

// Salts keep the decisions of one offer independent of each other.
constexpr std::uint64_t kPlaceSalt = 1;
constexpr std::uint64_t kEvictSalt = 2;
/// Weights are compared in whole numbers, the same everywhere.
constexpr double kWeightScale = 1024;

std::uint64_t draw_hash(std::uint64_t seed, std::uint64_t stratum, std::uint64_t n, std::uint64_t salt) {
  return mix64(mix64(mix64(seed ^ mix64(stratum)) + n) + salt);
}

}  // namespace

std::uint64_t stratum_hash(const Schema& schema, const Example& example) {
  static_assert(kModalitiesMax <= 64, "a pattern is one word");
  std::uint64_t seen = 0;
  for (std::size_t m = 0; m < example.before.modalities.size(); ++m) {
    if (example.before.modalities[m].count > 0) seen |= std::uint64_t{1} << m;
  }
  for (const FeatureValue& v : example.arrived) seen |= std::uint64_t{1} << schema.features().at(v.feature).modality;
  for (const PayloadValue& v : example.arrived_payloads) seen |= std::uint64_t{1} << v.modality;
  return hash64(example.before.site, mix64(seen));
}

ReplayBuffer::ReplayBuffer(std::size_t capacity, std::size_t strata_max, std::uint64_t seed)
    : ReplayBuffer(capacity, strata_max, seed, {}) {}

ReplayBuffer::ReplayBuffer(std::size_t capacity, std::size_t strata_max, std::uint64_t seed, std::vector<ReplayStratum> strata)
    : capacity_(std::min<std::size_t>(capacity, std::numeric_limits<std::uint32_t>::max())),
      strata_max_(std::max<std::size_t>(1, std::min(strata_max, capacity))),  // each one needs a slot
      seed_(seed),
      strata_(std::move(strata)) {
  for (const ReplayStratum& s : strata_) size_ += s.stored;
}

std::uint32_t ReplayBuffer::stratum_for(std::uint64_t hash) {
  const auto it = std::find_if(strata_.begin(), strata_.end(), [hash](const ReplayStratum& s) { return s.hash == hash; });
  if (it != strata_.end()) return static_cast<std::uint32_t>(it - strata_.begin());
  if (strata_.size() < strata_max_) strata_.push_back({hash, 0, 0});
  return static_cast<std::uint32_t>(strata_.size() - 1);
}

std::uint32_t ReplayBuffer::fullest() const {
  const auto it =
      std::max_element(strata_.begin(), strata_.end(), [](const ReplayStratum& a, const ReplayStratum& b) { return a.stored < b.stored; });
  return static_cast<std::uint32_t>(it - strata_.begin());
}

ReplayBuffer::Placement ReplayBuffer::offer(std::uint64_t hash) {
  Placement out;
  if (capacity_ == 0) return out;
  out.stratum = stratum_for(hash);
  const std::size_t share = std::max<std::size_t>(1, capacity_ / strata_.size());
  const std::uint64_t n = ++strata_[out.stratum].offered;
  const std::uint64_t key = strata_[out.stratum].hash;

  const std::size_t wanted = strata_[out.stratum].stored < share ? 1 : 0;
  for (int i = 0; i < kEvictionsMax && size_ + wanted > capacity_; ++i) {
    const std::uint32_t from = fullest();
    const std::uint64_t r = draw_hash(seed_, key, n, kEvictSalt + static_cast<std::uint64_t>(i));
    ReplayStratum& victim = strata_[from];
    out.evicted.push_back({{from, static_cast<std::uint32_t>(r % victim.stored)}, {from, victim.stored - 1}});
    victim.stored -= 1;
    size_ -= 1;
  }

  ReplayStratum& own = strata_[out.stratum];
  // There is room only while nothing was ever turned away, or just now made by the fullest stratum for one that never
  // turned any away itself; so whoever grows holds all it was offered, and stays a uniform sample.
  if (size_ < capacity_) {
    out.taken = true;
    out.put = {out.stratum, own.stored};
    own.stored += 1;
    size_ += 1;
    return out;
  }
  // Vitter's algorithm R: the n-th example enters with probability stored / n, which keeps the sample uniform whatever
  // number of slots is left after evictions at random.
  const std::uint64_t place = draw_hash(seed_, key, n, kPlaceSalt) % n;
  if (place < own.stored) {
    out.taken = true;
    out.put = {out.stratum, static_cast<std::uint32_t>(place)};
  }
  return out;
}

ReplayBuffer::Placement::Eviction ReplayBuffer::remove(Slot slot) {
  ReplayStratum& stratum = strata_.at(slot.stratum);
  stratum.offered -= stratum.offered / stratum.stored;  // what it stood for: those that stay are not drawn in its place
  stratum.stored -= 1;
  size_ -= 1;
  return {slot, {slot.stratum, stratum.stored}};
}

std::vector<Slot> ReplayBuffer::draw(std::size_t count, std::uint64_t seed) const {
  std::vector<std::uint64_t> reached;  // by stratum: the weights of it and of those before it
  std::uint64_t all = 0;
  double offered = 0;
  for (const ReplayStratum& s : strata_) offered += static_cast<double>(s.offered);
  const double power = 1 - 0.5 * std::min(static_cast<double>(size_) / std::max(offered, 1.0), 1.0);
  for (const ReplayStratum& s : strata_) {
    const double weight = s.stored > 0 ? std::pow(static_cast<double>(s.offered), power) : 0;
    reached.push_back(all += static_cast<std::uint64_t>(weight * kWeightScale));
  }
  std::vector<Slot> out;
  if (all == 0) return out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t r = mix64(mix64(seed) + i);
    const auto s = static_cast<std::uint32_t>(std::upper_bound(reached.begin(), reached.end(), r % all) - reached.begin());
    out.push_back({s, static_cast<std::uint32_t>(mix64(r) % strata_[s].stored)});
  }
  return out;
}

std::vector<Slot> ReplayBuffer::slots_at(std::span<const std::size_t> places) const {
  std::vector<Slot> out;
  out.reserve(places.size());
  for (std::size_t place : places) {
    for (std::uint32_t s = 0; s < strata_.size(); ++s) {
      if (place < strata_[s].stored) {
        out.push_back({s, static_cast<std::uint32_t>(place)});
        break;
      }
      place -= strata_[s].stored;
    }
  }
  return out;
}

}  // namespace lacuna::state
