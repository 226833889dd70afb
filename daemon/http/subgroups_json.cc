#include "daemon/http/subgroups_json.h"

#include <nlohmann/json.hpp>

namespace lacuna::daemon {

nlohmann::ordered_json subgroups_json(const std::vector<model::SubgroupFigures>& groups, std::uint64_t patients_min, double level) {
  nlohmann::ordered_json out{{"patients_min", patients_min}, {"level", level}, {"groups", nlohmann::ordered_json::array()}};
  for (const model::SubgroupFigures& g : groups) {
    nlohmann::ordered_json row{{"group", g.name}, {"patients", g.patients}};
    if (g.patients >= patients_min) {
      row["values"] = g.values;
      if (g.values > 0) row.update({{"mae", g.mae}, {"mae_mean", g.mae_mean}, {"skill", g.skill}});
      row["coverage"] = g.coverage;
      if (g.coverage_error) row["coverage_error"] = *g.coverage_error;
      if (g.values > 0) row["width"] = g.width;
    }
    out["groups"].push_back(std::move(row));
  }
  return out;
}

}  // namespace lacuna::daemon
