#include "daemon/tables/missingness_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "daemon/tables/text_table.h"

namespace lacuna::daemon {

namespace {

using Row = drift::MissingnessMatrix::Row;

constexpr const char* kAllSites = "(all)";

struct Cell {
  double hours = 0, arrived = 0;
  double share() const { return hours > 0 ? arrived / hours : 0; }
};

/// Rows by modality (in the order they come) and site, cells by week.
struct Grid {
  struct Line {
    std::string modality, site;
    std::map<Time, Cell> cells;
  };
  std::vector<Line> lines;
  std::set<Time> weeks;
};

Grid grid_of(const std::vector<Row>& rows) {
  Grid grid;
  std::vector<std::string> modalities;
  std::set<std::string> sites;
  std::map<std::pair<std::string, std::string>, std::map<Time, Cell>> cells;  // modality, site
  for (const Row& row : rows) {
    if (std::find(modalities.begin(), modalities.end(), row.modality) == modalities.end()) modalities.push_back(row.modality);
    sites.insert(row.site);
    grid.weeks.insert(row.week);
    for (const std::string& site : {row.site, std::string(kAllSites)}) {
      Cell& cell = cells[{row.modality, site}][row.week];
      cell.hours += static_cast<double>(row.patient_hours);
      cell.arrived += row.share * static_cast<double>(row.patient_hours);
    }
  }
  for (const std::string& modality : modalities) {
    if (sites.size() > 1) grid.lines.push_back({modality, kAllSites, cells[{modality, kAllSites}]});
    for (const std::string& site : sites) grid.lines.push_back({modality, site, cells[{modality, site}]});
  }
  return grid;
}

std::string date(Time week) { return format_rfc3339(week).substr(0, 10); }

/// Two digits that count, also where hardly anything comes.
std::string percent(double share) {
  const double p = 100 * share;
  if (p == 0 || p >= 9.95) return fmt::format("{:.0f} %", p);
  return p >= 0.995 ? fmt::format("{:.1f} %", p) : fmt::format("{:.2g} %", p);
}

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '&') out += "&amp;";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) out += '.';
    else out += c;
  }
  return out;
}

/// From nearly white to dark blue, in equal steps of lightness.
std::string colour(double part) {
  const double t = std::clamp(part, 0.0, 1.0);
  const auto mix = [t](int from, int to) { return static_cast<int>(from + (to - from) * t + 0.5); };
  return fmt::format("#{:02x}{:02x}{:02x}", mix(0xf4, 0x08), mix(0xf7, 0x30), mix(0xfb, 0x6b));
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
  const Grid grid = grid_of(rows);
  std::vector<Time> shown(grid.weeks.begin(), grid.weeks.end());
  if (shown.size() > weeks) shown.erase(shown.begin(), shown.end() - static_cast<std::ptrdiff_t>(weeks));
  std::vector<std::vector<std::string>> out{{"modality", "site"}};
  for (const Time week : shown) out[0].push_back(date(week));
  std::map<Time, double> hours;
  for (const Grid::Line& line : grid.lines) {
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

std::string missingness_svg(const std::vector<Row>& rows) {
  const Grid grid = grid_of(rows);
  constexpr int kLabels = 260, kCell = 52, kHeight = 20, kTop = 64;
  const int columns = static_cast<int>(grid.weeks.size()), lines = static_cast<int>(grid.lines.size());
  const int width = std::max(kLabels + columns * kCell + 20, 560), height = kTop + lines * kHeight + 40;
  std::map<std::string, double> largest;  // by modality
  for (const Grid::Line& line : grid.lines) {
    for (const auto& [week, cell] : line.cells) largest[line.modality] = std::max(largest[line.modality], cell.share());
  }
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<text x=\"10\" y=\"20\" font-size=\"14\" font-weight=\"bold\">Share of patient-hours with an event, by week</text>\n",
      width, height);
  int x = kLabels;
  for (const Time week : grid.weeks) {
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x + kCell / 2, kTop - 6, date(week).substr(5));
    x += kCell;
  }
  int y = kTop;
  std::string before;
  for (const Grid::Line& line : grid.lines) {
    if (line.modality != before) {
      out += fmt::format("<text x=\"10\" y=\"{}\" font-weight=\"bold\">{}</text>\n", y + 14, xml(line.modality));
      before = line.modality;
    }
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", kLabels - 8, y + 14, xml(line.site));
    x = kLabels;
    for (const Time week : grid.weeks) {
      const auto found = line.cells.find(week);
      const Cell cell = found == line.cells.end() ? Cell() : found->second;
      const double part = largest[line.modality] > 0 ? cell.share() / largest[line.modality] : 0;
      const std::string fill = cell.hours > 0 ? colour(part) : "#d9d9d9";
      out +=
          fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"><title>{}, {}, week of {}: {}</title></rect>\n", x, y,
                      kCell - 2, kHeight - 2, fill, xml(line.modality), xml(line.site), date(week),
                      cell.hours > 0 ? fmt::format("{} of {:.0f} patient-hours", percent(cell.share()), cell.hours) : "no patient-hours");
      if (cell.hours > 0) {
        out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"{}\">{}</text>\n", x + kCell / 2 - 1, y + 13,
                           part > 0.4 ? "white" : "#222222", percent(cell.share()));
      }
      x += kCell;
    }
    y += kHeight;
  }
  out += fmt::format(
      "<text x=\"10\" y=\"{}\" fill=\"#555555\">Darker: nearer to the modality's largest share. Grey: nobody was there.</text>\n", y + 24);
  return out + "</svg>\n";
}

}  // namespace lacuna::daemon
