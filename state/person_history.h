#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "state/records/records.h"

// The recent results of one feature of one patient, and how a correction, a withdrawal or a late value changes what is known of it. Pure
// values and functions.

namespace lacuna::state {

/// One value that holds.
struct HistoryEntry {
  Time time{};
  double value = 0;        ///< natural scale
  std::uint64_t fact = 0;  ///< event_key() or result_key() of what it reports
  Comparator comparator{};
  friend bool operator==(const HistoryEntry&, const HistoryEntry&) = default;
};

/// All values of a feature: the older ones folded together, the recent ones by themselves.
struct FeatureHistory {
  FeatureState base;                 ///< of all values before the window
  std::vector<HistoryEntry> window;  ///< by time, of equal times as they came; none before base.time
  friend bool operator==(const FeatureHistory&, const FeatureHistory&) = default;
};

/// What happens to one value.
struct HistoryChange {
  enum class Kind : std::uint8_t { insert, replace, withdraw };
  Kind kind = Kind::insert;
  std::uint64_t fact = 0;
  Time time{};       ///< of a withdrawal: of what was withdrawn, as far as is known
  double value = 0;  ///< no meaning for a withdrawal
  Comparator comparator{};
  friend bool operator==(const HistoryChange&, const HistoryChange&) = default;
};

/// False: what it means is older than the window. A value that is inserted counts all the same, as state::apply() has it; a replacement or
/// a withdrawal changes nothing. Never trims.
bool apply_change(FeatureHistory& history, const HistoryChange& change);

/// What is known of the feature: what state::apply() gives for these values in the order of their times.
FeatureState fold(Likelihood likelihood, const FeatureHistory& history);
/// The same from what was strictly before `time`; empty where the values before the window do not end before it.
std::optional<FeatureState> fold_before(Likelihood likelihood, const FeatureHistory& history, Time time);

/// The history of which `known` tells: `stored` and the changes since, or as many of the last of these as explain it alone. The schema may
/// have been without the feature for a while, and what was recorded before then does not count any more. Empty where nothing explains it.
std::optional<FeatureHistory> history_behind(const FeatureState& known, Likelihood likelihood, FeatureHistory stored,
                                             std::span<const HistoryChange> changes);

/// Of two persons who are one: all values of both. Where both have values folded together, the newer of the two counts on with the number
/// of both, since which of them came when is not known any more; else it is exact.
FeatureHistory unite(const FeatureHistory& a, const FeatureHistory& b);

/// Folds the oldest values together until at most `entries_max` stand by themselves.
void trim(Likelihood likelihood, FeatureHistory& history, std::size_t entries_max);

}  // namespace lacuna::state
