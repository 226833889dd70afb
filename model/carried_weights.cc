#include "model/carried_weights.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>

#include "model/network.h"

namespace lacuna::model {

namespace {

/// By position here, the position there.
using Positions = std::vector<std::int64_t>;
constexpr std::int64_t kNew = kNewWeight;

Positions same(std::int64_t count) {
  Positions out(static_cast<std::size_t>(count));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

/// Of a carried field's `count` classes.
Positions classes_of(const CarriedField& field, std::size_t count) {
  if (field.classes.empty()) return same(static_cast<std::int64_t>(count));
  Positions out(count, kNew);
  for (std::size_t there = 0; there < field.classes.size(); ++there) {
    if (field.classes[there]) out[*field.classes[there]] = static_cast<std::int64_t>(there);
  }
  return out;
}

/// A network's shape under one schema.
struct Side {
  Side(const Schema& of, const ModelOptions& options, std::int64_t columns)
      : schema(of), layout(of, options.two_sided, columns), weights(layout, options) {
    for (FeatureId f = 0; f < layout.likelihoods.size(); ++f) {
      if (layout.likelihoods[f] == Likelihood::ordinal) ordinals.push_back(f);
    }
    for (const PayloadSlot& slot : layout.payloads) slots[slot.modality] = static_cast<std::int64_t>(slots.size());
  }
  std::int64_t place(FeatureId f) const {
    const Feature& feature = schema.features()[f];
    return feature.modality * weights.widest + f - schema.modalities()[feature.modality].first_feature;
  }
  const Schema& schema;
  const InputLayout layout;
  NetworkWeights weights;
  std::vector<FeatureId> ordinals;
  std::map<ModalityId, std::int64_t> slots;
};

/// Where what lies along each kind of dimension was before.
class Axes {
 public:
  Axes(const Side& from, const Side& to, const SchemaMapping& mapping) : from_(from), to_(to), mapping_(mapping) {
    places_.resize(static_cast<std::size_t>(to.layout.modalities * to.weights.widest), kNoFeature);
    for (FeatureId f = 0; f < to.schema.feature_count(); ++f) places_[static_cast<std::size_t>(to.place(f))] = f;
  }

  static constexpr FeatureId kNoFeature = std::numeric_limits<FeatureId>::max();
  /// To which a position leads.
  FeatureId feature_at(Axis axis, std::int64_t position) const {
    const auto at = static_cast<std::size_t>(position);
    if (axis == Axis::feature) return static_cast<FeatureId>(position);
    if (axis == Axis::place) return places_[at];
    return axis == Axis::ordinal ? to_.ordinals[at] : kNoFeature;
  }

  /// `feature`: to which the weight's first dimension leads; it is carried.
  Positions along(const Dimension& here, FeatureId feature) const {
    switch (here.axis) {
      case Axis::fixed: return same(here.size);
      case Axis::modality: return modalities();
      case Axis::feature: return features([](FeatureId f) { return static_cast<std::int64_t>(f); }, all_features());
      case Axis::place: return features([this](FeatureId f) { return from_.place(f); }, places_);
      case Axis::ordinal: return features([this](FeatureId f) { return ordinal(f); }, to_.ordinals);
      case Axis::context: return context();
      case Axis::payload: return payloads();
      case Axis::past: return past(feature);
      case Axis::output: return output(here.size, feature);
      case Axis::cut: return cuts(here.size, feature);
    }
    throw std::logic_error("no such axis");
  }

 private:
  std::vector<FeatureId> all_features() const {
    std::vector<FeatureId> out(to_.schema.feature_count());
    std::iota(out.begin(), out.end(), 0);
    return out;
  }
  std::int64_t ordinal(FeatureId there) const {
    return std::find(from_.ordinals.begin(), from_.ordinals.end(), there) - from_.ordinals.begin();
  }
  template <typename Place>
  Positions features(Place&& place, const std::vector<FeatureId>& here) const {
    Positions out;
    for (const FeatureId f : here) {
      const bool stays = f != kNoFeature && mapping_.features()[f];
      out.push_back(stays ? place(mapping_.features()[f]->from) : kNew);
    }
    return out;
  }
  Positions modalities() const {
    Positions out;
    for (const auto& there : mapping_.modalities()) out.push_back(there ? static_cast<std::int64_t>(*there) : kNew);
    return out;
  }
  Positions payloads() const {
    Positions out;
    for (const PayloadSlot& slot : to_.layout.payloads) {
      const auto there = mapping_.modalities()[slot.modality];
      out.push_back(there ? from_.slots.at(*there) : kNew);
    }
    return out;
  }
  Positions classes(FeatureId f) const {
    return classes_of(*mapping_.features()[f], static_cast<std::size_t>(to_.layout.category_counts[f]));
  }

  Positions past(FeatureId f) const {
    Positions out(static_cast<std::size_t>(to_.layout.past), kNew);
    const Positions classes = this->classes(f);
    for (std::int64_t here = 0, there = 0; here < to_.layout.past; here += to_.layout.side, there += from_.layout.side) {
      std::iota(out.begin() + here, out.begin() + here + from_.layout.columns, there);
      std::fill(out.begin() + here + from_.layout.columns, out.begin() + here + to_.layout.columns, kZeroWeight);
      for (std::size_t c = 0; c < classes.size(); ++c) {
        if (classes[c] != kNew) out[static_cast<std::size_t>(here + to_.layout.columns) + c] = there + from_.layout.columns + classes[c];
      }
    }
    return out;
  }
  Positions output(std::int64_t size, FeatureId f) const {
    Positions out = to_.layout.likelihoods[f] == Likelihood::categorical ? classes(f) : same(kOutColumns);
    out.resize(static_cast<std::size_t>(size), kNew);
    return out;
  }
  Positions cuts(std::int64_t size, FeatureId f) const {
    Positions out = classes(f);
    for (std::size_t c = out.size(); c-- > 0;) {
      const bool stands = c == 0 ? out[0] == 0 : out[c] != kNew && out[c - 1] != kNew && out[c] == out[c - 1] + 1;
      if (!stands) out[c] = kNew;
    }
    out.resize(static_cast<std::size_t>(size), kNew);
    return out;
  }
  Positions context() const {
    Positions out = same(2);
    std::vector<std::int64_t> starts;
    std::int64_t at = 2;
    const auto width = [](const Attribute& a) { return a.categories.empty() ? 2 : static_cast<std::int64_t>(a.categories.size()); };
    for (const Attribute& a : from_.schema.attributes()) {
      starts.push_back(at);
      at += width(a);
    }
    for (std::size_t a = 0; a < to_.schema.attributes().size(); ++a) {
      const auto& field = mapping_.attributes()[a];
      const auto count = static_cast<std::size_t>(width(to_.schema.attributes()[a]));
      for (const std::int64_t c : field ? classes_of(*field, count) : Positions(count, kNew)) {
        out.push_back(c == kNew ? kNew : starts[field->from] + c);
      }
    }
    return out;
  }

  const Side &from_, &to_;
  const SchemaMapping& mapping_;
  std::vector<FeatureId> places_;
};

/// Fills in where the numbers of one weight were.
class Walk {
 public:
  Walk(const Axes& axes, const WeightShape& here, const WeightShape& there, Positions& out)
      : axes_(axes), here_(here.dimensions), there_(there.dimensions), out_(out) {}

  void from(std::size_t dimension, std::int64_t at_here, std::int64_t at_there, FeatureId feature) {
    if (dimension == here_.size()) {
      out_[static_cast<std::size_t>(at_here)] = at_there;
      return;
    }
    const Dimension &here = here_[dimension], &there = there_[dimension];
    const Positions positions = axes_.along(here, feature);
    for (std::int64_t i = 0; i < here.size; ++i) {
      const std::int64_t was = positions[static_cast<std::size_t>(i)];
      if (was == kNew) continue;
      if (was == kZeroWeight) {
        zero(dimension + 1, at_here * here.size + i);
        continue;
      }
      if (was >= there.size) throw std::logic_error("a weight has another shape than its schema gives it");
      from(dimension + 1, at_here * here.size + i, at_there * there.size + was, dimension == 0 ? axes_.feature_at(here.axis, i) : feature);
    }
  }

 private:
  void zero(std::size_t dimension, std::int64_t at) {
    std::int64_t count = 1;
    for (std::size_t d = dimension; d < here_.size(); ++d) count *= here_[d].size;
    std::fill_n(out_.begin() + at * count, count, kZeroWeight);
  }

  const Axes& axes_;
  const std::vector<Dimension>&here_, &there_;
  Positions& out_;
};

std::int64_t size_of(const WeightShape& weight) {
  std::int64_t size = 1;
  for (const Dimension& d : weight.dimensions) size *= d.size;
  return size;
}

}  // namespace

std::vector<std::int64_t> carried_weights(const Schema& from, const Schema& to, const SchemaMapping& mapping, const ModelOptions& options,
                                          std::int64_t columns) {
  if (mapping.identity() && columns == kPastColumns) return same(Network::parameter_count(InputLayout(to, options.two_sided), options));
  Side before(from, options, columns), now(to, options, kPastColumns);
  struct Placed {
    WeightShape weight;
    std::int64_t start = 0;
  };
  std::map<std::string, Placed> known;
  std::int64_t start = 0;
  before.weights.visit([&](torch::Tensor&, const WeightShape& weight) {
    known[weight.name] = {weight, start};
    start += size_of(weight);
  });
  const Axes axes(before, now, mapping);
  Positions out;
  now.weights.visit([&](torch::Tensor&, const WeightShape& weight) {
    Positions within(static_cast<std::size_t>(size_of(weight)), kNew);
    if (const auto it = known.find(weight.name); it != known.end()) {
      Walk(axes, weight, it->second.weight, within).from(0, 0, 0, Axes::kNoFeature);
      for (std::int64_t& position : within) position += position < 0 ? 0 : it->second.start;
    }
    out.insert(out.end(), within.begin(), within.end());
  });
  return out;
}

}  // namespace lacuna::model
