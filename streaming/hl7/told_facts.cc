#include "streaming/hl7/told_facts.h"

#include <utility>

namespace lacuna::streaming::hl7 {

void ToldFacts::clear() {
  used_ = 0;
  if (++round_ != 0) return;
  slots_.assign(slots_.size(), {});  // once in four thousand million messages
  round_ = 1;
}

ToldFacts::Slot& ToldFacts::find(std::uint64_t fact) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = static_cast<std::size_t>(fact) & mask;
  while (slots_[at].round == round_ && slots_[at].fact != fact) at = (at + 1) & mask;
  return slots_[at];
}

std::uint32_t ToldFacts::note(std::uint64_t fact, bool withdraws) {
  if (2 * used_ >= slots_.size()) {
    const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
    for (const Slot& one : before) {
      if (one.round == round_) find(one.fact) = one;
    }
  }
  Slot& slot = find(fact);
  if (slot.round != round_) {
    slot = {fact, round_, 0, 0};
    used_ += 1;
  }
  return ++(withdraws ? slot.withdrawn : slot.valued);
}

}  // namespace lacuna::streaming::hl7
