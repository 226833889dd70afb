#include <algorithm>

#include "state/records/time.h"
#include "tests/support/history/history_model.h"

// What a message says, as a person reads docs/messages.md.

namespace lacuna::history {

namespace {

using nlohmann::json;

}  // namespace

std::string Moved::name() const {
  std::string out = person + " by";
  for (const std::string& passed : via) out += " " + passed;
  return out + ": " + what + " of " + at.topic + "/" + std::to_string(at.partition) + "@" + std::to_string(at.offset);
}

Moved to_moved(const streaming::Record& record) {
  Moved out;
  out.person = record.key;
  for (const auto& [name, value] : record.headers) {
    if (name == "lacuna.transfer.kind") out.state = value == "state";
    if (name == "lacuna.transfer.via") out.via.push_back(value);
    if (name == "lacuna.transfer.topic") out.at.topic = value;
    if (name == "lacuna.transfer.partition") out.at.partition = std::stoi(value);
    if (name == "lacuna.transfer.offset") out.at.offset = std::stoll(value);
  }
  out.what = out.state ? "state" : out.at.topic.empty() ? "forget" : record.value.value_or("");
  return out;
}

std::string millis(Time time) { return std::to_string(time.time_since_epoch().count()); }

std::string key_of(const std::string& patient_id) { return patient_id.find('|') == std::string::npos ? patient_id : "|" + patient_id; }

std::string Model::read_value(const json& given, FeatureId id, Value& out) const {
  const Feature& feature = schema_.features()[id];
  const json& value = given.is_object() ? given.at("value") : given;
  const std::string unit = given.is_object() ? given.value("unit", feature.unit) : feature.unit;
  out.content = value.dump() + "/" + millis(out.holding.time);
  if (!feature.categories.empty()) {
    const auto at = std::find(feature.categories.begin(), feature.categories.end(), value.get<std::string>());
    if (at == feature.categories.end()) return "out_of_range";
    out.holding.category = *at;
    return "";
  }
  double number = value.get<double>();
  if (unit != feature.unit) {
    if (unit == "mg/dL" && feature.unit == "mmol/L") number *= kMmolOfMgDl;
    else return "unit";
  }
  if (number < feature.low || number > feature.high) return "out_of_range";
  out.holding.value = number;
  return "";
}

void Model::read_values(const json& values, Message& out) const {
  const ModalityId modality = schema_.find_modality(out.modality);
  for (const auto& [name, given] : values.items()) {
    const auto feature = schema_.find_feature(modality, name);
    Value value{out.modality + "." + name, "", {out.time, 0, 0, ""}};
    std::string reason = feature ? "" : "unknown_feature";
    if (feature && !out.withdraws) reason = read_value(given, *feature, value);
    if (reason.empty()) out.values.push_back(std::move(value));
    else out.refused.push_back(reason);
  }
}

void Model::read_attributes(const json& attributes, Message& out) const {
  for (const auto& [name, given] : attributes.items()) {
    if (!schema_.find_attribute(name)) out.refused.emplace_back("unknown_feature");
    else if (given.is_string()) out.categories[name] = given;
    else out.numbers[name] = given;
  }
}

/// The reason, where nothing of it is taken.
std::optional<std::string> Model::read(const std::string& text, Message& out) const {
  const json message = json::parse(text, nullptr, false);
  if (!message.is_object()) return "malformed";
  out.event_id = message.at("event_id");
  out.patient_id = message.at("patient_id");
  out.key = key_of(out.patient_id);
  out.time = *parse_rfc3339(message.at("time").get<std::string>());
  out.site = message.value("site", "");
  out.fact = {'e', out.event_id};
  if (message.contains("patient")) {
    out.forgets = message["patient"].contains("forget");
    if (!out.forgets) out.merged_into = key_of(message["patient"].at("merged_into"));
    return std::nullopt;
  }
  if (message.contains("result")) {
    const json& result = message["result"];
    out.has_result = true;
    out.fact = {'r', result.at("id")};
    if (const auto revision = result.find("revision"); revision != result.end()) {
      if (revision->is_string())
        out.revision = {Rev::Kind::time, static_cast<double>(parse_rfc3339(revision->get<std::string>())->time_since_epoch().count())};
      else out.revision = {Rev::Kind::number, *revision};
    }
  }
  const std::string status = message.value("status", "final");
  out.withdraws = status == "entered_in_error" || status == "cancelled";
  out.modality = message.value("modality", "");
  if (!out.modality.empty() && schema_.find_modality(out.modality) == kNoModality) return "unknown_modality";
  if (message.contains("values")) read_values(message["values"], out);
  if (message.contains("text") && !out.withdraws) out.payload = message["text"];
  if (message.contains("attributes")) read_attributes(message["attributes"], out);
  const bool nothing = out.values.empty() && !out.payload && out.numbers.empty() && out.categories.empty();
  if (nothing && !out.refused.empty()) return out.refused.front();
  return std::nullopt;
}

/// Of a message as such: of attributes alone, or of a withdrawal.
std::string Model::digest(const Message& message) const {
  std::string out = millis(message.time) + message.modality + "/" + std::to_string(message.revision.value);
  for (const auto& [name, number] : message.numbers) out += name + std::to_string(number);
  for (const auto& [name, category] : message.categories) out += name + category;
  for (const Value& v : message.values) out += v.part;
  return out;
}

}  // namespace lacuna::history
