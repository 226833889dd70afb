#include "daemon/plots/calibration_plot.h"

#include <fmt/format.h>

#include <utility>

#include "daemon/plots/axis.h"
#include "daemon/plots/svg.h"

namespace lacuna::daemon {

namespace {

constexpr double kMargin = 20, kWidth = 560, kSide = 430, kLeft = 84, kNoteRow = 16;
constexpr double kRadius = 3.8;

double share(std::uint64_t part, std::uint64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

void frame(Svg& svg, const Axis& x, const Axis& y) {
  for (int p = 0; p <= 100; p += 20) {
    const double at = p / 100.0;
    svg.line(x.at(at), y.at(0), x.at(at), y.at(1), colours::kGrid);
    svg.line(x.at(0), y.at(at), x.at(1), y.at(at), colours::kGrid);
    svg.text(x.at(at), y.at(0) + 16, fmt::format("{} %", p), {.anchor = "middle", .fill = colours::kMuted});
    svg.text(x.at(0) - 8, y.at(at) + 4, fmt::format("{} %", p), {.anchor = "end", .fill = colours::kMuted});
  }
  svg.text((x.at(0) + x.at(1)) / 2, y.at(0) + 38, "what the interval says: its level", {.size = 12, .anchor = "middle"});
  const double middle = (y.at(0) + y.at(1)) / 2;
  svg.text(x.at(0) - 52, middle, "what came true: share of values inside", {.size = 12, .anchor = "middle", .turned = -90});
}

void draw_band(Svg& svg, const Axis& x, const Axis& y, std::uint64_t count) {
  Svg::Points around, below;
  for (int p = 0; p <= 100; ++p) {
    const auto [low, high] = model::binomial_range(count, p / 100.0);
    around.emplace_back(x.at(p / 100.0), y.at(high));
    below.emplace_back(x.at(p / 100.0), y.at(low));
  }
  around.insert(around.end(), below.rbegin(), below.rend());
  svg.polygon(around, colours::kAxis, 0.35);
}

void draw_line(Svg& svg, const Axis& x, const Axis& y, const model::CalibrationCurve& curve, const LegendEntry& look,
               std::uint64_t model::CalibrationCurve::Point::*inside, const char* dashes) {
  Svg::Points line;
  for (const auto& p : curve.points) line.emplace_back(x.at(p.level), y.at(share(p.*inside, curve.count)));
  svg.polyline(line, look.colour, 1.6, dashes);
  for (std::size_t i = 0; i < line.size(); ++i) {
    const auto& p = curve.points[i];
    svg.mark(look.mark, line[i].first, line[i].second, kRadius, look.colour,
             fmt::format("{}: {:.1f} % of {} values inside intervals of {:.0f} %", look.name, 100 * share(p.*inside, curve.count),
                         curve.count, 100 * p.level));
  }
}

}  // namespace

std::string calibration_plot(const model::CalibrationCurve& curve, const std::string& title, const std::vector<std::string>& notes) {
  const double top = kMargin + 60 + kNoteRow * static_cast<double>(notes.size());
  std::string told;
  for (const std::string& note : notes) told += (told.empty() ? "" : " ") + note;
  Svg svg(kWidth, top + kSide + 56 + kMargin, title, told);
  svg.text(kMargin, kMargin + 14, fitted(title, kWidth - 2 * kMargin, 16), {.size = 16, .bold = true});
  double row = kMargin + 18;
  for (const std::string& note : notes)
    svg.text(kMargin, row += kNoteRow, fitted(note, kWidth - 2 * kMargin, 11), {.fill = colours::kMuted});
  const LegendEntry ours{Mark::dot, colours::kBlue, "calibrated"}, own{Mark::diamond, colours::kVermillion, "the model's own"};
  legend(svg, kMargin, row + 24, kWidth - kMargin, {ours, own});
  const Axis x(0, 1, kLeft, kLeft + kSide), y(0, 1, top + kSide, top);
  frame(svg, x, y);
  if (curve.count == 0) {
    svg.text(kLeft + kSide / 2, top + kSide / 2, "no value to draw it from", {.size = 14, .anchor = "middle", .fill = colours::kMuted});
    return std::move(svg).finish();
  }
  draw_band(svg, x, y, curve.count);
  svg.line(x.at(0), y.at(0), x.at(1), y.at(1), colours::kMuted, 1, "2 3");
  draw_line(svg, x, y, curve, own, &model::CalibrationCurve::Point::inside_own, "5 3");
  draw_line(svg, x, y, curve, ours, &model::CalibrationCurve::Point::inside, nullptr);
  return std::move(svg).finish();
}

}  // namespace lacuna::daemon
