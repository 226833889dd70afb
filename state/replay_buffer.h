#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "state/records/records.h"

namespace lacuna::state {

/// A place in the replay buffer; the slots of a stratum are numbered 0 .. stored - 1 without gaps.
struct Slot {
  std::uint32_t stratum = 0;
  std::uint32_t index = 0;
  friend auto operator<=>(const Slot&, const Slot&) = default;
};

struct ReplayStratum {
  std::uint64_t hash = 0;     ///< of the site and missingness pattern that opened it
  std::uint64_t offered = 0;  ///< examples ever offered, less what those taken out stood for
  std::uint32_t stored = 0;
  friend bool operator==(const ReplayStratum&, const ReplayStratum&) = default;
};

/// Which site, and which modalities were seen by the time of the example, its own values included.
std::uint64_t stratum_hash(const Schema& schema, const Example& example);

/// The bookkeeping of a stratified reservoir: decides where examples go and which are drawn, and holds none itself. Plain
/// value, no I/O: copy it, offer a batch to the copy, write, then keep the copy.
///
/// Each stratum is a uniform sample of what was offered to it, always. Its fair share is capacity / strata; it may hold
/// more until others need the room, then the fullest gives up random examples one by one. So no room stays unused, and the
/// sum never exceeds the capacity (after the configured capacity was lowered: it falls by kEvictionsMax an offer until it
/// fits). After it was raised, the new room fills with what comes, and its strata lean towards that for a while.
class ReplayBuffer {
 public:
  static constexpr int kEvictionsMax = 4;  ///< per offer, which bounds what one example can cost

  ReplayBuffer(std::size_t capacity, std::size_t strata_max, std::uint64_t seed);
  /// With the strata as they were stored, in order.
  ReplayBuffer(std::size_t capacity, std::size_t strata_max, std::uint64_t seed, std::vector<ReplayStratum> strata);

  /// What to do with one offered example: first, in order, move `last` of each pair into `hole` and delete `last` (they may
  /// be the same slot); then write the example to `put`, if it was taken at all.
  struct Placement {
    struct Eviction {
      Slot hole, last;
    };
    std::vector<Eviction> evicted;
    bool taken = false;
    Slot put;
    std::uint32_t stratum = 0;  ///< whose counters changed (beside those of evicted slots); no meaning with capacity 0
  };
  Placement offer(std::uint64_t hash);

  /// Takes one example out, whatever it was: move `last` into `hole` and delete `last`, as above. The slot must be in use. The room goes to
  /// what is offered next, so its stratum leans towards that a little.
  Placement::Eviction remove(Slot slot);

  /// `count` slots with replacement: a stratum by a power of how often it was offered something, uniform within. While all that came is
  /// held, the power is 1/2: what is rare has more say than in the stream. The smaller the held part of what came, the nearer it is to 1,
  /// where what is drawn is a sample of the whole stream. Empty only when nothing is stored.
  std::vector<Slot> draw(std::size_t count, std::uint64_t seed) const;

  /// The slots at these places, in their order: slots in use are numbered from 0, stratum after stratum. Without places beyond size().
  std::vector<Slot> slots_at(std::span<const std::size_t> places) const;

  std::size_t size() const { return size_; }
  const std::vector<ReplayStratum>& strata() const { return strata_; }

 private:
  std::uint32_t stratum_for(std::uint64_t hash);
  std::uint32_t fullest() const;

  std::size_t capacity_;
  std::size_t strata_max_;
  std::uint64_t seed_;
  std::vector<ReplayStratum> strata_;
  std::size_t size_ = 0;
};

}  // namespace lacuna::state
