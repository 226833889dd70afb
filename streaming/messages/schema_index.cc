#include "streaming/messages/schema_index.h"

#include <algorithm>
#include <cmath>

#include "streaming/messages/json_writer.h"

namespace lacuna::streaming {

namespace {

ValueProblem wrong_type(const SchemaField& target) {
  switch (target.likelihood) {
    case Likelihood::categorical:
    case Likelihood::ordinal: return {Refusal::malformed, "one of its categories is expected, as text"};
    case Likelihood::bernoulli: return {Refusal::malformed, "true or false is expected"};
    default: return {Refusal::malformed, "a number is expected"};
  }
}

ValueProblem outside(const SchemaField& target) {
  std::string text = "outside the plausible range ";
  text += std::isinf(target.low) ? "(" : "[";
  append_number(text, target.low);
  text += ", ";
  append_number(text, target.high);
  text += std::isinf(target.high) ? ")" : "]";
  return {Refusal::out_of_range, text};
}

/// Converting a unit ends a rounding error beside what is meant: 109.4 [degF] is 43 Cel, the end of a range and not beyond it.
double settled(double number, double meant, double scale) {
  constexpr double kRounding = 1e-12;
  return std::isfinite(meant) && std::abs(number - meant) <= kRounding * scale ? meant : number;
}

std::uint32_t find(const std::unordered_map<std::string_view, std::uint32_t>& names, std::string_view name) {
  const auto it = names.find(name);
  return it == names.end() ? kNoModality : it->second;
}

}  // namespace

std::optional<ValueProblem> SchemaField::from_number(double number, double& out) const {
  if (has_categories(likelihood)) return wrong_type(*this);
  if (!std::isfinite(number)) return ValueProblem{Refusal::out_of_range, "not a finite number"};
  if (likelihood == Likelihood::bernoulli && number != 0 && number != 1) {
    return ValueProblem{Refusal::out_of_range, "neither 0 nor 1"};
  }
  if (number < low) number = settled(number, low, std::isfinite(high) ? std::max(std::abs(low), std::abs(high)) : std::abs(low));
  if (number > high) number = settled(number, high, std::abs(high));
  if (number < low || number > high) return outside(*this);
  if (likelihood == Likelihood::negative_binomial) number = settled(number, std::round(number), std::abs(number));
  if (likelihood == Likelihood::negative_binomial && number != std::floor(number)) {
    return ValueProblem{Refusal::out_of_range, "not a whole count"};
  }
  out = number == 0 ? 0 : number;  // -0 has no meaning of its own and must not survive into comparisons
  return std::nullopt;
}

std::optional<ValueProblem> SchemaField::from_limit(double number, Comparator comparator, double& out) const {
  if (!is_censored(comparator)) return from_number(number, out);
  if (is_discrete(likelihood)) return ValueProblem{Refusal::malformed, "a comparator goes with a number, and this is one of its classes"};
  if (auto problem = from_number(number, out)) return problem;
  const bool from_zero = likelihood == Likelihood::log_normal || likelihood == Likelihood::negative_binomial;
  if (from_zero && comparator == Comparator::less && out <= 0) return ValueProblem{Refusal::out_of_range, "nothing is below 0"};
  return std::nullopt;
}

std::optional<ValueProblem> SchemaField::from_text(std::string_view text, double& out) const {
  if (!has_categories(likelihood)) return wrong_type(*this);
  const auto it = std::find(categories.begin(), categories.end(), text);
  if (it == categories.end()) return ValueProblem{Refusal::out_of_range, "not one of its categories"};
  out = static_cast<double>(it - categories.begin());
  return std::nullopt;
}

std::optional<ValueProblem> SchemaField::from_truth(bool truth, double& out) const {
  if (likelihood != Likelihood::bernoulli) return wrong_type(*this);
  out = truth ? 1 : 0;
  return std::nullopt;
}

SchemaIndex::SchemaIndex(const Schema& schema) : schema_(schema), feature_names_(schema.modality_count()) {
  features_.reserve(schema.feature_count());
  for (FeatureId id = 0; id < schema.feature_count(); ++id) {
    const Feature& f = schema.features()[id];
    features_.push_back({f.name, schema.qualified_name(id), f.unit, f.likelihood, f.low, f.high, f.categories});
    feature_names_[f.modality].emplace(f.name, id);
  }
  attributes_.reserve(schema.attributes().size());
  for (std::uint32_t i = 0; i < schema.attributes().size(); ++i) {
    const Attribute& a = schema.attributes()[i];
    attributes_.push_back({a.name, "attributes." + a.name, a.unit, a.categories.empty() ? Likelihood::normal : Likelihood::categorical,
                           a.low, a.high, a.categories});
    attribute_names_.emplace(a.name, i);
  }
  for (ModalityId m = 0; m < schema.modality_count(); ++m) modality_names_.emplace(schema.modalities()[m].name, m);
}

ModalityId SchemaIndex::find_modality(std::string_view name) const { return find(modality_names_, name); }

std::optional<FeatureId> SchemaIndex::find_feature(ModalityId modality, std::string_view name) const {
  const auto id = find(feature_names_[modality], name);
  return id == kNoModality ? std::nullopt : std::optional<FeatureId>(id);
}

std::optional<std::size_t> SchemaIndex::find_attribute(std::string_view name) const {
  const auto index = find(attribute_names_, name);
  return index == kNoModality ? std::nullopt : std::optional<std::size_t>(index);
}

bool is_quotable_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && text.front() >= 'a' && text.front() <= 'z' &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

std::optional<ValueProblem> check_id(std::string_view member, std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    return ValueProblem{Refusal::too_large, std::string(member) + " has more than " + std::to_string(bytes_max) + " bytes"};
  }
  // Identifiers become keys of logs and stores and parts of paths, where a NUL or a line end can pass for a separator.
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return ValueProblem{Refusal::malformed, std::string(member) + " holds a control character"};
  }
  return std::nullopt;
}

}  // namespace lacuna::streaming
