#include "state/records/schema.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "state/records/hash.h"

namespace lacuna {

namespace {

constexpr std::array<std::string_view, 7> kLikelihoodNames{"normal",  "log_normal", "bernoulli", "categorical", "negative_binomial",
                                                           "ordinal", "student_t"};

template <typename E, std::size_t N>
std::optional<E> parse_enum(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto it = std::find(names.begin(), names.end(), name);
  if (it == names.end()) return std::nullopt;
  return static_cast<E>(it - names.begin());
}

// Lower-case snake_case. Names become parts of "modality.feature", of alert ids and of metric labels, none of which
// quote anything.
bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || name.front() < 'a' || name.front() > 'z') return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

bool is_unit(std::string_view unit) {
  return unit.size() <= kNameBytesMax && std::all_of(unit.begin(), unit.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// Collects everything that is wrong, so that an author corrects a schema once and not problem by problem.
class Problems {
 public:
  void add(const std::string& where, const std::string& what) { all_.push_back(where + ": " + what); }

  void check_name(const std::string& where, std::string_view name, std::set<std::string>& seen) {
    if (name.empty()) return add(where, "the name is empty");
    if (!is_name(name)) {
      add(where, "the name must be lower-case letters, digits and '_', start with a letter, and have at most " +
                     std::to_string(kNameBytesMax) + " bytes");
    }
    if (!seen.insert(std::string(name)).second) add(where, "the name is used twice");
  }
  void check_unit(const std::string& where, std::string_view unit) {
    if (!is_unit(unit)) add(where, "the unit must be a UCUM code: printable ASCII without blanks");
  }
  void check_categories(const std::string& where, const std::vector<std::string>& categories) {
    if (categories.size() > kCategoriesMax) add(where, "more than " + std::to_string(kCategoriesMax) + " categories");
    std::set<std::string_view> seen;
    for (const std::string& category : categories) {
      if (category.empty()) add(where, "a category is empty");
      if (category.size() > kNameBytesMax) add(where, "a category has more than " + std::to_string(kNameBytesMax) + " bytes");
      if (!seen.insert(category).second) add(where, "the category '" + category + "' is given twice");
    }
  }
  void check_range(const std::string& where, double low, double high) {
    if (std::isnan(low) || std::isnan(high)) return add(where, "a limit of the range is not a number");
    if (!(low < high)) add(where, "the range is empty: low must be below high");
  }
  Status status() const {
    if (all_.empty()) return {};
    std::string text = "schema: " + std::to_string(all_.size()) + (all_.size() == 1 ? " problem: " : " problems: ");
    for (std::size_t i = 0; i < all_.size(); ++i) text += (i == 0 ? "" : "; ") + all_[i];
    return {Code::invalid, text};
  }

 private:
  std::vector<std::string> all_;
};

// A discrete likelihood has one possible range; one that was given must be that one, one that was not becomes it.
void fix_discrete_range(Problems& problems, const std::string& where, Feature& feature, double high) {
  if (feature.low == -std::numeric_limits<double>::infinity()) feature.low = 0;
  if (feature.high == std::numeric_limits<double>::infinity()) feature.high = high;
  if (feature.low != 0 || feature.high != high) problems.add(where, "a discrete feature takes no range");
}

void check_feature(Problems& problems, const std::string& where, Feature& feature) {
  problems.check_unit(where, feature.unit);
  problems.check_categories(where, feature.categories);
  if (feature.stale_after < Millis(0)) problems.add(where, "stale_after is negative");
  const Likelihood likelihood = feature.likelihood;
  if (!has_categories(likelihood) && !feature.categories.empty()) {
    problems.add(where, "only a categorical or ordinal feature has categories");
  }
  if (has_categories(likelihood)) {
    if (feature.categories.size() < 2) {
      const char* article = likelihood == Likelihood::ordinal ? "an " : "a ";
      return problems.add(where, article + std::string(to_string(likelihood)) + " feature needs at least two categories");
    }
    return fix_discrete_range(problems, where, feature, static_cast<double>(feature.categories.size() - 1));
  }
  if (likelihood == Likelihood::bernoulli) return fix_discrete_range(problems, where, feature, 1);
  if (likelihood != Likelihood::normal && likelihood != Likelihood::student_t) {
    // A negative value has no place on these scales, so the plausible range keeps it out from the start.
    if (feature.low == -std::numeric_limits<double>::infinity()) feature.low = 0;
    if (feature.low < 0) problems.add(where, "low must not be negative with this likelihood");
  }
  problems.check_range(where, feature.low, feature.high);
}

void check_payload_spec(Problems& problems, const std::string& where, const Modality& modality) {
  const PayloadSpec& spec = modality.payload;
  const auto needs = [&](const char* key, std::uint32_t value, std::uint32_t most) {
    if (value < 1 || value > most) problems.add(where, std::string(key) + " must be 1 to " + std::to_string(most));
  };
  switch (modality.kind) {
    case ModalityKind::tabular: return;
    case ModalityKind::image:
      needs("height", spec.height, kPayloadValuesMax);
      needs("width", spec.width, kPayloadValuesMax);
      needs("channels", spec.channels, kPayloadValuesMax);
      break;
    case ModalityKind::signal:
      needs("channels", spec.channels, kPayloadValuesMax);
      needs("length", spec.length, kPayloadValuesMax);
      break;
    case ModalityKind::embedding: needs("length", spec.length, kPayloadValuesMax); break;
    case ModalityKind::text:
      needs("length", spec.length, kTextTokensMax);
      if (spec.vocabulary.empty()) needs("vocabulary_size", spec.vocabulary_size, kVocabularyMax);
      if (spec.vocabulary.size() > kVocabularyMax) problems.add(where, "more than " + std::to_string(kVocabularyMax) + " words");
      if (std::set<std::string_view>(spec.vocabulary.begin(), spec.vocabulary.end()).size() != spec.vocabulary.size()) {
        problems.add(where, "a word of the vocabulary is given twice");
      }
      return;
  }
  if (spec.value_count(modality.kind) > kPayloadValuesMax) {
    problems.add(where, "a payload has more than " + std::to_string(kPayloadValuesMax) + " values");
  }
}

// A range and a mark are of the numbers that a payload holds.
void check_payload_values(Problems& problems, const std::string& where, const Modality& modality) {
  if (modality.kind == ModalityKind::tabular || modality.kind == ModalityKind::text) {
    const bool open = std::isinf(modality.low) && std::isinf(modality.high);
    const std::string kind = "a modality of kind " + std::string(to_string(modality.kind));
    if (!open) problems.add(where, kind + " has no range");
    if (modality.missing) problems.add(where, kind + " has no mark for missing");
    return;
  }
  problems.check_range(where, modality.low, modality.high);
  if (modality.missing && !(std::abs(*modality.missing) <= std::numeric_limits<float>::max())) {
    problems.add(where, "missing is not finite in single precision");
  }
}

// Each part goes in with its length, so that no two schemas run together into the same bytes.
class Fingerprint {
 public:
  void add(std::string_view text) {
    add(text.size());
    value_ = hash64(text, value_);
  }
  void add(std::uint64_t number) { value_ = mix64(value_ ^ mix64(number)); }
  void add(const std::vector<std::string>& texts) {
    add(texts.size());
    for (const std::string& text : texts) add(text);
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0x6c6163756e61ULL;
};

std::uint64_t fingerprint_of(const Schema& schema) {
  Fingerprint print;
  print.add(schema.modalities().size());
  for (const Modality& modality : schema.modalities()) {
    print.add(modality.name);
    print.add(static_cast<std::uint64_t>(modality.kind));
    print.add(modality.feature_count);
    if (modality.kind == ModalityKind::tabular) continue;
    const PayloadSpec& spec = modality.payload;
    for (const std::uint32_t size : {spec.channels, spec.height, spec.width, spec.length, spec.vocabulary_size}) print.add(size);
    print.add(static_cast<std::uint64_t>(spec.text_model));
    print.add(spec.vocabulary);
  }
  // Units are part of it: a stored 5 means something else once mmol/L became mg/dL.
  for (const Feature& feature : schema.features()) {
    print.add(feature.name);
    print.add(feature.unit);
    print.add(static_cast<std::uint64_t>(feature.likelihood));
    print.add(feature.categories);
  }
  print.add(schema.attributes().size());
  for (const Attribute& attribute : schema.attributes()) {
    print.add(attribute.name);
    print.add(attribute.unit);
    print.add(attribute.categories);
  }
  return print.value();
}

}  // namespace

std::string_view to_string(Likelihood likelihood) { return kLikelihoodNames.at(static_cast<std::size_t>(likelihood)); }
std::optional<Likelihood> parse_likelihood(std::string_view name) { return parse_enum<Likelihood>(kLikelihoodNames, name); }

Result<Schema> Schema::make(std::vector<ModalitySpec> modalities, std::vector<Attribute> attributes) {
  Problems problems;
  Schema schema;
  if (modalities.empty()) problems.add("modalities", "there are none");
  if (modalities.size() > kModalitiesMax) problems.add("modalities", "more than " + std::to_string(kModalitiesMax));

  std::set<std::string> modality_names;
  for (std::size_t m = 0; m < modalities.size(); ++m) {
    Modality& modality = modalities[m].modality;
    const std::string where = modality.name.empty() ? "modality " + std::to_string(m + 1) : modality.name;
    problems.check_name(where, modality.name, modality_names);
    if (modality.stale_after <= Millis(0)) problems.add(where, "stale_after must be above zero");
    if (modalities[m].features.empty() && modality.kind == ModalityKind::tabular) problems.add(where, "it has no features");
    check_payload_spec(problems, where, modality);
    check_payload_values(problems, where, modality);
    if (!modalities[m].features.empty() && modality.kind != ModalityKind::tabular) {
      problems.add(where, "only a tabular modality has features");
    }
    modality.first_feature = static_cast<FeatureId>(schema.features_.size());
    modality.feature_count = static_cast<std::uint32_t>(modalities[m].features.size());
    std::set<std::string> feature_names;
    for (std::size_t f = 0; f < modalities[m].features.size(); ++f) {
      Feature& feature = modalities[m].features[f];
      const std::string place = where + "." + (feature.name.empty() ? "feature " + std::to_string(f + 1) : feature.name);
      problems.check_name(place, feature.name, feature_names);
      check_feature(problems, place, feature);
      feature.modality = static_cast<ModalityId>(m);
      schema.features_.push_back(std::move(feature));
    }
    schema.modalities_.push_back(std::move(modality));
  }
  if (schema.features_.size() > kFeaturesMax) problems.add("features", "more than " + std::to_string(kFeaturesMax));
  if (attributes.size() > kAttributesMax) problems.add("attributes", "more than " + std::to_string(kAttributesMax));

  std::set<std::string> attribute_names;
  for (std::size_t a = 0; a < attributes.size(); ++a) {
    const Attribute& attribute = attributes[a];
    const std::string where = "attribute " + (attribute.name.empty() ? std::to_string(a + 1) : attribute.name);
    problems.check_name(where, attribute.name, attribute_names);
    problems.check_unit(where, attribute.unit);
    problems.check_categories(where, attribute.categories);
    problems.check_range(where, attribute.low, attribute.high);
  }
  schema.attributes_ = std::move(attributes);
  LACUNA_RETURN_IF_ERROR(problems.status());

  schema.fingerprint_ = fingerprint_of(schema);
  return schema;
}

ModalityId Schema::find_modality(std::string_view name) const {
  const auto it = std::find_if(modalities_.begin(), modalities_.end(), [&](const Modality& m) { return m.name == name; });
  return it == modalities_.end() ? kNoModality : static_cast<ModalityId>(it - modalities_.begin());
}

std::optional<FeatureId> Schema::find_feature(ModalityId modality, std::string_view name) const {
  if (modality >= modalities_.size()) return std::nullopt;
  const Modality& m = modalities_[modality];
  for (FeatureId f = m.first_feature; f < m.first_feature + m.feature_count; ++f) {
    if (features_[f].name == name) return f;
  }
  return std::nullopt;
}

std::optional<std::size_t> Schema::find_attribute(std::string_view name) const {
  for (std::size_t a = 0; a < attributes_.size(); ++a) {
    if (attributes_[a].name == name) return a;
  }
  return std::nullopt;
}

Millis Schema::stale_after(FeatureId feature) const {
  const Feature& f = features_[feature];
  return f.stale_after > Millis(0) ? f.stale_after : modalities_[f.modality].stale_after;
}

std::string Schema::qualified_name(FeatureId feature) const { return modality_of(feature).name + "." + features_[feature].name; }

}  // namespace lacuna
