#include "daemon/tables/patient_table.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "daemon/tables/text_table.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::ordered_json;

std::string cell(const Json& from, const char* name) {
  const auto found = from.find(name);
  if (found == from.end()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::vector<std::string> row_of(const std::string& name, const Json& known) {
  std::string value = cell(known, "value");
  if (known.contains("comparator")) value.insert(0, cell(known, "comparator"));
  if (known.contains("kind")) value = "(" + cell(known, "kind") + ")";
  return {name,
          std::move(value),
          cell(known, "unit"),
          cell(known, "time"),
          cell(known, "age_hours"),
          cell(known, "count"),
          cell(known, "mean_2h"),
          cell(known, "mean_24h"),
          known.at("stale").get<bool>() ? "stale" : ""};
}

std::string lines_of_kept(const Json& json) {
  const auto& kept = json.at("kept");
  const auto number = [&kept](const char* name) { return std::to_string(kept.at(name).get<std::uint64_t>()); };
  std::vector<std::vector<std::string>> rows{{"events", std::to_string(json.at("event_count").get<std::uint64_t>())},
                                             {"remembered ids of events and results", number("ids")},
                                             {"features with recent results", number("histories")},
                                             {"examples that the model replays", number("replay_examples")},
                                             {"records in the changelog", number("changelog_records")}};
  if (json.contains("merged_into")) rows.push_back({"merged into", json.at("merged_into").get<std::string>()});
  for (const Json& person : json.value("merged_from", Json::array())) rows.push_back({"merged from", person.get<std::string>()});
  for (auto& row : rows) row.insert(row.begin(), "");
  return text_table(std::move(rows), "lll");
}

std::string table_of(const Json& json) {
  const auto text = [&json](const char* name) { return json.at(name).get<std::string>(); };
  std::string out;
  const auto line = [&out](std::string name, const std::string& value) { out += text_table({{std::move(name), value}}, "ll"); };
  line("patient", text("patient_id"));
  for (const char* name : {"namespace", "site"}) {
    if (json.contains(name)) line(name, text(name));
  }
  if (json.contains("first_time")) line("events", cell(json, "event_count") + " from " + text("first_time") + " to " + text("time"));
  for (const auto& [name, value] : json.at("attributes").items()) line(name, cell(json.at("attributes"), name.c_str()));
  std::vector<std::vector<std::string>> rows{{"value", "last", "unit", "time", "age h", "values", "mean 2 h", "mean 24 h", ""}};
  for (const auto& [modality, features] : json.at("values").items()) {
    for (const auto& [feature, known] : features.items()) rows.push_back(row_of(modality + "." + feature, known));
  }
  const Json payloads = json.value("payloads", Json::object());
  for (const auto& [modality, known] : payloads.items()) rows.push_back(row_of(modality, known));
  if (rows.size() > 1) out += "\n" + text_table(std::move(rows), "lrllrrrrl");
  return out + "\nkept:\n" + lines_of_kept(json);
}

template <typename Draw>
Result<std::string> drawn(std::string_view json, Draw&& draw) {
  try {
    return draw(Json::parse(json, nullptr, false));
  } catch (const nlohmann::json::exception&) {
    return Status(Code::invalid, "the answer is not what /v1/patients gives: another version, or not Lacuna?");
  }
}

}  // namespace

Result<std::string> patient_table(std::string_view json) { return drawn(json, table_of); }

Result<std::string> kept_lines(std::string_view json) { return drawn(json, lines_of_kept); }

}  // namespace lacuna::daemon
