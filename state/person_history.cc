#include "state/person_history.h"

#include <algorithm>
#include <limits>

#include "state/records/feature_state.h"

namespace lacuna::state {

namespace {

bool is_before_window(const FeatureHistory& history, Time time) { return history.base.count > 0 && time < history.base.time; }

void insert(FeatureHistory& history, const HistoryEntry& entry) {
  const auto later = [](Time time, const HistoryEntry& e) { return time < e.time; };
  history.window.insert(std::upper_bound(history.window.begin(), history.window.end(), entry.time, later), entry);
}

}  // namespace

bool apply_change(FeatureHistory& history, const HistoryChange& change) {
  const bool before = is_before_window(history, change.time);
  if (change.kind == HistoryChange::Kind::insert) {
    if (!before) insert(history, {change.time, change.value, change.fact, change.comparator});
    else if (history.base.count < std::numeric_limits<std::uint32_t>::max()) ++history.base.count;
    return !before;
  }
  const auto at = std::find_if(history.window.begin(), history.window.end(), [&](const HistoryEntry& e) { return e.fact == change.fact; });
  if (at == history.window.end()) return false;
  if (change.kind == HistoryChange::Kind::withdraw) {
    history.window.erase(at);
    return true;
  }
  if (at->time == change.time) {
    at->value = change.value, at->comparator = change.comparator;  // in its place: what came at the same time after it still holds
    return true;
  }
  history.window.erase(at);
  // Moved to before the window it counts, as a late value does.
  return apply_change(history, {HistoryChange::Kind::insert, change.fact, change.time, change.value, change.comparator});
}

FeatureState fold(Likelihood likelihood, const FeatureHistory& history) {
  FeatureState out = history.base;
  for (const HistoryEntry& e : history.window) apply_value(likelihood, out, e.value, e.time, e.comparator);
  return out;
}

std::optional<FeatureState> fold_before(Likelihood likelihood, const FeatureHistory& history, Time time) {
  if (history.base.count > 0 && history.base.time >= time) return std::nullopt;
  FeatureState out = history.base;
  for (const HistoryEntry& e : history.window) {
    if (e.time >= time) break;
    apply_value(likelihood, out, e.value, e.time, e.comparator);
  }
  return out;
}

std::optional<FeatureHistory> history_behind(const FeatureState& known, Likelihood likelihood, FeatureHistory stored,
                                             std::span<const HistoryChange> changes) {
  const auto explains = [&](FeatureHistory& history, std::span<const HistoryChange> since) {
    for (const HistoryChange& change : since) apply_change(history, change);
    return fold(likelihood, history) == known;
  };
  if (explains(stored, changes)) return stored;
  for (;; changes = changes.subspan(1)) {
    FeatureHistory alone;
    if (explains(alone, changes)) return alone;
    if (changes.empty()) return std::nullopt;
  }
}

FeatureHistory unite(const FeatureHistory& a, const FeatureHistory& b) {
  const bool a_longer = b.base.count == 0 || (a.base.count > 0 && a.base.time >= b.base.time);
  const FeatureHistory &longer = a_longer ? a : b, &other = a_longer ? b : a;
  FeatureHistory out{longer.base, {}};
  out.base.count += std::min(other.base.count, std::numeric_limits<std::uint32_t>::max() - out.base.count);
  const auto add = [&out](const FeatureHistory& history) {
    for (const HistoryEntry& e : history.window) apply_change(out, {HistoryChange::Kind::insert, e.fact, e.time, e.value, e.comparator});
  };
  add(a);  // of equal times those of `a` come first
  add(b);
  return out;
}

void trim(Likelihood likelihood, FeatureHistory& history, std::size_t entries_max) {
  if (history.window.size() <= entries_max) return;
  const auto end = history.window.end() - static_cast<std::ptrdiff_t>(entries_max);
  for (auto at = history.window.begin(); at != end; ++at) apply_value(likelihood, history.base, at->value, at->time, at->comparator);
  history.window.erase(history.window.begin(), end);
}

}  // namespace lacuna::state
