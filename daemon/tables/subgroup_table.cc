#include "daemon/tables/subgroup_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "daemon/tables/screen.h"
#include "daemon/tables/text_table.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::ordered_json;

std::string table_of(const Json& answer) {
  const Json& groups = answer.at("groups");
  if (groups.size() < 2) return {};
  const auto patients_min = answer.at("patients_min").get<std::uint64_t>();
  std::vector<std::vector<std::string>> table{{"group", "patients", "values", "MAE", "mean", "skill",
                                               fmt::format("cover{:.4g}", 100 * answer.at("level").get<double>()), "error", "width"}};
  std::vector<std::string> few;
  for (const Json& g : groups) {
    const auto name = g.at("group").get<std::string>();
    const auto patients = g.at("patients").get<std::uint64_t>();
    if (patients < patients_min) {
      few.push_back(fmt::format("{} {}", name, patients));
      continue;
    }
    std::vector<std::string> row{name, std::to_string(patients), std::to_string(g.at("values").get<std::uint64_t>())};
    for (const char* figure : {"mae", "mae_mean", "skill", "coverage", "coverage_error", "width"}) {
      row.push_back(g.contains(figure) ? fmt::format("{:.3f}", g.at(figure).get<double>()) : "-");
    }
    table.push_back(std::move(row));
  }
  std::string out = text_table(std::move(table), "lr");
  out += wrapped("every value alike; skill: 1 - MAE / mean's; error: standard error of the coverage, by patient\n", screen_columns());
  if (few.empty()) return out;
  return out + wrapped(fmt::format("Fewer than {}: {}\n", counted(patients_min, "patient", "patients"), fmt::join(few, ", ")),
                       screen_columns(), 2);
}

}  // namespace

Result<std::string> subgroup_table(std::string_view json) {
  const Json answer = Json::parse(json, nullptr, false);
  try {
    return table_of(answer);
  } catch (const nlohmann::json::exception&) {
    return Status(Code::invalid, "the answer is not what /v1/subgroups gives: another version, or not Lacuna?");
  }
}

}  // namespace lacuna::daemon
