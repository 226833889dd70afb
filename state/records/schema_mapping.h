#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "state/records/records.h"
#include "state/records/schema.h"
#include "state/records/status.h"
#include "state/records/units.h"

// A schema that has grown: what was stored under one is carried over to another by name.

namespace lacuna {

/// Where a feature or attribute was before.
struct CarriedField {
  std::uint32_t from = 0;  ///< its position there
  UnitConversion unit{};   ///< value here = factor x value there + offset; of numbers
  /// By class there: the class here; empty entries are gone. Empty: no classes, or the same ones.
  std::vector<std::optional<std::uint32_t>> classes{};
  bool same_unit() const { return unit.factor == 1 && unit.offset == 0; }
  /// A value of there as one of here; empty where its class is gone.
  std::optional<double> value(double there) const;
};

/// One thing that differs between two schemas, in words for people.
struct SchemaChange {
  enum class Effect : std::uint8_t {
    kept,     ///< everything goes on: an order, a range, a staleness limit, a unit that converts
    begins,   ///< new: nothing is known of it
    dropped,  ///< what is known of it is forgotten
  };
  Effect effect = Effect::kept;
  std::string subject;  ///< "vitals.hr", "attributes.age", "chest_film"
  std::string what;     ///< "new", "gone", "unit mg/dL becomes mmol/L: values are converted"
};

/// From what was written under one schema to another. Immutable, by value; holds no reference to either.
///
/// A feature stays when its modality's name and its own are the same, its likelihood is, and its unit converts; counts keep only an equal
/// unit. Else it begins anew, and the old one is dropped. Classes are matched by name. Payload modalities stay as they are.
class SchemaMapping {
 public:
  /// `unsupported`: both have a modality of this name, of another kind or, of payloads, another shape: nothing leads from one to the
  /// other. The message names it, and the way out.
  static Result<SchemaMapping> make(const Schema& from, const Schema& to);

  /// Positions, units and classes are the same: records can be taken as they are.
  bool identity() const { return identity_; }
  std::size_t from_feature_count() const { return from_features_; }
  std::size_t from_modality_count() const { return from_modalities_; }
  std::size_t from_attribute_count() const { return from_attributes_; }

  /// By position here; empty: it begins here.
  const std::vector<std::optional<CarriedField>>& features() const { return features_; }
  const std::vector<std::optional<ModalityId>>& modalities() const { return modalities_; }
  const std::vector<std::optional<CarriedField>>& attributes() const { return attributes_; }
  /// By position there; empty: it is gone.
  std::optional<FeatureId> feature_to(FeatureId there) const;
  std::optional<ModalityId> modality_to(ModalityId there) const;

  /// What is known of one feature; empty where its class is gone. `to`: the schema carried to.
  std::optional<FeatureState> carry(const Schema& to, FeatureId here, const FeatureState& there) const;
  /// What was stored under the one as the other has it. `dropped` (may be null) counts features, attributes and payloads that went.
  Snapshot carry(const Schema& to, const Snapshot& there, std::uint64_t* dropped = nullptr) const;
  Example carry(const Schema& to, const Example& there, std::uint64_t* dropped = nullptr) const;

  /// All that differs; empty when nothing does.
  const std::vector<SchemaChange>& changes() const { return changes_; }

 private:
  SchemaMapping() = default;
  void map_features(const Schema& from, const Schema& to);
  void map_attributes(const Schema& from, const Schema& to);
  void note(SchemaChange::Effect effect, std::string subject, std::string what);

  bool identity_ = true;
  std::size_t from_features_ = 0, from_modalities_ = 0, from_attributes_ = 0;
  std::vector<std::optional<CarriedField>> features_, attributes_;
  std::vector<std::optional<ModalityId>> modalities_;
  std::vector<std::optional<FeatureId>> feature_to_;
  std::vector<std::optional<ModalityId>> modality_to_;
  std::vector<SchemaChange> changes_;
};

}  // namespace lacuna
