#include "daemon/tables/missingness_table.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "daemon/tables/text_table.h"
#include "model/drift/missingness_grid.h"

namespace lacuna::daemon {

namespace {

using Row = drift::MissingnessMatrix::Row;

std::string date(Time week) { return format_rfc3339(week).substr(0, 10); }

/// Two digits that count, also where hardly anything comes.
std::string percent(double share) {
  const double p = 100 * share;
  if (p == 0 || p >= 9.95) return fmt::format("{:.0f} %", p);
  return p >= 0.995 ? fmt::format("{:.1f} %", p) : fmt::format("{:.2g} %", p);
}

}  // namespace

Result<std::vector<Row>> read_missingness(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  std::vector<Row> rows;
  try {
    for (const auto& r : json.at("rows")) {
      const auto week = parse_rfc3339(r.at("week").get<std::string>() + "T00:00:00Z");
      if (!week) return Status(Code::invalid, "the answer is not what /v1/missingness gives");
      rows.push_back({r.at("site"), r.at("modality"), *week, r.at("patient_hours"), r.at("share")});
    }
  } catch (const nlohmann::json::exception&) {
    return Status(Code::invalid, "the answer is not what /v1/missingness gives: another version, or not Lacuna?");
  }
  return rows;
}

std::string missingness_table(const std::vector<Row>& rows, std::size_t weeks) {
  if (rows.empty()) return "nothing was counted yet: a patient-hour counts once the patient's next event is past it\n";
  const drift::MissingnessGrid grid(rows);
  std::vector<Time> shown(grid.weeks.begin(), grid.weeks.end());
  if (shown.size() > weeks) shown.erase(shown.begin(), shown.end() - static_cast<std::ptrdiff_t>(weeks));
  std::vector<std::vector<std::string>> out{{"modality", "site"}};
  for (const Time week : shown) out[0].push_back(date(week));
  std::map<Time, double> hours;
  for (const drift::MissingnessGrid::Line& line : grid.lines) {
    out.push_back({line.modality, line.site});
    for (const Time week : shown) {
      const auto cell = line.cells.find(week);
      out.back().push_back(cell == line.cells.end() || cell->second.hours == 0 ? "-" : percent(cell->second.share()));
      if (cell != line.cells.end() && line.modality == grid.lines[0].modality && line.site == grid.lines[0].site) {
        hours[week] = cell->second.hours;
      }
    }
  }
  out.push_back({"patient-hours", grid.lines[0].site});
  for (const Time week : shown) out.back().push_back(fmt::format("{:.0f}", hours[week]));
  return "Share of patient-hours with an event of the modality, by week (its Monday)\n\n" + text_table(std::move(out), "llr");
}

}  // namespace lacuna::daemon
