#include "daemon/generation/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "state/records/person_key.h"
#include "streaming/messages/encoders.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// As short as it can be and nearer than any instrument reads: generated values have no more digits to tell.
double rounded(double value) { return std::stod(fmt::format("{:.6g}", value)); }

bool is_known(const std::vector<FeatureId>& known, FeatureId feature) { return std::binary_search(known.begin(), known.end(), feature); }

/// A given value as it is, a drawn one rounded.
Json feature_json(const Feature& feature, double value, bool drawn, Comparator comparator) {
  if (!drawn && is_censored(comparator)) return {{"value", value}, {"comparator", to_string(comparator)}};
  switch (feature.likelihood) {
    case Likelihood::categorical:
    case Likelihood::ordinal: return feature.categories.at(static_cast<std::size_t>(value));
    case Likelihood::bernoulli: return value != 0;
    case Likelihood::negative_binomial: return static_cast<std::int64_t>(value);
    default: return drawn ? std::clamp(rounded(value), feature.low, feature.high) : value;
  }
}

std::string feature_text(const Feature& feature, double value, bool drawn, Comparator comparator) {
  if (!drawn && is_censored(comparator)) return fmt::format("{}{}", to_string(comparator), value);
  const Json json = feature_json(feature, value, drawn, comparator);
  if (json.is_number_float()) return fmt::format("{}", json.get<double>());
  return json.is_string() ? csv_field(json.get<std::string>()) : dump(json);
}

Json attribute_json(const Attribute& attribute, float value) {
  if (!attribute.categories.empty()) return attribute.categories.at(static_cast<std::size_t>(value));
  return rounded(static_cast<double>(value));
}

/// Nobody's: its clinical time means nothing.
bool is_made_up(const Snapshot& snapshot) { return snapshot.first_time == Time{}; }

const Snapshot& snapshot_of(const Generation& what, Arm arm) { return arm == Arm::intervention ? what.intervention : what.factual; }
const std::vector<FeatureId>& known_of(const Generation& what, Arm arm) {
  return arm == Arm::intervention ? what.known_under_intervention : what.known;
}

/// Known as "<5": no number that a mean could be of.
bool is_given_limit(const Generation& what, Arm arm, FeatureId feature) {
  return is_known(known_of(what, arm), feature) && is_censored(snapshot_of(what, arm).features[feature].comparator);
}

}  // namespace

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string GenerationRows::header() const {
  if (format_ == GenerationFormat::ndjson) return {};
  std::string out = "given,patient_id,sample,arm,time,hours,model_version,imputed,generated,known";
  for (const Attribute& a : schema_.attributes()) out += ",attribute." + a.name;
  for (FeatureId f = 0; f < schema_.feature_count(); ++f) out += "," + schema_.qualified_name(f);
  return out + "\n";
}

std::string GenerationRows::rows(const Generation& what, const GeneratedPiece& piece) const {
  std::string out;
  const std::size_t width = what.features.size();
  for (std::size_t i = 0; i < piece.factual.count(); ++i) {
    for (const Arm arm : {Arm::factual, Arm::intervention}) {
      if (arm == Arm::intervention && !what.two_arms) break;
      const model::Samples& samples = arm == Arm::intervention ? piece.intervention : piece.factual;
      const double* values = samples.values.data() + i * width;
      const Payload* payloads = samples.payloads.data() + i * what.payloads.size();
      if (format_ == GenerationFormat::ndjson) json(what, arm, piece.first + i, values, payloads, out);
      else csv(what, arm, piece.first + i, values, out);
    }
  }
  return out;
}

void GenerationRows::json(const Generation& what, Arm arm, std::size_t number, const double* values, const Payload* payloads,
                          std::string& out) const {
  const Snapshot& snapshot = snapshot_of(what, arm);
  Json row{{"schema_version", 1}, {"imputed", true}, {"generated", true}, {"model_version", model_version_}};
  if (!is_made_up(snapshot)) row["given"] = what.number + 1;
  const Person person = split_person_key(snapshot.patient_id);
  if (!person.id.empty()) row["patient_id"] = person.id;
  if (!person.name_space.empty()) row["namespace"] = person.name_space;
  row["sample"] = number;
  if (what.two_arms) row["arm"] = to_string(arm);
  if (!is_made_up(snapshot)) row["time"] = format_rfc3339(what.time);
  row["hours"] = rounded(hours_between(snapshot.first_time, what.time));
  Json attributes = Json::object(), known = Json::object(), drawn = Json::object();
  for (std::size_t a = 0; a < snapshot.attributes.size(); ++a) {
    if (snapshot.attributes[a]) attributes[schema_.attributes()[a].name] = attribute_json(schema_.attributes()[a], *snapshot.attributes[a]);
  }
  for (std::size_t j = 0; j < what.features.size(); ++j) {
    const FeatureId f = what.features[j];
    const bool given = is_known(known_of(what, arm), f);
    (given ? known : drawn)[schema_.modality_of(f).name][schema_.features()[f].name] =
        feature_json(schema_.features()[f], values[j], !given, snapshot.features[f].comparator);
  }
  if (!attributes.empty()) row["attributes"] = std::move(attributes);
  if (!known.empty()) row["known"] = std::move(known);
  row["values"] = std::move(drawn);
  for (std::size_t j = 0; j < what.payloads.size(); ++j) {
    const Modality& modality = schema_.modalities()[what.payloads[j]];
    row["payloads"][modality.name] = Json::parse(streaming::encode_payload(modality, payloads[j]));
  }
  out += dump(row);
  out += '\n';
}

void GenerationRows::csv(const Generation& what, Arm arm, std::size_t number, const double* values, std::string& out) const {
  const Snapshot& snapshot = snapshot_of(what, arm);
  const std::vector<FeatureId>& known = known_of(what, arm);
  std::string names;
  for (const FeatureId f : known) names += (names.empty() ? "" : " ") + schema_.qualified_name(f);
  out += fmt::format("{},{},{},{},{},{:.6g},{},true,true,{}", is_made_up(snapshot) ? "" : std::to_string(what.number + 1),
                     csv_field(snapshot.patient_id), number, what.two_arms ? to_string(arm) : "",
                     is_made_up(snapshot) ? "" : format_rfc3339(what.time), hours_between(snapshot.first_time, what.time), model_version_,
                     names);
  for (std::size_t a = 0; a < snapshot.attributes.size(); ++a) {
    out += ',';
    if (!snapshot.attributes[a]) continue;
    const Json value = attribute_json(schema_.attributes()[a], *snapshot.attributes[a]);
    out += value.is_string() ? csv_field(value.get<std::string>()) : fmt::format("{}", value.get<double>());
  }
  std::size_t j = 0;
  for (FeatureId f = 0; f < schema_.feature_count(); ++f) {
    out += ',';
    if (j == what.features.size() || what.features[j] != f) continue;
    out += feature_text(schema_.features()[f], values[j++], !is_known(known, f), snapshot.features[f].comparator);
  }
  out += '\n';
}

void GenerationSummary::Moments::add(double value) {
  ++count;
  const double off = value - mean;
  mean += off / static_cast<double>(count);
  squares += off * (value - mean);
}
double GenerationSummary::Moments::sd() const { return count < 2 ? 0 : std::sqrt(squares / static_cast<double>(count - 1)); }

std::size_t GenerationSummary::cells_of(FeatureId feature) const {
  const Feature& f = schema_.features()[feature];
  return has_categories(f.likelihood) ? f.categories.size() : 1;
}

void GenerationSummary::add(const Generation& what, const GeneratedPiece& piece) {
  cells_.resize(schema_.feature_count());
  const model::Samples& factual = piece.factual;
  for (std::size_t j = 0; j < factual.features.size(); ++j) {
    if (!std::binary_search(what.of_interest.begin(), what.of_interest.end(), factual.features[j])) continue;
    std::vector<Cell>& cells = cells_[factual.features[j]];
    cells.resize(cells_of(factual.features[j]));
    const bool limit = is_given_limit(what, Arm::factual, factual.features[j]);
    const bool limit_set = is_given_limit(what, Arm::intervention, factual.features[j]);
    for (std::size_t i = 0; i < factual.count(); ++i) {
      for (std::size_t c = 0; c < cells.size(); ++c) {
        // A category counts as 1 where it was drawn.
        const auto value = [&](double v) { return cells.size() == 1 ? v : static_cast<std::size_t>(v) == c ? 1.0 : 0.0; };
        const double before = value(factual.at(i, j));
        if (!limit) cells[c].factual.add(before);
        if (piece.intervention.values.empty()) continue;
        const double after = value(piece.intervention.at(i, j));
        if (!limit_set) cells[c].intervention.add(after);
        if (limit || limit_set) continue;
        cells[c].difference.add(after - before);
        cells[c].of_patient.add(after - before);
      }
    }
  }
}

void GenerationSummary::end_patient() {
  for (std::vector<Cell>& cells : cells_) {
    for (Cell& cell : cells) {
      if (cell.of_patient.count > 0) cell.patients.add(cell.of_patient.mean);
      cell.of_patient = {};
    }
  }
}

std::vector<GenerationSummary::Row> GenerationSummary::rows() const {
  std::vector<Row> out;
  for (FeatureId f = 0; f < cells_.size(); ++f) {
    for (std::size_t c = 0; c < cells_[f].size(); ++c) {
      const Cell& cell = cells_[f][c];
      Row row;
      row.feature = f;
      row.category = cells_of(f) > 1 ? static_cast<int>(c) : -1;
      row.patients = cell.patients.count;
      row.samples = cell.factual.count;
      row.mean = cell.factual.mean;
      row.sd = cell.factual.sd();
      row.samples_set = cell.intervention.count;
      row.mean_set = cell.intervention.mean;
      row.difference = cell.difference.mean;
      const Moments& units = cell.patients.count > 1 ? cell.patients : cell.difference;
      row.se_known = units.count > 1;
      if (row.se_known) row.difference_se = units.sd() / std::sqrt(static_cast<double>(units.count));
      out.push_back(row);
    }
  }
  return out;
}

std::string GenerationSummary::text(GenerationFormat format, const std::string& model_version, bool two_arms) const {
  std::string out;
  if (format == GenerationFormat::csv) {
    out = "feature,category,unit,samples,mean,sd";
    out += two_arms ? ",mean_set,difference,difference_se\n" : "\n";
  }
  const auto number = [](bool there, double value) { return there ? fmt::format("{:.6g}", value) : std::string(); };
  for (const Row& row : rows()) {
    const bool there = row.samples > 0, set = row.samples_set > 0;
    const Feature& feature = schema_.features()[row.feature];
    const std::string name = schema_.qualified_name(row.feature);
    const std::string category = row.category < 0 ? "" : feature.categories[static_cast<std::size_t>(row.category)];
    if (format == GenerationFormat::csv) {
      out += fmt::format("{},{},{},{},{},{}", name, csv_field(category), csv_field(feature.unit), row.samples, number(there, row.mean),
                         number(there, row.sd));
      if (two_arms) out += fmt::format(",{},{},", number(set, row.mean_set), number(there && set, row.difference));
      if (two_arms && row.se_known) out += fmt::format("{:.6g}", row.difference_se);
      out += '\n';
      continue;
    }
    Json json{{"schema_version", 1}, {"imputed", true}, {"generated", true}, {"model_version", model_version}, {"feature", name}};
    if (row.category >= 0) json["category"] = category;
    if (!feature.unit.empty()) json["unit"] = feature.unit;
    json["samples"] = row.samples;
    if (there) json["mean"] = rounded(row.mean);
    if (there) json["sd"] = rounded(row.sd);
    if (two_arms) {
      if (set) json["mean_set"] = rounded(row.mean_set);
      if (there && set) json["difference"] = rounded(row.difference);
      if (row.se_known) json["difference_se"] = rounded(row.difference_se);
    }
    out += dump(json) + "\n";
  }
  return out;
}

}  // namespace lacuna::daemon
