#include "daemon/tables/model_table.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "daemon/tables/text_table.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::ordered_json;

std::string number(const Json& json, const char* name) { return std::to_string(json.at(name).get<std::int64_t>()); }

std::string table_of(const Json& json) {
  const Json& schema = json.at("schema");
  std::vector<std::vector<std::string>> rows{
      {"version", json.at("version").get<std::string>()},
      {"gradient steps", number(json, "steps")},
      {"examples", number(json, "examples") + ", and " + number(json, "replayed") + " replayed"},
      {"objective", fmt::format("{}, fused by {}", json.at("objective").get<std::string>(), json.at("fusion").get<std::string>())},
      {"size", fmt::format("{} parameters, {} latent dimensions", number(json, "parameters"), number(json, "latent_dim"))},
      {"schema", fmt::format("{} ({}, {})", schema.at("fingerprint").get<std::string>(),
                             counted(schema.at("modalities").get<std::uint64_t>(), "modality", "modalities"),
                             counted(schema.at("features").get<std::uint64_t>(), "feature", "features"))}};
  if (json.contains("checkpoint")) {
    const Json& file = json.at("checkpoint");
    rows.push_back({"checkpoint", fmt::format("{}, {:.1f} MB", file.at("name").get<std::string>(), file.at("bytes").get<double>() / 1e6)});
    rows.push_back({"made", file.at("time").get<std::string>()});
  }
  std::string out = text_table(std::move(rows), "l") + "\n";
  rows = {{"feature", "observations", "patients", "state"}};
  for (const auto& [name, learned] : json.at("learned").items()) {
    rows.push_back(
        {name, number(learned, "observations"), number(learned, "patients"), learned.at("warming_up").get<bool>() ? "warming up" : ""});
  }
  return out + text_table(std::move(rows), "lrrl");
}

}  // namespace

Result<std::string> model_table(std::string_view json) {
  try {
    return table_of(Json::parse(json, nullptr, false));
  } catch (const nlohmann::json::exception&) {
    return Status(Code::invalid, "the answer is not what /v1/model gives: another version, or not Lacuna?");
  }
}

}  // namespace lacuna::daemon
