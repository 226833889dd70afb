#include "daemon/tables/features_table.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "daemon/tables/text_table.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::ordered_json;

std::string number(const Json& feature, const char* name) {
  const auto found = feature.find(name);
  return found == feature.end() ? "-" : fmt::format("{:.3f}", found->get<double>());
}

/// "28 to 44", "at least 0", "alert, voice", "-".
std::string range_of(const Json& feature) {
  if (feature.contains("categories")) {
    std::string out;
    for (const Json& c : feature.at("categories")) out += (out.empty() ? "" : ", ") + c.get<std::string>();
    return out;
  }
  if (!feature.contains("range")) return "-";
  const Json &low = feature.at("range").at(0), &high = feature.at("range").at(1);
  if (high.is_null()) return fmt::format("at least {:g}", low.get<double>());
  return low.is_null() ? fmt::format("at most {:g}", high.get<double>())
                       : fmt::format("{:g} to {:g}", low.get<double>(), high.get<double>());
}

std::string words(std::string state) { return state == "warming_up" ? "warming up" : state; }

std::string table_of(const Json& answer, std::string_view state) {
  std::vector<std::vector<std::string>> rows{
      {"feature", "unit", "range", "observations", "patients", "state", "scored", "error", "of mean", "coverage"}};
  std::size_t warming_up = 0;
  for (const Json& f : answer.at("features")) {
    const auto of_feature = f.at("state").get<std::string>();
    warming_up += of_feature == "warming_up" ? 1 : 0;
    if (!state.empty() && of_feature != state) continue;
    rows.push_back({f.at("feature"), f.value("unit", "-"), range_of(f), std::to_string(f.at("observations").get<std::uint64_t>()),
                    std::to_string(f.at("patients").get<std::uint64_t>()), words(of_feature),
                    std::to_string(f.value("scored", std::uint64_t{0})), number(f, "error"), number(f, "error_of_mean"),
                    f.contains("coverage") ? fmt::format("{:.1f} %", 100 * f.at("coverage").get<double>()) : "-"});
  }
  const bool any = rows.size() > 1;
  std::string out = any ? text_table(std::move(rows), "lllrrlrrrr") : "no such feature\n";
  const auto features = answer.at("features").size();
  return out +
         wrapped(fmt::format("\n{} of {} are warming up: the model has learned from fewer than {} observations of each, and imputes none\n",
                             warming_up, features, answer.at("observations_min").get<std::uint64_t>()),
                 screen_columns());
}

}  // namespace

Result<std::string> features_table(std::string_view json, std::string_view state) {
  const Json answer = Json::parse(json, nullptr, false);
  try {
    if (answer.at("features").empty()) return std::string("the model is not loaded yet\n");
    return table_of(answer, state);
  } catch (const nlohmann::json::exception&) {
    return Status(Code::invalid, "the answer is not what /v1/features gives: another version, or not Lacuna?");
  }
}

}  // namespace lacuna::daemon
