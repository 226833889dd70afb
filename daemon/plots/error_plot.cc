#include "daemon/plots/error_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "daemon/plots/axis.h"
#include "daemon/plots/svg.h"

namespace lacuna::daemon {

namespace {

constexpr double kMargin = 20, kWidth = 860;
constexpr double kNames = 210, kFigures = 150;  ///< left and right of the dots
constexpr double kRow = 20, kNoteRow = 16, kHead = 54, kFoot = 30;
constexpr double kRadius = 4;

struct Method {
  Mark mark;
  const char* colour;
  const char* name;
};
constexpr Method kOurs{Mark::dot, colours::kBlue, "Lacuna"};
constexpr Method kMean{Mark::ring, colours::kMuted, "mean (of classes: the most frequent one)"};
constexpr Method kLast{Mark::diamond, colours::kOrange, "the patient's value before"};
constexpr Method kChained{Mark::cross, colours::kVermillion, "chained equations"};

std::vector<std::pair<const Method*, double>> plain(const ErrorRow& row) {
  std::vector<std::pair<const Method*, double>> out;
  for (const auto& [method, error] : {std::tuple(&kMean, row.mean), {&kLast, row.last}, {&kChained, row.chained}}) {
    if (error) out.emplace_back(method, *error);
  }
  return out;
}

std::vector<ErrorRow> shown(const ErrorSection& section) {
  std::vector<ErrorRow> rows = section.rows;
  if (rows.size() > kErrorRows) {
    std::ranges::stable_sort(rows, std::ranges::greater(), &ErrorRow::cells);
    rows.resize(kErrorRows);
  }
  std::ranges::stable_sort(rows, {}, &ErrorRow::ours);
  return rows;
}

double height_of(const ErrorSection& section) {
  return kHead + kRow * static_cast<double>(std::min(section.rows.size(), kErrorRows)) + kFoot;
}

/// Returns the y below it.
double draw(Svg& svg, const ErrorSection& section, double level, double y) {
  const std::vector<ErrorRow> rows = shown(section);
  const double left = kMargin + kNames, right = kWidth - kMargin - kFigures;
  double most = 0;
  for (const ErrorRow& row : rows) {
    most = std::max(most, row.ours);
    for (const auto& [method, error] : plain(row)) most = std::max(most, error);
  }
  const Axis axis(0, most > 0 ? 1.04 * most : 1, left, right);
  const std::string left_out = section.rows.size() > rows.size()
                                   ? fmt::format(" ({} of {} features: those with the most cells)", rows.size(), section.rows.size())
                                   : "";
  svg.text(kMargin, y + 18, fitted(section.title + left_out, kWidth - 2 * kMargin, 13), {.size = 13, .bold = true});
  const double first = y + kHead, bottom = first + kRow * static_cast<double>(rows.size());
  svg.text(right + 66, first - 8, "cells", {.size = 10, .anchor = "end", .fill = colours::kMuted});
  if (std::ranges::any_of(rows, [](const ErrorRow& r) { return r.inside.has_value(); }))
    svg.text(kWidth - kMargin, first - 8, "inside " + percent(level), {.size = 10, .anchor = "end", .fill = colours::kMuted});
  for (const Tick& t : number_ticks(axis.low(), axis.high(), 6)) {
    svg.line(axis.at(t.value), first, axis.at(t.value), bottom, colours::kGrid);
    svg.text(axis.at(t.value), bottom + 16, t.text, {.size = 10, .anchor = "middle", .fill = colours::kMuted});
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const ErrorRow& row = rows[i];
    const double middle = first + kRow * (static_cast<double>(i) + 0.5);
    svg.text(left - 12, middle + 4, fitted(row.name, kNames - 16, 11), {.anchor = "end"});
    double to = row.ours;
    const auto others = plain(row);
    for (const auto& [method, error] : others) to = std::max(to, error);
    svg.line(axis.at(0), middle, axis.at(std::max(to, row.ours)), middle, colours::kAxis, 0.8);
    for (const auto& [method, error] : others)
      svg.mark(method->mark, axis.at(error), middle, kRadius, method->colour, fmt::format("{}, {}: {:.3f}", row.name, method->name, error));
    svg.mark(kOurs.mark, axis.at(row.ours), middle, kRadius + 0.5, kOurs.colour, fmt::format("{}, Lacuna: {:.3f}", row.name, row.ours));
    svg.text(right + 66, middle + 4, std::to_string(row.cells), {.anchor = "end", .fill = colours::kMuted});
    if (row.inside)
      svg.text(kWidth - kMargin, middle + 4, fmt::format("{:.1f} %", 100 * *row.inside), {.anchor = "end", .fill = colours::kMuted});
  }
  svg.line(left, first, left, bottom, colours::kAxis);
  return bottom + kFoot;
}

std::vector<LegendEntry> entries(const ErrorPlot& plot) {
  std::vector<LegendEntry> out{{kOurs.mark, kOurs.colour, kOurs.name}};
  const auto any = [&](auto member) {
    return std::ranges::any_of(plot.sections, [&](const ErrorSection& s) {
      return std::ranges::any_of(s.rows, [&](const ErrorRow& r) { return (r.*member).has_value(); });
    });
  };
  for (const auto& [method, there] :
       {std::pair(&kMean, any(&ErrorRow::mean)), {&kLast, any(&ErrorRow::last)}, {&kChained, any(&ErrorRow::chained)}}) {
    if (there) out.push_back({method->mark, method->colour, method->name});
  }
  return out;
}

}  // namespace

std::string error_plot(const ErrorPlot& plot) {
  double height = kMargin + 50 + kNoteRow * static_cast<double>(plot.notes.size()) + kMargin;
  for (const ErrorSection& section : plot.sections) height += height_of(section);
  std::string told;
  for (const std::string& note : plot.notes) told += (told.empty() ? "" : " ") + note;
  Svg svg(kWidth, height, plot.title, told);
  svg.text(kMargin, kMargin + 14, fitted(plot.title, kWidth - 2 * kMargin, 16), {.size = 16, .bold = true});
  double y = kMargin + 18;
  for (const std::string& note : plot.notes)
    svg.text(kMargin, y += kNoteRow, fitted(note, kWidth - 2 * kMargin, 11), {.fill = colours::kMuted});
  y = legend(svg, kMargin, y + 24, kWidth - kMargin, entries(plot)) + 8;
  for (const ErrorSection& section : plot.sections) y = draw(svg, section, plot.level, y);
  return std::move(svg).finish();
}

}  // namespace lacuna::daemon
