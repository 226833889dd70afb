#include "state/carried_values.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lacuna::state {

namespace {

// A value that is converted there and back is a few units in the last place off.
constexpr int kUlps = 8;

/// Calls `is` with each number that may have become `here`, until it says true.
template <typename Is>
bool any_behind(const CarriedField& field, double here, Is is) {
  for (std::uint32_t there = 0; there < field.classes.size(); ++there) {
    if (field.classes[there] == static_cast<std::uint32_t>(std::max(here, 0.0)) && is(there)) return true;
  }
  if (!field.classes.empty()) return false;
  double there = field.same_unit() ? here : (here - field.unit.offset) / field.unit.factor;
  if (field.same_unit()) return is(there);
  for (int i = 0; i < kUlps; ++i) there = std::nextafter(there, -std::numeric_limits<double>::infinity());
  for (int i = -kUlps; i <= kUlps; ++i, there = std::nextafter(there, std::numeric_limits<double>::infinity())) {
    if (is(there)) return true;
  }
  return false;
}

std::optional<HistoryChange> carry(const CarriedField& field, HistoryChange change) {
  if (change.kind == HistoryChange::Kind::withdraw) return change;
  const std::optional<double> value = field.value(change.value);
  if (!value) return std::nullopt;
  change.value = *value;
  return change;
}

std::optional<FeatureHistory> carry(const SchemaMapping& grown, const Schema& to, FeatureId feature, const FeatureHistory& stored) {
  FeatureHistory out;
  if (stored.base.count > 0) {
    const std::optional<FeatureState> base = grown.carry(to, feature, stored.base);
    if (!base) return std::nullopt;
    out.base = *base;
  }
  for (HistoryEntry entry : stored.window) {
    const std::optional<double> value = grown.features()[feature]->value(entry.value);
    if (!value) return std::nullopt;
    entry.value = *value;
    out.window.push_back(entry);
  }
  return out;
}

/// How far apart the means are; empty where the two are not of the same values. Means that were carried over are not those of carried
/// values.
std::optional<double> distance(const FeatureState& a, const FeatureState& b) {
  if (a.count != b.count || a.time != b.time || a.comparator != b.comparator) return std::nullopt;
  if (std::abs(a.last - b.last) > 1e-6 * (1 + std::abs(b.last))) return std::nullopt;
  return std::abs(static_cast<double>(a.mean_short) - static_cast<double>(b.mean_short)) +
         std::abs(static_cast<double>(a.mean_long) - static_cast<double>(b.mean_long)) +
         std::abs(static_cast<double>(a.previous) - static_cast<double>(b.previous));
}

}  // namespace

bool was_tagged(const SchemaBook& schemas, FeatureId feature, double value, Time time, Comparator comparator, Tag tag) {
  for (const SchemaBook::Known& earlier : schemas.earlier()) {
    const std::optional<CarriedField>& field = earlier.grown->features()[feature];
    if (!field) continue;
    const Feature& was = earlier.schema->features()[field->from];
    if (any_behind(*field, value, [&](double there) { return same_tag(tag, value_tag(was, there, time, comparator)); })) return true;
  }
  return false;
}

bool was_tagged(const SchemaBook& schemas, const AttributeValue& attribute, Tag tag) {
  for (const SchemaBook::Known& earlier : schemas.earlier()) {
    const std::optional<CarriedField>& field = earlier.grown->attributes()[attribute.attribute];
    if (!field) continue;
    const Attribute& was = earlier.schema->attributes()[field->from];
    if (any_behind(*field, attribute.value, [&](double there) { return same_tag(tag, attribute_tag(was, there)); })) return true;
  }
  return false;
}

std::optional<FeatureHistory> carried_history(const SchemaBook& schemas, FeatureId feature, const FeatureState& known,
                                              const FeatureHistory& stored, std::span<const HistoryChange> changes) {
  const Schema& present = schemas.present();
  const Likelihood likelihood = present.features()[feature].likelihood;
  std::optional<FeatureHistory> best;
  double best_distance = std::numeric_limits<double>::infinity();
  for (const SchemaBook::Known& earlier : schemas.earlier()) {
    const std::optional<CarriedField>& field = earlier.grown->features()[feature];
    if (!field || field->same_unit() || !field->classes.empty()) continue;
    std::optional<FeatureHistory> before = carry(*earlier.grown, present, feature, stored);
    for (std::size_t told_there = 0; before && told_there <= changes.size(); ++told_there) {
      FeatureHistory history = *before;
      for (const HistoryChange& change : changes.subspan(told_there)) apply_change(history, change);
      const std::optional<double> apart = distance(fold(likelihood, history), known);
      if (apart && *apart < best_distance) {
        best_distance = *apart;
        best = std::move(history);
      }
      if (told_there == changes.size()) break;
      const std::optional<HistoryChange> carried = carry(*field, changes[told_there]);
      if (!carried) break;
      apply_change(*before, *carried);
    }
  }
  return best;
}

}  // namespace lacuna::state
