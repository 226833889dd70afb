#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "state/records/comparator.h"
#include "state/records/schema.h"
#include "streaming/messages/refusal.h"

// What a schema says about one feature or attribute, in the form that readers of messages and files ask for. Private to
// streaming/.

namespace lacuna::streaming {

/// Why one value was not taken. The text speaks of the schema, never of the value.
struct ValueProblem {
  Refusal reason;
  std::string message;
};

/// A place where a value can go.
struct SchemaField {
  std::string name;  ///< "hr"
  std::string path;  ///< "vitals.hr", "attributes.age"
  std::string unit;
  Likelihood likelihood = Likelihood::normal;  ///< attributes: categorical or normal
  double low = 0;
  double high = 0;
  std::vector<std::string> categories;

  /// The value as it goes into a record, or why not.
  std::optional<ValueProblem> from_number(double number, double& out) const;
  /// The same of one that is censored: the limit is held against the range as a number is.
  std::optional<ValueProblem> from_limit(double number, Comparator comparator, double& out) const;
  std::optional<ValueProblem> from_text(std::string_view text, double& out) const;
  std::optional<ValueProblem> from_truth(bool truth, double& out) const;
};

/// All features and attributes of a schema, and their names. Immutable; the schema must outlive it.
class SchemaIndex {
 public:
  explicit SchemaIndex(const Schema& schema);
  SchemaIndex(const SchemaIndex&) = delete;  // its lookups point into itself
  SchemaIndex& operator=(const SchemaIndex&) = delete;

  const Schema& schema() const { return schema_; }
  const SchemaField& feature(FeatureId id) const { return features_[id]; }
  const SchemaField& attribute(std::size_t index) const { return attributes_[index]; }

  /// kNoModality / empty when there is no such name.
  ModalityId find_modality(std::string_view name) const;
  std::optional<FeatureId> find_feature(ModalityId modality, std::string_view name) const;
  std::optional<std::size_t> find_attribute(std::string_view name) const;

 private:
  using Names = std::unordered_map<std::string_view, std::uint32_t>;
  const Schema& schema_;
  std::vector<SchemaField> features_;
  std::vector<SchemaField> attributes_;
  Names modality_names_;
  std::vector<Names> feature_names_;  // by modality
  Names attribute_names_;
};

/// True for what could be a name of the schema. Only such texts are quoted in refusals: anything else in a place where
/// a name belongs may be a patient's data.
bool is_quotable_name(std::string_view text);

/// An identifier as messages carry it: empty when it is fine, else what is wrong with it.
std::optional<ValueProblem> check_id(std::string_view member, std::string_view text, std::size_t bytes_max);

}  // namespace lacuna::streaming
