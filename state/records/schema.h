#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "state/records/payload.h"
#include "state/records/status.h"
#include "state/records/time.h"

namespace lacuna {

/// How a feature's value is distributed, which fixes the scale on which it is standardised, scored and predicted.
enum class Likelihood : std::uint8_t {
  normal,             ///< the value itself
  log_normal,         ///< normal on log(1 + value): values >= 0, zero allowed
  bernoulli,          ///< 0 or 1
  categorical,        ///< index into Feature::categories
  negative_binomial,  ///< counts: whole numbers >= 0
  ordinal,            ///< index into Feature::categories, whose order means something
  student_t,          ///< the value itself, with outliers: heavier tails than a normal's
};
std::string_view to_string(Likelihood likelihood);
std::optional<Likelihood> parse_likelihood(std::string_view name);
/// True for categorical and ordinal: values are given by a category's name and kept as its index.
constexpr bool has_categories(Likelihood l) { return l == Likelihood::categorical || l == Likelihood::ordinal; }
/// True for bernoulli, categorical and ordinal: predicted as class probabilities.
constexpr bool is_discrete(Likelihood l) { return l == Likelihood::bernoulli || has_categories(l); }

/// Position of a feature in Schema::features(), over all modalities: the index of every per-feature array.
using FeatureId = std::uint32_t;
/// Position of a modality in Schema::modalities().
using ModalityId = std::uint32_t;
inline constexpr ModalityId kNoModality = std::numeric_limits<ModalityId>::max();

/// Bounds that Schema::make enforces. A set of modalities fits in 64 bits.
inline constexpr std::size_t kModalitiesMax = 64;
inline constexpr std::size_t kFeaturesMax = 4096;
inline constexpr std::size_t kAttributesMax = 256;
inline constexpr std::size_t kCategoriesMax = 256;  ///< of one feature or attribute
inline constexpr std::size_t kNameBytesMax = 64;    ///< of a name, unit or category

struct Feature {
  std::string name;  ///< unique within its modality, snake_case
  std::string unit;  ///< UCUM code; empty for a pure number
  Likelihood likelihood = Likelihood::normal;
  double low = -std::numeric_limits<double>::infinity();  ///< plausible range, inclusive; outside it a value is refused
  double high = std::numeric_limits<double>::infinity();
  std::vector<std::string> categories;  ///< categorical and ordinal only, at least two
  Millis stale_after{0};                ///< older than this a value is imputed again; 0: the modality's limit
  ModalityId modality = kNoModality;    ///< set by Schema::make
};

struct Modality {
  std::string name;  ///< unique, snake_case
  ModalityKind kind = ModalityKind::tabular;
  PayloadSpec payload{};  ///< of a modality that is not tabular; such a one has no features
  /// Of an image, signal or embedding: plausible range of each value, inclusive; a payload with one outside it is refused.
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  std::optional<double> missing{};  ///< of the same: what a value that was not measured is sent as; compared in single precision
  Millis stale_after{std::chrono::hours(24)};
  FeatureId first_feature = 0;      ///< set by Schema::make: features [first_feature, first_feature + feature_count)
  std::uint32_t feature_count = 0;  ///< set by Schema::make
};

/// A fact about a patient that does not change during a stay (age, sex, ward); carried by events as "attributes".
struct Attribute {
  std::string name;
  std::string unit;
  std::vector<std::string> categories;  ///< empty: a number; else one of these
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool subgroup = false;        ///< error and coverage are reported per part of it (subgroups.h)
  std::vector<double> bands{};  ///< of a number: borders of its parts, rising
  bool outcome = false;         ///< known only once it is over: the model does not read it
};

/// What a deployment declares: modalities, their features, patient attributes. Immutable once made; share by const
/// reference or shared_ptr. Indices are stable for the life of the object.
class Schema {
 public:
  struct ModalitySpec {
    Modality modality;
    std::vector<Feature> features;
  };
  /// Checks names (unique, snake_case), ranges (low < high), categories; gives features their indices in order, and those
  /// whose likelihood admits no negative or no other values the range that says so. `invalid` names every problem at once.
  static Result<Schema> make(std::vector<ModalitySpec> modalities, std::vector<Attribute> attributes);

  const std::vector<Modality>& modalities() const { return modalities_; }
  const std::vector<Feature>& features() const { return features_; }
  const std::vector<Attribute>& attributes() const { return attributes_; }
  std::size_t feature_count() const { return features_.size(); }
  std::size_t modality_count() const { return modalities_.size(); }

  /// kNoModality / empty when there is no such name.
  ModalityId find_modality(std::string_view name) const;
  std::optional<FeatureId> find_feature(ModalityId modality, std::string_view name) const;
  std::optional<std::size_t> find_attribute(std::string_view name) const;

  const Modality& modality_of(FeatureId feature) const { return modalities_[features_[feature].modality]; }
  /// The feature's staleness limit, else its modality's.
  Millis stale_after(FeatureId feature) const;
  /// "modality.feature".
  std::string qualified_name(FeatureId feature) const;
  /// A hash over everything that gives stored arrays their meaning (names, order, likelihoods, categories). Data written
  /// under one fingerprint is not read under another.
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  std::vector<Modality> modalities_;
  std::vector<Feature> features_;
  std::vector<Attribute> attributes_;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace lacuna
