#pragma once

#include <set>
#include <string>
#include <vector>

#include "model/network.h"

// Every weight of a network by a name that its schema gives it: the slow, plain way to say which of two networks' weights are the same.

namespace lacuna::model::testing {

/// By position in the flat tensor; empty where a weight belongs to nothing (padding). Features (qualified) and attributes in `other` get
/// a name that no other schema gives.
inline std::vector<std::string> weight_names(const Schema& schema, const ModelOptions& options, const std::set<std::string>& other = {}) {
  const InputLayout layout(schema, options.two_sided);
  NetworkWeights weights(layout, options);
  std::vector<std::string> out;
  const auto marked = [&](const std::string& name) { return other.contains(name) ? name + "!" : name; };
  std::vector<std::string> ordinals, places, context{"stay0", "stay1"}, payloads;
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    if (schema.features()[f].likelihood == Likelihood::ordinal) ordinals.push_back(schema.qualified_name(f));
  }
  for (const Modality& m : schema.modalities()) {
    if (m.kind != ModalityKind::tabular) payloads.push_back(m.name);
    for (std::int64_t i = 0; i < weights.widest; ++i) {
      places.push_back(i < m.feature_count ? schema.qualified_name(m.first_feature + static_cast<FeatureId>(i)) : "");
    }
  }
  for (const Attribute& a : schema.attributes()) {
    if (a.categories.empty()) {
      context.push_back(marked(a.name) + "/mask");
      context.push_back(marked(a.name) + "/value");
    }
    for (const std::string& c : a.categories) context.push_back(marked(a.name) + "/" + c);
  }
  const auto feature = [&](const std::string& name) -> const Feature& {
    const auto dot = name.find('.');
    return schema.features()[*schema.find_feature(schema.find_modality(name.substr(0, dot)), name.substr(dot + 1))];
  };
  // Of one position; `of`: the feature that the first dimension gave.
  const auto part = [&](Axis axis, std::int64_t i, const std::string& of) -> std::string {
    const auto at = static_cast<std::size_t>(i);
    switch (axis) {
      case Axis::fixed: return std::to_string(i);
      case Axis::modality: return schema.modalities()[at].name;
      case Axis::feature: return schema.qualified_name(static_cast<FeatureId>(i));
      case Axis::place: return places[at];
      case Axis::ordinal: return ordinals[at];
      case Axis::context: return context[at];
      case Axis::payload: return payloads[at];
      case Axis::past: {
        const std::string side = std::to_string(i / layout.side);
        const std::int64_t column = i % layout.side;
        if (column < kPastColumns) return side + "/" + std::to_string(column);
        const auto& classes = feature(of).categories;
        const auto c = static_cast<std::size_t>(column - kPastColumns);
        return c < classes.size() ? side + "/is " + classes[c] : "";
      }
      case Axis::output: {
        const auto& classes = feature(of).categories;
        if (feature(of).likelihood == Likelihood::categorical) return at < classes.size() ? "is " + classes[at] : "";
        return i < kOutColumns ? std::to_string(i) : "";
      }
      case Axis::cut: {
        const auto& classes = feature(of).categories;
        if (at >= classes.size()) return "";
        return at == 0 ? "first above " + classes[0] : "from above " + classes[at - 1] + " to above " + classes[at];
      }
    }
    return "";
  };
  weights.visit([&](torch::Tensor&, const WeightShape& weight) {
    std::int64_t size = 1;
    for (const Dimension& d : weight.dimensions) size *= d.size;
    for (std::int64_t n = 0; n < size; ++n) {
      std::string name = weight.name, of;
      std::int64_t left = n, block = size;
      for (std::size_t d = 0; d < weight.dimensions.size(); ++d) {
        block /= weight.dimensions[d].size;
        const std::string next = part(weight.dimensions[d].axis, left / block, of);
        left %= block;
        if (d == 0) of = next;
        if (next.empty()) {
          name.clear();
          break;
        }
        name += "|" + marked(next);
      }
      out.push_back(name);
    }
  });
  return out;
}

}  // namespace lacuna::model::testing
