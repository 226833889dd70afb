#include "state/carried_values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

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

}  // namespace lacuna::state
