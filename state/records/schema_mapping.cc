#include "state/records/schema_mapping.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "state/records/scale.h"

namespace lacuna {

namespace {

/// What ties a value to its unit and classes, of a feature or an attribute.
struct Field {
  std::string_view name;
  const std::string& unit;
  const std::vector<std::string>& categories;
  bool convertible = true;  ///< a number that may be another one in another unit
};

/// Empty: nothing leads from one to the other, and `why` says so.
std::optional<CarriedField> carried(const Field& from, const Field& to, std::uint32_t position, std::string& why) {
  CarriedField out;
  out.from = position;
  if (from.unit != to.unit) {
    const auto conversion = unit_conversion(to.name, from.unit, to.unit);
    const bool same = conversion && conversion->factor == 1 && conversion->offset == 0;
    if (!conversion || (!same && !to.convertible)) {
      why = "unit '" + from.unit + "' does not convert to '" + to.unit + "'";
      return std::nullopt;
    }
    out.unit = *conversion;
  }
  if (from.categories == to.categories) return out;
  for (const std::string& name : from.categories) {
    const auto at = std::find(to.categories.begin(), to.categories.end(), name);
    out.classes.push_back(at == to.categories.end() ? std::nullopt : std::optional(static_cast<std::uint32_t>(at - to.categories.begin())));
  }
  return out;
}

std::string class_change(const Field& from, const Field& to) {
  std::string added, gone;
  for (const std::string& name : to.categories) {
    if (std::find(from.categories.begin(), from.categories.end(), name) == from.categories.end()) added += " " + name;
  }
  for (const std::string& name : from.categories) {
    if (std::find(to.categories.begin(), to.categories.end(), name) == to.categories.end()) gone += " " + name;
  }
  std::string text;
  if (!added.empty()) text += "new categories:" + added;
  if (!gone.empty()) text += (text.empty() ? "" : "; ") + ("categories gone, with the values that were one of them:" + gone);
  return text.empty() ? "categories in another order" : text;
}

float to_float(double x) {
  constexpr double kMax = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(x, -kMax, kMax));
}

}  // namespace

std::optional<double> CarriedField::value(double there) const {
  if (classes.empty()) return same_unit() ? there : unit.factor * there + unit.offset;
  const auto index = static_cast<std::size_t>(std::max(there, 0.0));
  if (index >= classes.size() || !classes[index]) return std::nullopt;
  return static_cast<double>(*classes[index]);
}

void SchemaMapping::note(SchemaChange::Effect effect, std::string subject, std::string what) {
  changes_.push_back({effect, std::move(subject), std::move(what)});
}

Result<SchemaMapping> SchemaMapping::make(const Schema& from, const Schema& to) {
  SchemaMapping out;
  out.from_features_ = from.feature_count();
  out.from_modalities_ = from.modality_count();
  out.from_attributes_ = from.attributes().size();
  out.identity_ = from.fingerprint() == to.fingerprint();
  out.modalities_.resize(to.modality_count());
  out.modality_to_.resize(from.modality_count());
  for (ModalityId m = 0; m < to.modality_count(); ++m) {
    const Modality& here = to.modalities()[m];
    const ModalityId there = from.find_modality(here.name);
    const bool tabular = here.kind == ModalityKind::tabular;
    if (there == kNoModality) {
      if (!tabular) out.note(SchemaChange::Effect::begins, here.name, "new");
      continue;
    }
    const Modality& was = from.modalities()[there];
    if (was.kind != here.kind || (!tabular && was.payload != here.payload)) {
      return {Code::unsupported, "modality '" + here.name + "' was of " +
                                     (was.kind != here.kind ? "kind " + std::string(to_string(was.kind)) + " and is of kind " +
                                                                  std::string(to_string(here.kind))
                                                            : "another shape") +
                                     ": nothing leads from one to the other. Give what is new another name, or keep the old declaration"};
    }
    if (was.stale_after != here.stale_after) out.note(SchemaChange::Effect::kept, here.name, "another staleness limit");
    if (was.low != here.low || was.high != here.high) {
      out.note(SchemaChange::Effect::kept, here.name, "another range: what is known stays, what comes is held against it");
    }
    if (was.missing != here.missing) {
      out.note(SchemaChange::Effect::kept, here.name, "another mark for missing: what is known stays, what comes is read by it");
    }
    out.modalities_[m] = there;
    out.modality_to_[there] = m;
  }
  for (ModalityId m = 0; m < from.modality_count(); ++m) {
    if (!out.modality_to_[m] && from.modalities()[m].kind != ModalityKind::tabular) {
      out.note(SchemaChange::Effect::dropped, from.modalities()[m].name, "gone");
    }
  }
  out.map_features(from, to);
  out.map_attributes(from, to);
  if (!out.identity_ && out.changes_.empty()) out.note(SchemaChange::Effect::kept, "schema", "another order");
  return out;
}

void SchemaMapping::map_features(const Schema& from, const Schema& to) {
  features_.resize(to.feature_count());
  feature_to_.resize(from.feature_count());
  for (FeatureId f = 0; f < to.feature_count(); ++f) {
    const Feature& here = to.features()[f];
    const std::string name = to.qualified_name(f);
    const auto modality = modalities_[here.modality];
    const auto there = modality ? from.find_feature(*modality, here.name) : std::nullopt;
    if (!there) {
      note(SchemaChange::Effect::begins, name, "new");
      continue;
    }
    const Feature& was = from.features()[*there];
    const auto replaced = [&](const std::string& why) {
      feature_to_[*there].reset();
      note(SchemaChange::Effect::dropped, name, why + ": what is known of it is dropped, and it begins anew");
    };
    if (was.likelihood != here.likelihood) {
      replaced("likelihood " + std::string(to_string(was.likelihood)) + " becomes " + std::string(to_string(here.likelihood)));
      continue;
    }
    const bool number = !is_discrete(here.likelihood) && here.likelihood != Likelihood::negative_binomial;
    const Field old{was.name, was.unit, was.categories, number}, now{here.name, here.unit, here.categories, number};
    std::string why;
    features_[f] = carried(old, now, *there, why);
    if (!features_[f]) {
      replaced(why);
      continue;
    }
    feature_to_[*there] = f;
    if (was.unit != here.unit) {
      note(SchemaChange::Effect::kept, name,
           "unit '" + was.unit + "' becomes '" + here.unit + "'" +
               (features_[f]->same_unit() ? ", the same one" : ": values are converted"));
    }
    if (was.categories != here.categories) note(SchemaChange::Effect::kept, name, class_change(old, now));
    if (was.low != here.low || was.high != here.high) {
      if (features_[f]->same_unit())
        note(SchemaChange::Effect::kept, name, "another range: what is known stays, what comes is held against it");
    }
    if (was.stale_after != here.stale_after) note(SchemaChange::Effect::kept, name, "another staleness limit");
  }
  for (FeatureId f = 0; f < from.feature_count(); ++f) {
    const Feature& was = from.features()[f];
    const auto modality = modality_to_[was.modality];
    if (!modality || !to.find_feature(*modality, was.name)) note(SchemaChange::Effect::dropped, from.qualified_name(f), "gone");
  }
}

void SchemaMapping::map_attributes(const Schema& from, const Schema& to) {
  attributes_.resize(to.attributes().size());
  for (std::uint32_t a = 0; a < to.attributes().size(); ++a) {
    const Attribute& here = to.attributes()[a];
    const std::string name = "attributes." + here.name;
    const auto there = from.find_attribute(here.name);
    if (!there) {
      note(SchemaChange::Effect::begins, name, "new");
      continue;
    }
    const Attribute& was = from.attributes()[*there];
    if (was.categories.empty() != here.categories.empty()) {
      note(SchemaChange::Effect::dropped, name,
           "a number becomes a category, or the other way: what is known of it is dropped, and it begins anew");
      continue;
    }
    const Field old{was.name, was.unit, was.categories}, now{here.name, here.unit, here.categories};
    std::string why;
    attributes_[a] = carried(old, now, static_cast<std::uint32_t>(*there), why);
    if (!attributes_[a]) note(SchemaChange::Effect::dropped, name, why + ": what is known of it is dropped, and it begins anew");
    else if (was.unit != here.unit)
      note(SchemaChange::Effect::kept, name, "unit '" + was.unit + "' becomes '" + here.unit + "': values are converted");
    if (attributes_[a] && was.categories != here.categories) note(SchemaChange::Effect::kept, name, class_change(old, now));
    if (was.subgroup != here.subgroup) note(SchemaChange::Effect::kept, name, here.subgroup ? "now a subgroup" : "no longer a subgroup");
  }
  for (const Attribute& was : from.attributes()) {
    if (!to.find_attribute(was.name)) note(SchemaChange::Effect::dropped, "attributes." + was.name, "gone");
  }
}

std::optional<FeatureId> SchemaMapping::feature_to(FeatureId there) const {
  return there < feature_to_.size() ? feature_to_[there] : std::nullopt;
}
std::optional<ModalityId> SchemaMapping::modality_to(ModalityId there) const {
  return there < modality_to_.size() ? modality_to_[there] : std::nullopt;
}

std::optional<FeatureState> SchemaMapping::carry(const Schema& to, FeatureId here, const FeatureState& there) const {
  const std::optional<CarriedField>& field = features_.at(here);
  if (!field || there.count == 0) return std::nullopt;
  FeatureState out = there;
  const std::optional<double> last = field->value(there.last);
  if (!last) return std::nullopt;
  out.last = *last;
  if (!field->classes.empty()) {
    // Means over class indices mean nothing in another order.
    out.mean_short = out.mean_long = out.previous = to_float(out.last);
    out.slope = 0;
  } else if (!field->same_unit()) {
    const Likelihood likelihood = to.features()[here].likelihood;
    const auto convert = [&](float y) {
      return to_float(to_scale(likelihood, *field->value(from_scale(likelihood, static_cast<double>(y)))));
    };
    out.mean_short = convert(there.mean_short);
    out.mean_long = convert(there.mean_long);
    out.previous = convert(there.previous);
    // d(scale here) / d(scale there) at the last value.
    double steepness = field->unit.factor;
    if (likelihood == Likelihood::log_normal) steepness *= (1 + std::max(there.last, 0.0)) / (1 + std::max(out.last, 0.0));
    out.slope = to_float(static_cast<double>(there.slope) * steepness);
  }
  return out;
}

Snapshot SchemaMapping::carry(const Schema& to, const Snapshot& there, std::uint64_t* dropped) const {
  std::uint64_t known = 0, kept = 0;
  Snapshot out = there;
  out.features.assign(to.feature_count(), {});
  out.modalities.assign(to.modality_count(), {});
  out.attributes.assign(to.attributes().size(), std::nullopt);
  for (const FeatureState& f : there.features) known += f.count > 0 ? 1 : 0;
  for (const ModalityState& m : there.modalities) known += m.payload ? 1 : 0;
  for (const auto& a : there.attributes) known += a ? 1 : 0;
  for (FeatureId f = 0; f < out.features.size(); ++f) {
    if (!features_[f]) continue;
    if (auto state = carry(to, f, there.features.at(features_[f]->from))) {
      out.features[f] = *state;
      kept += 1;
    }
  }
  for (ModalityId m = 0; m < out.modalities.size(); ++m) {
    if (!modalities_[m]) continue;
    out.modalities[m] = there.modalities.at(*modalities_[m]);
    kept += out.modalities[m].payload ? 1 : 0;
  }
  for (std::size_t a = 0; a < out.attributes.size(); ++a) {
    if (!attributes_[a]) continue;
    const std::optional<float>& value = there.attributes.at(attributes_[a]->from);
    const auto carried = value ? attributes_[a]->value(static_cast<double>(*value)) : std::nullopt;
    if (!carried) continue;
    out.attributes[a] = to_float(*carried);
    kept += 1;
  }
  if (dropped != nullptr) *dropped += known - kept;
  return out;
}

Example SchemaMapping::carry(const Schema& to, const Example& there, std::uint64_t* dropped) const {
  Example out{carry(to, there.before, dropped), there.time, {}, {}, {}};
  std::uint64_t gone = 0;
  for (const FeatureValue& v : there.arrived) {
    const auto here = feature_to(v.feature);
    const auto value = here ? features_[*here]->value(v.value) : std::nullopt;
    if (value) out.arrived.push_back({*here, *value, v.comparator});
    else gone += 1;
  }
  for (const PayloadValue& p : there.arrived_payloads) {
    if (const auto here = modality_to(p.modality)) out.arrived_payloads.push_back({*here, p.payload});
    else gone += 1;
  }
  if (dropped != nullptr) *dropped += gone;
  return out;
}

}  // namespace lacuna
