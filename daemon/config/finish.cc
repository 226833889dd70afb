#include "daemon/config/finish.h"

#include <algorithm>
#include <set>

#include "daemon/config/feed_keys.h"
#include "daemon/config/listener_keys.h"
#include "state/records/nearest.h"
#include "state/records/unit_spelling.h"
#include "state/records/units.h"

namespace lacuna::daemon {

namespace {

/// Schema::make names what is wrong, not where: asked about one part alone, the place is known. `part` is what it calls the
/// part, which the path tells already.
void check_part(const Capture& capture, const std::string& path, const std::string& part, std::vector<Schema::ModalitySpec> modalities,
                std::vector<Attribute> attributes, const ComplainAt& complain) {
  const Result<Schema> made = Schema::make(std::move(modalities), std::move(attributes));
  if (made.ok()) return;
  std::string message = made.status().message();
  // "schema: 1 problem: ..." : the count is of this part and tells nothing here.
  if (const std::size_t count = message.find("problem"); message.starts_with("schema: ") && count != std::string::npos) {
    if (const std::size_t end = message.find(": ", count); end != std::string::npos) message.erase(0, end + 2);
  }
  for (std::size_t at = message.find(part + ": "); at != std::string::npos; at = message.find(part + ": ", at)) {
    message.erase(at, part.size() + 2);
  }
  complain(path, capture.place, std::move(message));
}

/// Stands in where a part needs another to be a schema at all.
Schema::ModalitySpec placeholder() {
  Feature feature;
  feature.name = "x";
  Modality modality;
  modality.name = "x";
  return {modality, {feature}};
}

/// What was complained of already would only bring complaints about its consequences.
bool broken_below(const Draft& draft, const std::string& path) {
  const auto next = draft.broken.lower_bound(path + ".");
  return next != draft.broken.end() && next->starts_with(path + ".");
}

/// A key that means nothing for this kind of modality was meant for another one, or the kind is missing.
void check_payload_keys(const Draft& draft, const std::string& path, ModalityKind kind, const ComplainAt& complain) {
  using Kinds = std::vector<ModalityKind>;
  const std::pair<const char*, Kinds> keys[] = {{"channels", {ModalityKind::image, ModalityKind::signal}},
                                                {"height", {ModalityKind::image}},
                                                {"width", {ModalityKind::image}},
                                                {"length", {ModalityKind::signal, ModalityKind::embedding, ModalityKind::text}},
                                                {"range", {ModalityKind::image, ModalityKind::signal, ModalityKind::embedding}},
                                                {"missing", {ModalityKind::image, ModalityKind::signal, ModalityKind::embedding}},
                                                {"text_model", {ModalityKind::text}},
                                                {"vocabulary", {ModalityKind::text}},
                                                {"vocabulary_size", {ModalityKind::text}}};
  for (const auto& [key, kinds] : keys) {
    const auto given = draft.given.find(path + "." + key);
    if (given == draft.given.end() || std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) continue;
    complain(given->first, given->second, "a modality of kind " + std::string(to_string(kind)) + " has no " + key);
  }
}

/// Events say their units, and are converted: a declared unit that is none would take every one of them as it is, or none.
void check_unit(const Draft& draft, const std::string& path, const std::string& unit, const ComplainAt& complain) {
  const auto given = draft.given.find(path + ".unit");
  if (given == draft.given.end()) return;
  if (const std::optional<std::string> problem = unit_problem(unit)) complain(given->first, given->second, "'" + unit + "' " + *problem);
}

/// A key without effect was meant otherwise.
void check_attribute_groups(const Draft& draft, const std::string& path, const Attribute& attribute, const ComplainAt& complain) {
  const auto given = [&](const std::string& key, std::string message) {
    const auto at = draft.given.find(path + "." + key);
    if (at != draft.given.end()) complain(at->first, at->second, std::move(message));
  };
  if (!attribute.categories.empty() && !attribute.bands.empty()) given("bands", "an attribute with categories has no bands");
  if (attribute.subgroup && parts_of(attribute).empty()) given("subgroup", "a number is a subgroup by its bands: give them");
}

void finish_schema(Draft& draft, const ComplainAt& complain) {
  if (!draft.given.contains("schema")) {
    return complain("schema", {1, 1}, "missing: declare the modalities and features under schema (configs/reference.yaml)");
  }
  bool good = !broken_below(draft, "schema");
  const ComplainAt note = [&](const std::string& path, Place place, std::string message) {
    good = false;
    complain(path, place, std::move(message));
  };
  std::vector<Schema::ModalitySpec> modalities;
  for (auto& [capture, draft_modality] : draft.modalities) {
    Modality modality = draft_modality.modality;
    modality.name = capture.name;
    const std::string path = "schema.modalities." + capture.name;
    std::vector<Feature> features;
    for (const auto& [feature_capture, value] : draft_modality.features) {
      Schema::ModalitySpec alone = placeholder();
      alone.features[0] = value;
      alone.features[0].name = feature_capture.name;
      features.push_back(alone.features[0]);
      const std::string feature_path = path + ".features." + feature_capture.name;
      if (broken_below(draft, feature_path)) continue;
      check_unit(draft, feature_path, value.unit, note);
      check_part(feature_capture, feature_path, "x." + feature_capture.name, {alone}, {}, note);
    }
    const bool tabular = modality.kind == ModalityKind::tabular;
    check_payload_keys(draft, path, modality.kind, note);
    if (features.empty() && tabular) note(path, capture.place, "it has no features");
    const bool some = tabular || !features.empty();
    if (!broken_below(draft, path)) {
      check_part(capture, path, capture.name, {{modality, some ? placeholder().features : std::vector<Feature>()}}, {}, note);
    }
    modalities.push_back({std::move(modality), std::move(features)});
  }
  std::vector<Attribute> attributes;
  for (auto& [capture, attribute] : draft.attributes) {
    attribute.name = capture.name;
    attributes.push_back(attribute);
    if (broken_below(draft, "schema.attributes." + capture.name)) continue;
    check_unit(draft, "schema.attributes." + capture.name, attribute.unit, note);
    check_attribute_groups(draft, "schema.attributes." + capture.name, attribute, note);
    check_part(capture, "schema.attributes." + capture.name, "attribute " + capture.name, {placeholder()}, {attribute}, note);
  }
  if (!good) return;
  Result<Schema> schema = Schema::make(std::move(modalities), std::move(attributes));
  if (!schema.ok()) return complain("schema", draft.given["schema"], schema.status().message());
  draft.config.schema = std::make_shared<const Schema>(std::move(*schema));
}

void check_subgroups(Draft& draft, const ComplainAt& complain) {
  const Config& config = draft.config;
  if (!config.schema) return;
  const Result<Subgroups> made = Subgroups::make(*config.schema, config.subgroups_together);
  if (made.ok()) return;
  const std::string path = "subgroups.together";
  const bool listed = draft.given.contains(path);
  complain(listed ? path : "schema.attributes", draft.given[listed ? path : "schema"], made.status().message());
}

/// Topics that are the same would feed the daemon its own output.
void check_topics(Draft& draft, const ComplainAt& complain) {
  const Config::Topics& topics = draft.config.topics;
  const auto place = [&draft](const std::string& path) { return draft.given.contains(path) ? draft.given[path] : Place{1, 1}; };
  if (topics.events.empty()) complain("topics.events", place("topics.events"), "at least one topic is needed");
  std::map<std::string, std::string> used;  // topic -> key
  const auto use = [&](const std::string& topic, const std::string& path) {
    const auto [first, fresh] = used.emplace(topic, path);
    if (fresh) return;
    const std::string& blamed = draft.given.contains(path) ? path : first->second;
    complain(blamed, place(blamed), "topic " + topic + " is used for " + first->second + " and for " + path);
  };
  for (const std::string& topic : topics.events) use(topic, "topics.events");
  use(topics.imputations, "topics.imputations");
  use(topics.alerts, "topics.alerts");
  use(topics.dead_letters, "topics.dead_letters");
  use(topics.state, "topics.state");
  use(topics.model, "topics.model");
  use(topics.transfers, "topics.transfers");
  use(topics.control, "topics.control");
  const std::string& listened = draft.listener.mllp.topic;
  if (!listened.empty() && std::ranges::find(topics.events, listened) == topics.events.end()) use(listened, "mllp.topic");
}

void check_training(Draft& draft, const ComplainAt& complain) {
  const model::TrainOptions& train = draft.config.train;
  const auto at = [&draft](const std::string& first, const std::string& second) {
    return draft.given.contains(first) ? std::pair(first, draft.given[first]) : std::pair(second, draft.given[second]);
  };
  if (train.hide_values_min > train.hide_values_max) {
    const auto [path, place] = at("train.hide_cells_min", "train.hide_cells_max");
    complain(path, place, "hide_cells_min is above hide_cells_max");
  }
  // The trainer would wait for a step's worth of examples that the queue can never hold.
  if (static_cast<std::uint64_t>(train.examples_per_step) > train.queue_examples_max) {
    const auto [path, place] = at("train.queue_examples_max", "train.examples_per_step");
    complain(path, place, "queue_examples_max is below examples_per_step: no step could ever be taken");
  }
}

/// Where "to" points; fills the target.
void resolve_column(const Draft::Named<Draft::ColumnDraft>& column, const Schema& schema, streaming::ColumnTarget& target,
                    const std::function<void(std::string)>& complain) {
  const std::string& to = column.value.to;
  if (to.empty()) return complain("needs `to`: modality.feature, or an attribute");
  std::vector<std::string> known;
  const std::vector<std::string>* categories = nullptr;
  if (const std::size_t dot = to.find('.'); dot != std::string::npos) {
    for (FeatureId f = 0; f < schema.feature_count(); ++f) known.push_back(schema.qualified_name(f));
    target.modality = to.substr(0, dot);
    target.feature = to.substr(dot + 1);
    const std::optional<FeatureId> f = schema.find_feature(schema.find_modality(target.modality), target.feature);
    if (!f) return complain("the schema has no feature " + to + did_you_mean(to, known));
    categories = &schema.features()[*f].categories;
  } else {
    for (const Attribute& a : schema.attributes()) known.push_back(a.name);
    target.feature = to;
    const std::optional<std::size_t> a = schema.find_attribute(to);
    if (!a) return complain("the schema has no attribute " + to + did_you_mean(to, known) + " (a feature is modality.feature)");
    categories = &schema.attributes()[*a].categories;
  }
  for (const auto& [cell, category] : target.categories) {
    if (std::find(categories->begin(), categories->end(), category) == categories->end()) {
      complain(to + " has no category " + category + did_you_mean(category, *categories));
    }
  }
}

/// A unit that does not convert would lose the whole column.
void check_column_unit(const streaming::ColumnTarget& target, const Schema& schema, const std::function<void(std::string)>& complain) {
  if (target.unit.empty()) return;
  if (target.scale != 1 || target.offset != 0) return complain("has a unit, and a scale or offset: the unit is converted by itself");
  std::string declared;
  if (target.modality.empty()) {
    const auto a = schema.find_attribute(target.feature);
    if (!a) return;
    declared = schema.attributes()[*a].unit;
  } else {
    const auto f = schema.find_feature(schema.find_modality(target.modality), target.feature);
    if (!f) return;
    declared = schema.features()[*f].unit;
  }
  if (!unit_conversion(target.feature, target.unit, declared)) complain(unit_refusal(target.unit, declared));
}

}  // namespace

void finish_mapping(Draft& draft, const Schema& schema, const ComplainAt& complain) {
  using streaming::FileFormat;
  using TimeForm = streaming::FileMapping::TimeForm;
  streaming::FileMapping& mapping = draft.mapping;
  const Place section = draft.given.contains("input") ? draft.given["input"] : Place{1, 1};
  const auto need = [&](bool there, const std::string& key, const std::string& why) {
    if (!there) complain("input." + key, section, "missing: " + why);
  };
  if (mapping.format != FileFormat::ndjson) {
    need(mapping.time_column || mapping.time_form == TimeForm::none, "time_column", "a CSV needs it, or time_form: none");
    need(!draft.columns.empty(), "columns", "a CSV needs them: nothing would be read");
    need(!mapping.is_relative() || draft.given.contains("input.start"), "start",
         "relative times need the clinical time of the first stay's start");
    const bool says_zone = mapping.time_pattern.find("%z") != std::string::npos || mapping.time_pattern.find("%Ez") != std::string::npos;
    need(mapping.time_form != TimeForm::pattern || !mapping.time_pattern.empty(), "time_pattern", "time_form pattern needs it");
    need(mapping.time_form != TimeForm::pattern || says_zone || !mapping.time_zone.empty(), "time_zone", "the pattern tells no zone (%z)");
    const bool has = mapping.time_pattern.find("%H") != std::string::npos && mapping.time_pattern.find("%p") != std::string::npos;
    if (mapping.time_pattern.find("%Z") != std::string::npos)
      complain("input.time_pattern", section, "%Z: a zone's letters are not read; %z reads +0200");
    if (has) complain("input.time_pattern", section, "%p belongs to %I: with %H it would be passed over");
  }
  if (mapping.format == FileFormat::long_csv) {
    need(mapping.parameter_column.has_value(), "parameter_column", "long_csv needs it");
    need(mapping.value_column.has_value(), "value_column", "long_csv needs it");
  }
  if (mapping.row_is_patient && (mapping.patient_column || mapping.format != FileFormat::wide_csv)) {
    complain("input.row_is_patient", section, "is for wide_csv without patient_column");
  }
  need(!mapping.revision_column || mapping.result_column.has_value(), "result_column", "a revision is of a result");
  need(!mapping.second_unit_column || mapping.unit_column.has_value(), "unit_column", "second_unit_column is beside it");
  for (const auto& [text, unit] : mapping.units) {
    const bool is_unit = unit.empty() || !unit_problem(unit) || !ucum_codes_meant(unit).empty();
    if (!is_unit) complain("input.units." + text, section, "is no UCUM code, nor a known spelling of one (docs/units.md)");
  }
  const std::set<std::string> ignored(mapping.ignored.begin(), mapping.ignored.end());
  for (const auto& column : draft.columns) {
    const std::string path = "input.columns." + column.capture.name;
    const auto here = [&](std::string message) { complain(path, column.capture.place, std::move(message)); };
    if (ignored.contains(column.capture.name)) here("is under ignored as well");
    streaming::ColumnTarget target = column.value.target;
    resolve_column(column, schema, target, here);
    check_column_unit(target, schema, here);
    mapping.columns[column.capture.name] = std::move(target);
  }
}

namespace {

/// Deployments that share a cluster name their topics apart: so is this one then.
std::string beside_state(const std::string& state, const char* name) {
  constexpr std::string_view kState = "state";
  const std::string stem = state.ends_with(kState) ? state.substr(0, state.size() - kState.size()) : state + "-";
  return stem + name;
}

}  // namespace

void finish_draft(Draft& draft, const ComplainAt& complain) {
  Config& config = draft.config;
  config.store.seed = config.model.seed;
  config.store.path = config.data_dir + "/state";
  config.alerts.coverage_level = config.predict.level;
  config.alerts.latent_dimensions = static_cast<std::size_t>(config.model.latent_dim);
  if (!draft.given.contains("topics.transfers")) config.topics.transfers = beside_state(config.topics.state, "transfers");
  if (!draft.given.contains("topics.control")) config.topics.control = beside_state(config.topics.state, "control");
  finish_listener(draft, complain);
  check_topics(draft, complain);
  check_training(draft, complain);
  finish_schema(draft, complain);
  check_subgroups(draft, complain);
  if (config.schema && draft.given.contains("hl7")) finish_feed(draft, *config.schema, complain);
  if (!draft.given.contains("input")) return;
  // Without a schema there is nothing to hold the columns against, and what is wrong with it was said.
  if (config.schema) finish_mapping(draft, *config.schema, complain);
  config.mapping = draft.mapping;
}

}  // namespace lacuna::daemon
