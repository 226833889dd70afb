#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "state/records/schema_mapping.h"

namespace lacuna::model {

/// Whether what is told of a feature in the order of its classes goes on: each class is where it was. Others may have come behind them.
inline bool classes_stay(const CarriedField& field) {
  for (std::size_t i = 0; i < field.classes.size(); ++i) {
    if (field.classes[i] != static_cast<std::uint32_t>(i)) return false;
  }
  return true;
}

/// `each` statistics to a feature, in the order of the features, as the schema has them that `grown` leads to. Of features that begin,
/// and of those whose classes have moved (normal scores and errors of classes follow their order), as in `fresh`.
template <typename T>
std::vector<T> carried(const std::vector<T>& there, const SchemaMapping& grown, std::size_t each, const T& fresh) {
  std::vector<T> here(grown.features().size() * each, fresh);
  for (std::size_t f = 0; f < grown.features().size(); ++f) {
    const auto& field = grown.features()[f];
    if (!field || !classes_stay(*field)) continue;
    for (std::size_t i = 0; i < each; ++i) here[f * each + i] = there[field->from * each + i];
  }
  return here;
}

}  // namespace lacuna::model
