#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

#include "state/records/time.h"

namespace lacuna::daemon {

/// Why a daemon that is ready does less than it should.
struct Degradation {
  std::string_view reason;  ///< one of kDegradedReasons
  Time since{};             ///< wall clock
  friend bool operator==(const Degradation&, const Degradation&) = default;
};
inline constexpr std::array<std::string_view, 3> kDegradedReasons{"wrong_keys", "changelog_wrong", "warming_up"};

/// What degrades the daemon from when it is noticed until kMemory after it was noticed last. One thread.
class DegradedSpell {
 public:
  static constexpr Millis kMemory{std::chrono::hours(1)};

  explicit DegradedSpell(std::string_view reason) : reason_(reason) {}
  /// `now`: wall clock.
  void notice(Time now) {
    if (!spell_ || now - spell_->last > kMemory) spell_ = Spell{now, now};
    spell_->last = now;
  }
  std::vector<Degradation> degraded(Time now) const {
    if (!spell_ || now - spell_->last > kMemory) return {};
    return {{reason_, spell_->first}};
  }

 private:
  struct Spell {
    Time first{}, last{};
  };
  std::string_view reason_;
  std::optional<Spell> spell_;
};

}  // namespace lacuna::daemon
