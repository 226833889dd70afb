#include "daemon/generation/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "state/patient.h"
#include "state/records/hash.h"
#include "state/records/nearest.h"
#include "state/records/scale.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::json;

std::vector<std::string> modality_names(const Schema& schema) {
  std::vector<std::string> out;
  for (const Modality& m : schema.modalities()) out.push_back(m.name);
  return out;
}
std::vector<std::string> feature_names(const Schema& schema) {
  std::vector<std::string> out;
  for (FeatureId f = 0; f < schema.feature_count(); ++f) out.push_back(schema.qualified_name(f));
  return out;
}

/// "a, b" of at most so many.
std::string list(const std::vector<std::string>& names) {
  constexpr std::size_t kToldMax = 12;
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kToldMax); ++i) out += (i ? ", " : "") + names[i];
  return names.size() > kToldMax ? out + ", ..." : out;
}

/// What is wrong with each text, as one message.
class Problems {
 public:
  void add(const std::string& text) { all_ += (all_.empty() ? "" : "; ") + text; }
  bool none() const { return all_.empty(); }
  Status status() const { return {Code::invalid, all_}; }

 private:
  std::string all_;
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// Where a value goes.
struct Destination {
  bool attribute = false;
  std::uint32_t index = 0;  ///< FeatureId, or of the attribute
};

std::optional<FeatureId> find_feature(const Schema& schema, std::string_view name) {
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const ModalityId modality = schema.find_modality(name.substr(0, dot));
  return modality == kNoModality ? std::nullopt : schema.find_feature(modality, name.substr(dot + 1));
}

Result<Destination> find_place(const Schema& schema, std::string_view name, bool attributes_only) {
  if (!attributes_only) {
    if (const auto f = find_feature(schema, name)) return Destination{false, *f};
  }
  std::string_view attribute = name;
  const bool prefixed = name.starts_with("attribute.") || name.starts_with("attributes.");
  if (prefixed) attribute.remove_prefix(name.find('.') + 1);
  if (attributes_only || prefixed) {
    if (const auto a = schema.find_attribute(attribute)) return Destination{true, static_cast<std::uint32_t>(*a)};
  }
  std::vector<std::string> known = attributes_only ? std::vector<std::string>() : feature_names(schema);
  for (const Attribute& a : schema.attributes()) known.push_back(attributes_only && !prefixed ? a.name : "attribute." + a.name);
  const std::string quoted(name);
  std::string hint = did_you_mean(quoted, known);
  if (hint.empty() && !attributes_only) {
    // Somebody who knows the feature but not where it belongs.
    const std::string last(name.substr(name.rfind('.') + 1));
    for (FeatureId f = 0; f < schema.feature_count() && hint.empty(); ++f) {
      if (schema.features()[f].name == last) hint = "; did you mean " + schema.qualified_name(f) + "?";
    }
    if (hint.empty() && schema.find_attribute(last)) hint = "; did you mean attribute." + last + "?";
    if (hint.empty()) hint = " (features are named modality.feature; a key of the configuration is set with --set)";
  }
  return Status(Code::invalid, "the schema has no " + std::string(attributes_only ? "attribute '" : "feature '") + quoted + "'" + hint);
}

/// The value as a message would have it: the codec of messages then decides.
Result<Json> read_text(std::string_view text, Likelihood likelihood, const std::vector<std::string>& categories) {
  if (text.empty()) return Status(Code::invalid, "no value");
  if (has_categories(likelihood)) {
    if (std::find(categories.begin(), categories.end(), text) != categories.end()) return Json(std::string(text));
    const std::string near = did_you_mean(text, categories);
    return Status(Code::invalid, "not one of its categories" + (near.empty() ? ": " + list(categories) : near));
  }
  if (text == "true" || text == "false") return Json(text == "true");
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = trim(text.substr(static_cast<std::size_t>(end - text.data())));
  if (error != std::errc() || unit.size() > kNameBytesMax) {
    return Status(Code::invalid, likelihood == Likelihood::bernoulli ? "true or false is expected" : "a number is expected");
  }
  return unit.empty() ? Json(number) : Json{{"value", number}, {"unit", std::string(unit)}};
}

/// Puts one value through the codec of snapshots, which knows ranges, units and whole counts.
Status resolve(const Schema& schema, Destination place, const Json& value, Assignments& out) {
  Json request{{"time", format_rfc3339(Time{})}};
  if (place.attribute) {
    request["attributes"][schema.attributes()[place.index].name] = value;
  } else {
    request["values"][schema.modality_of(place.index).name][schema.features()[place.index].name] = value;
  }
  const auto read = streaming::decode_snapshot(schema, request.dump(-1, ' ', false, Json::error_handler_t::replace), {}, Time{});
  if (!read.ok()) {
    // "snapshot: 1 problem: vitals.hr: ..."
    const std::string message = read.status().message();
    const std::size_t at = message.rfind(": ");
    return {Code::invalid, at == std::string::npos ? message : message.substr(at + 2)};
  }
  if (place.attribute) {
    out.attributes.push_back({place.index, static_cast<double>(*read->attributes[place.index])});
  } else {
    out.features.push_back({place.index, read->features[place.index].last});
  }
  return {};
}

bool taken(const Assignments& all, Destination place) {
  return place.attribute
             ? std::any_of(all.attributes.begin(), all.attributes.end(),
                           [&](const AttributeValue& a) { return a.attribute == place.index; })
             : std::any_of(all.features.begin(), all.features.end(), [&](const FeatureValue& v) { return v.feature == place.index; });
}

}  // namespace

Result<Assignments> parse_assignments(const Schema& schema, const std::vector<std::string>& texts, bool attributes_only) {
  Assignments out;
  Problems problems;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) {
      problems.add(attributes_only ? "an attribute is given as name=value" : "a value is set as modality.feature=value");
      continue;
    }
    const std::string name(trim(std::string_view(text).substr(0, equals)));
    const std::string_view value = trim(std::string_view(text).substr(equals + 1));
    const Result<Destination> place = find_place(schema, name, attributes_only);
    if (!place.ok()) {
      problems.add(place.status().message());
      continue;
    }
    if (taken(out, *place)) {
      problems.add(name + ": given twice");
      continue;
    }
    const auto json =
        place->attribute
            ? read_text(value, schema.attributes()[place->index].categories.empty() ? Likelihood::normal : Likelihood::categorical,
                        schema.attributes()[place->index].categories)
            : read_text(value, schema.features()[place->index].likelihood, schema.features()[place->index].categories);
    if (const Status read = json.ok() ? resolve(schema, *place, *json, out) : json.status(); !read.ok()) {
      problems.add(name + ": " + read.message());
    }
  }
  if (!problems.none()) return problems.status();
  std::sort(out.features.begin(), out.features.end(), [](const FeatureValue& a, const FeatureValue& b) { return a.feature < b.feature; });
  return out;
}

Result<std::vector<ModalityId>> parse_modalities(const Schema& schema, const std::vector<std::string>& names) {
  std::vector<ModalityId> out;
  Problems problems;
  for (const std::string& name : names) {
    const ModalityId id = schema.find_modality(name);
    if (id != kNoModality) out.push_back(id);
    else problems.add("the schema has no modality '" + name + "'" + did_you_mean(name, modality_names(schema)));
  }
  if (!problems.none()) return problems.status();
  return out;
}

Result<Selection> parse_features(const Schema& schema, const std::vector<std::string>& names) {
  std::set<FeatureId> features;
  std::set<ModalityId> payloads;
  Problems problems;
  const auto add = [&](ModalityId m) {
    const Modality& modality = schema.modalities()[m];
    if (modality.kind != ModalityKind::tabular) payloads.insert(m);
    for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) features.insert(f);
  };
  for (const std::string& name : names) {
    if (name == "all") {
      for (ModalityId m = 0; m < schema.modality_count(); ++m) add(m);
    } else if (const ModalityId m = schema.find_modality(name); m != kNoModality) {
      add(m);
    } else if (const auto f = find_feature(schema, name)) {
      features.insert(*f);
    } else {
      std::vector<std::string> known = feature_names(schema);
      for (std::string& modality : modality_names(schema)) known.push_back(std::move(modality));
      problems.add("the schema has no feature or modality '" + name + "'" + did_you_mean(name, known));
    }
  }
  if (!problems.none()) return problems.status();
  return Selection{{features.begin(), features.end()}, {payloads.begin(), payloads.end()}};
}

Result<std::vector<streaming::ImputeRequest>> parse_given(const Schema& schema, std::string_view text, const std::string& name,
                                                          const streaming::CodecLimits& limits, Time now) {
  std::vector<streaming::ImputeRequest> out;
  // One object may be spread over lines; of several each has its own.
  if (text.size() <= limits.message_bytes_max && Json::accept(text)) {
    auto one = streaming::decode_impute_request(schema, text, limits, now);
    if (!one.ok()) return Status(one.code(), name + ": " + one.status().message());
    out.push_back(std::move(*one));
    return out;
  }
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim(line).empty()) continue;
    auto one = streaming::decode_impute_request(schema, line, limits, now);
    if (!one.ok()) return Status(one.code(), fmt::format("{}:{}: {}", name, number, one.status().message()));
    out.push_back(std::move(*one));
  }
  if (out.empty()) return Status(Code::invalid, name + ": no patient in it");
  return out;
}

Snapshot unknown_patient(const Schema& schema) {
  Snapshot out = state::new_snapshot(schema, "");
  out.event_count = 1;  // 0 would hide how long the patient has been there
  return out;
}

void hide(const Schema& schema, const std::vector<ModalityId>& modalities, Snapshot& snapshot) {
  for (const ModalityId m : modalities) {
    const Modality& modality = schema.modalities()[m];
    for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) snapshot.features[f] = {};
    snapshot.modalities[m] = {};
  }
}

void assign(const Schema& schema, const Assignments& assignments, Time time, Snapshot& snapshot) {
  for (const AttributeValue& a : assignments.attributes) snapshot.attributes.at(a.attribute) = static_cast<float>(a.value);
  std::map<ModalityId, Event> measured;
  for (const FeatureValue& v : assignments.features) {
    FeatureState& state = snapshot.features.at(v.feature);
    const Feature& feature = schema.features()[v.feature];
    if (state.count == 0 || state.time != time) {
      measured[feature.modality].values.push_back(v);
      continue;
    }
    state.last = v.value;
    state.comparator = Comparator::equal;
    if (state.count > 1 && !std::exchange(state.unmeasured, false)) continue;
    state.unmeasured = false;
    state.mean_short = state.mean_long = state.previous = static_cast<float>(to_scale(feature.likelihood, v.value));
    state.slope = 0;
  }
  for (auto& [modality, event] : measured) {
    event.event_id = "set/" + schema.modalities()[modality].name;
    event.patient_id = snapshot.patient_id;
    event.modality = modality;
    event.time = time;
    const std::vector<std::uint64_t> ids = std::exchange(snapshot.recent_ids, {});
    state::apply(schema, snapshot, event, snapshot.source, Millis::max());
    snapshot.recent_ids = ids;
  }
}

std::string_view to_string(Arm arm) { return arm == Arm::factual ? "observed" : "set"; }

Result<Generation> prepare(const Schema& schema, const GenerationPlan& plan, Snapshot patient, std::uint64_t number) {
  Generation out;
  out.time = patient.last_time + plan.later;
  out.two_arms = !plan.intervention.empty();
  out.number = number;
  out.seed = mix64(mix64(plan.seed) + number);
  hide(schema, plan.hidden, patient);
  assign(schema, plan.attributes, out.time, patient);
  out.factual = std::move(patient);
  out.intervention = out.factual;
  assign(schema, plan.intervention, out.time, out.intervention);
  const auto known = [](const Snapshot& snapshot, FeatureId f) { return snapshot.features[f].count > 0; };
  const auto among = [](const auto& ids, auto id) { return std::binary_search(ids.begin(), ids.end(), id); };
  bool drawn_any = false;
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    const bool was_set = std::any_of(plan.intervention.features.begin(), plan.intervention.features.end(),
                                     [f](const FeatureValue& v) { return v.feature == f; });
    const bool asked = plan.features ? among(plan.features->features, f) : !known(out.factual, f);
    const bool drawn = asked && !was_set && !among(plan.uninformed.features, f);
    drawn_any |= drawn;
    if (!drawn && !known(out.factual, f) && !was_set) continue;
    out.features.push_back(f);
    if (drawn || was_set) out.of_interest.push_back(f);
    if (!drawn && known(out.factual, f)) out.known.push_back(f);
    if (!drawn && known(out.intervention, f)) out.known_under_intervention.push_back(f);
  }
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    const Modality& modality = schema.modalities()[m];
    if (modality.kind == ModalityKind::tabular || among(plan.uninformed.payloads, m)) continue;
    const bool there = static_cast<bool>(out.factual.modalities[m].payload);
    const bool named = plan.features && among(plan.features->payloads, m);
    if (named && there) return Status(Code::invalid, modality.name + " is known: hide it with --hide to have it drawn");
    if (named || (!plan.features && !there)) out.payloads.push_back(m);
  }
  if (!drawn_any && out.payloads.empty()) {
    return Status(
        Code::not_found,
        "nothing is left to draw: name with --features what to draw although it is known, or hide a modality with --hide (what the "
        "model has learned too little of is not drawn)");
  }
  return out;
}

Status generate(const model::ModelVersion& version, const Generation& what, std::size_t count,
                const std::function<Status(const GeneratedPiece&)>& take) {
  for (std::size_t first = 0; first < count; first += kGenerationPiece) {
    model::SampleQuery factual;
    factual.query = {&what.factual, what.time, what.features, {}, mix64(what.seed + first)};
    factual.count = std::min(kGenerationPiece, count - first);
    factual.kept = what.known;
    factual.query.wanted_payloads = what.payloads;
    auto samples = version.sample({&factual, 1});
    if (!samples.ok()) return samples.status();
    GeneratedPiece piece{first, std::move(samples->front()), {}};
    if (what.two_arms) {
      // A call of its own, so that a row stands where its twin stood: a product's rounding may depend on that.
      model::SampleQuery intervention = factual;
      intervention.query.snapshot = &what.intervention;
      intervention.kept = what.known_under_intervention;
      auto other = version.sample({&intervention, 1});
      if (!other.ok()) return other.status();
      piece.intervention = std::move(other->front());
    }
    LACUNA_RETURN_IF_ERROR(take(piece));
  }
  return {};
}

}  // namespace lacuna::daemon
