#include "daemon/plots/missingness_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "daemon/plots/axis.h"
#include "daemon/plots/svg.h"
#include "model/drift/missingness_grid.h"

namespace lacuna::daemon {

namespace {

constexpr double kMargin = 20, kLabels = 270, kCell = 52, kHeight = 20, kTop = 72;
constexpr const char* kTitle = "Share of patient-hours with an event, by week";
constexpr const char* kNote = "Darker: nearer to the modality's largest share. Grey: nobody was there.";

std::string date(Time week) { return format_rfc3339(week).substr(0, 10); }

/// From nearly white to dark blue, in equal steps of lightness.
std::string colour(double part) {
  const double t = std::clamp(part, 0.0, 1.0);
  const auto mix = [t](int from, int to) { return static_cast<int>(from + (to - from) * t + 0.5); };
  return fmt::format("#{:02x}{:02x}{:02x}", mix(0xf4, 0x08), mix(0xf7, 0x30), mix(0xfb, 0x6b));
}

void draw_cell(Svg& svg, const drift::MissingnessGrid::Line& line, Time week, double largest, double x, double y) {
  const auto found = line.cells.find(week);
  const auto cell = found == line.cells.end() ? drift::MissingnessGrid::Cell() : found->second;
  const double part = largest > 0 ? cell.share() / largest : 0;
  const std::string said =
      cell.hours > 0 ? fmt::format("{} of {:.0f} patient-hours", percent(cell.share()), cell.hours) : "no patient-hours";
  svg.rect(x, y, kCell - 2, kHeight - 2, cell.hours > 0 ? colour(part).c_str() : "#d9d9d9",
           fmt::format("{}, {}, week of {}: {}", line.modality, line.site, date(week), said));
  if (cell.hours > 0)
    svg.text(x + kCell / 2 - 1, y + 13, percent(cell.share()), {.anchor = "middle", .fill = part > 0.4 ? "#ffffff" : colours::kInk});
}

}  // namespace

std::string missingness_plot(const std::vector<drift::MissingnessMatrix::Row>& rows) {
  const drift::MissingnessGrid grid(rows);
  const double width = std::max(kLabels + kCell * static_cast<double>(grid.weeks.size()) + kMargin, 560.0);
  Svg svg(width, kTop + kHeight * static_cast<double>(grid.lines.size()) + 44, kTitle, kNote);
  std::map<std::string, double> largest;  // by modality
  for (const auto& line : grid.lines) {
    for (const auto& [week, cell] : line.cells) largest[line.modality] = std::max(largest[line.modality], cell.share());
  }
  svg.text(kMargin, kMargin + 14, kTitle, {.size = 16, .bold = true});
  double x = kLabels;
  for (const Time week : grid.weeks) {
    svg.text(x + kCell / 2 - 1, kTop - 6, date(week).substr(5), {.anchor = "middle", .fill = colours::kMuted});
    x += kCell;
  }
  double y = kTop;
  std::string before;
  for (const auto& line : grid.lines) {
    const bool first = line.modality != before;
    if (first) svg.text(kMargin, y + 14, fitted(line.modality, 130, 11), {.bold = true});
    before = line.modality;
    svg.text(kLabels - 8, y + 14, fitted(line.site, 110, 11), {.anchor = "end"});
    x = kLabels;
    for (const Time week : grid.weeks) {
      draw_cell(svg, line, week, largest[line.modality], x, y);
      x += kCell;
    }
    y += kHeight;
  }
  svg.text(kMargin, y + 24, kNote, {.fill = colours::kMuted});
  return std::move(svg).finish();
}

}  // namespace lacuna::daemon
