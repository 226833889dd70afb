#include "daemon/plots/course_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "daemon/plots/axis.h"
#include "daemon/plots/svg.h"

namespace lacuna::daemon {

namespace {

using Kind = CourseCell::Kind;

constexpr double kMargin = 20, kWidth = 1090;
constexpr double kLabels = 88;               ///< left of a panel, for what its lines mean
constexpr double kHeight = 96, kTitle = 20;  ///< of a panel's plot; above it
constexpr double kNoteRow = 16, kNoteSize = 11;
constexpr double kRadius = 3.2;
constexpr double kClose = 7;        ///< pixels from moment to moment, below which runs become bands
constexpr double kBeyond = 1.5;     ///< intervals widen a panel by so much of what else it holds, at most
constexpr double kShareMin = 0.05;  ///< a class that is less likely has no mark

struct Look {
  Kind kind;
  Mark mark;
  const char* colour;
  const char* name;
};
constexpr std::array<Look, 6> kLooks{{
    {Kind::measured, Mark::dot, colours::kBlue, "measured"},
    {Kind::limit_below, Mark::triangle_down, colours::kBlue, "measured as less than this"},
    {Kind::limit_above, Mark::triangle_up, colours::kBlue, "measured as more than this"},
    {Kind::measured_before, Mark::diamond, colours::kGreen, "imputed: measured before"},
    {Kind::stale, Mark::square, colours::kVermillion, "imputed: measured before, but long ago"},
    {Kind::never_measured, Mark::cross, colours::kPurple, "imputed: never measured until then"},
}};
const Look& look_of(Kind kind) { return kLooks[static_cast<std::size_t>(kind)]; }
bool is_measured(const CourseCell& c) { return c.kind <= Kind::limit_above; }

/// The values that a panel of numbers has to show.
Axis axis_of(const CoursePanel& panel, double from, double to) {
  std::vector<double> core;
  if (panel.usual) core = {panel.usual->first, panel.usual->second};
  for (const CourseCell& c : panel.cells) core.push_back(c.value);
  if (core.empty()) return {0, 1, from, to};
  const auto [low, high] = std::ranges::minmax(core);
  const double room = kBeyond * std::max(high - low, 1e-9);
  double lowest = low, highest = high;
  for (const CourseCell& c : panel.cells) {
    if (is_measured(c)) continue;
    lowest = std::min(lowest, std::max(c.low, low - room));
    highest = std::max(highest, std::min(c.high, high + room));
  }
  const double edge = 0.06 * (highest - lowest);
  return {lowest >= 0 ? std::max(lowest - edge, 0.0) : lowest - edge, highest + edge, from, to};
}

/// Those classes of a panel that have a place in it, the first lowest.
std::vector<std::size_t> shown_classes(const CoursePanel& panel) {
  std::vector<std::size_t> out(panel.classes.size());
  std::iota(out.begin(), out.end(), std::size_t{0});
  if (out.size() <= kPanelClasses) return out;
  std::vector<double> weights(panel.classes.size());
  for (const CourseCell& c : panel.cells) {
    if (c.shares.empty()) weights[static_cast<std::size_t>(c.value)] += 1;
    for (std::size_t i = 0; i < c.shares.size(); ++i) weights[i] += c.shares[i];
  }
  std::ranges::stable_sort(out, [&](std::size_t a, std::size_t b) { return weights[a] > weights[b]; });
  out.resize(kPanelClasses);
  std::ranges::sort(out);
  return out;
}

class CourseDrawing {
 public:
  explicit CourseDrawing(const Course& course) : course_(course) {
    for (const CoursePanel& panel : course.panels) {
      for (const CourseCell& c : panel.cells) times_.push_back(c.time);
    }
    std::ranges::sort(times_);
    times_.erase(std::unique(times_.begin(), times_.end()), times_.end());
    columns_ = times_.size() > 1 ? 3 : 6;
    pitch_ = (kWidth - 2 * kMargin) / static_cast<double>(columns_);
    row_ = kTitle + kHeight + (times_.size() > 1 ? 44 : 20);
  }

  std::string draw() {
    const double top = kMargin + 26 + kNoteRow * static_cast<double>(course_.notes.size()) + 40;
    const auto rows = static_cast<double>((course_.panels.size() + columns_ - 1) / columns_);
    std::string told;
    for (const std::string& note : course_.notes) told += (told.empty() ? "" : " ") + note;
    Svg svg(kWidth, top + rows * row_ + kMargin, course_.title, told);
    svg.text(kMargin, kMargin + 14, fitted(course_.title, kWidth - 2 * kMargin, 16), {.size = 16, .bold = true});
    double y = kMargin + 18;
    for (const std::string& note : course_.notes)
      svg.text(kMargin, y += kNoteRow, fitted(note, kWidth - 2 * kMargin, kNoteSize), {.size = kNoteSize, .fill = colours::kMuted});
    legend(svg, kMargin, y + 24, kWidth - kMargin, entries());
    for (std::size_t i = 0; i < course_.panels.size(); ++i) {
      const double left = kMargin + pitch_ * static_cast<double>(i % columns_);
      panel(svg, course_.panels[i], left, top + row_ * static_cast<double>(i / columns_));
    }
    return std::move(svg).finish();
  }

 private:
  std::vector<LegendEntry> entries() const {
    std::vector<LegendEntry> out;
    for (const Look& look : kLooks) {
      const bool there = std::ranges::any_of(course_.panels, [&](const CoursePanel& p) {
        return std::ranges::any_of(p.cells, [&](const CourseCell& c) { return c.kind == look.kind; });
      });
      if (there) out.push_back({look.mark, look.colour, look.name});
    }
    return out;
  }

  Axis time_axis(double left, double right) const {
    if (times_.size() < 2) return {0, 1, left, right};
    return {to_number(times_.front()), to_number(times_.back()), left + 5, right - 5};
  }
  double x_of(const Axis& axis, Time time) const { return axis.at(times_.size() < 2 ? 0.5 : to_number(time)); }

  /// The unit in which elapsed time is told, and its length in milliseconds.
  std::pair<const char*, double> elapsed_unit() const {
    const double hours = hours_between(times_.front(), times_.back());
    if (hours <= 3) return {"min", 60'000.0};
    return hours <= 120 ? std::pair("h", 3'600'000.0) : std::pair("d", 86'400'000.0);
  }

  void draw_time(Svg& svg, const Axis& axis, double left, double right, double bottom) const {
    svg.line(left, bottom, right, bottom, colours::kAxis);
    if (times_.size() < 2) return;
    std::vector<Tick> ticks;
    if (course_.zero) {
      const auto [unit, length] = elapsed_unit();
      const double zero = to_number(*course_.zero);
      ticks = number_ticks((to_number(times_.front()) - zero) / length, (to_number(times_.back()) - zero) / length, 5);
      for (Tick& t : ticks) {
        t.value = zero + t.value * length;
        t.text += std::string(" ") + unit;
      }
    } else {
      ticks = time_ticks(times_.front(), times_.back(), 5);
    }
    for (const Tick& t : ticks) {
      const double x = axis.at(t.value);
      svg.line(x, bottom, x, bottom + 4, colours::kAxis);
      svg.text(x, bottom + 15, t.text, {.size = 10, .anchor = "middle", .fill = colours::kMuted});
      if (!t.below.empty()) svg.text(x, bottom + 27, t.below, {.size = 10, .anchor = "middle", .fill = colours::kMuted});
    }
  }

  void panel(Svg& svg, const CoursePanel& panel, double x, double y) const {
    const double left = x + kLabels, right = x + pitch_ - 14, top = y + kTitle, bottom = top + kHeight;
    const double unit = panel.unit.empty() ? 0 : text_width(panel.unit, 10) + 8;
    svg.text(x + 8, y + 13, fitted(panel.name, right - x - 8 - unit, 13), {.size = 12, .bold = true});
    svg.text(right, y + 13, panel.unit, {.size = 10, .anchor = "end", .fill = colours::kMuted});
    const Axis time = time_axis(left, right);
    if (panel.classes.empty()) numbers(svg, panel, time, left, right, top, bottom);
    else classes(svg, panel, time, left, right, top, bottom);
    draw_time(svg, time, left, right, bottom);
  }

  static void level_line(Svg& svg, double left, double right, double y, const std::string& name) {
    svg.line(left, y, right, y, colours::kGrid);
    svg.text(left - 6, y + 3.5, fitted(name, kLabels - 14, 10), {.size = 10, .anchor = "end", .fill = colours::kMuted});
  }

  void numbers(Svg& svg, const CoursePanel& panel, const Axis& time, double left, double right, double top, double bottom) const {
    const Axis axis = axis_of(panel, bottom, top);
    if (panel.usual) {
      const double high = axis.at(panel.usual->second), low = axis.at(panel.usual->first);
      svg.rect(left, high, right - left, std::max(low - high, 1.0), colours::kShade, "where most values of the table lie");
    }
    for (const Tick& t : number_ticks(axis.low(), axis.high(), 5)) level_line(svg, left, right, axis.at(t.value), t.text);
    Svg::Points course;
    for (const CourseCell& c : panel.cells) {
      if (is_measured(c)) course.emplace_back(x_of(time, c.time), axis.at(c.value));
    }
    if (course.size() > 1) svg.polyline(course, colours::kBlue, 1);
    imputed(svg, panel.cells, time, axis);
    for (const CourseCell& c : panel.cells) {
      if (is_measured(c)) svg.mark(look_of(c.kind).mark, x_of(time, c.time), axis.at(c.value), kRadius, look_of(c.kind).colour, c.tip);
    }
  }

  /// Run by run of cells with one reason that follow each other.
  void imputed(Svg& svg, const std::vector<CourseCell>& cells, const Axis& time, const Axis& axis) const {
    for (std::size_t from = 0, to = 0; from < cells.size(); from = to) {
      for (to = from + 1; to < cells.size() && cells[to].kind == cells[from].kind;) ++to;
      if (is_measured(cells[from])) continue;
      const double length = x_of(time, cells[to - 1].time) - x_of(time, cells[from].time);
      const bool close = to - from > 2 && length < kClose * static_cast<double>(to - from - 1);
      if (close)
        band(svg, {cells.begin() + static_cast<std::ptrdiff_t>(from), cells.begin() + static_cast<std::ptrdiff_t>(to)}, time, axis);
      for (std::size_t i = from; i < to && !close; ++i) whisker(svg, cells[i], time, axis);
    }
  }

  static double within(const Axis& axis, double value) { return axis.at(std::clamp(value, axis.low(), axis.high())); }

  void whisker(Svg& svg, const CourseCell& c, const Axis& time, const Axis& axis) const {
    const Look& look = look_of(c.kind);
    const double x = x_of(time, c.time), low = within(axis, c.low), high = within(axis, c.high);
    svg.line(x, low, x, high, look.colour, 1.3);
    if (c.low >= axis.low()) svg.line(x - 3, low, x + 3, low, look.colour, 1.3);
    if (c.high <= axis.high()) svg.line(x - 3, high, x + 3, high, look.colour, 1.3);
    svg.mark(look.mark, x, axis.at(c.value), kRadius, look.colour, c.tip);
  }

  void band(Svg& svg, const std::vector<CourseCell>& run, const Axis& time, const Axis& axis) const {
    Svg::Points around, middle;
    for (const CourseCell& c : run) {
      around.emplace_back(x_of(time, c.time), within(axis, c.high));
      middle.emplace_back(x_of(time, c.time), axis.at(c.value));
    }
    for (auto c = run.rbegin(); c != run.rend(); ++c) around.emplace_back(x_of(time, c->time), within(axis, c->low));
    svg.polygon(around, look_of(run.front().kind).colour, 0.22);
    svg.polyline(middle, look_of(run.front().kind).colour, 1.6);
    const CourseCell& shown = run[run.size() / 2];
    svg.mark(look_of(shown.kind).mark, x_of(time, shown.time), axis.at(shown.value), kRadius, look_of(shown.kind).colour, shown.tip);
  }

  void classes(Svg& svg, const CoursePanel& panel, const Axis& time, double left, double right, double top, double bottom) const {
    const std::vector<std::size_t> shown = shown_classes(panel);
    const Axis axis(-0.5, static_cast<double>(shown.size()) - 0.5, bottom, top);
    std::vector<std::optional<double>> places(panel.classes.size());
    for (std::size_t i = 0; i < shown.size(); ++i) {
      places[shown[i]] = axis.at(static_cast<double>(i));
      level_line(svg, left, right, *places[shown[i]], panel.classes[shown[i]]);
    }
    for (const CourseCell& c : panel.cells) {
      const Look& look = look_of(c.kind);
      const double x = x_of(time, c.time);
      const auto at = places[static_cast<std::size_t>(c.value)];
      if (is_measured(c) && at) svg.mark(look.mark, x, *at, kRadius, look.colour, c.tip);
      for (std::size_t i = 0; i < c.shares.size(); ++i) {
        if (places[i] && c.shares[i] >= kShareMin)
          svg.mark(look.mark, x, *places[i], 1.2 + 3 * c.shares[i], look.colour, c.tip, 0.25 + 0.75 * c.shares[i]);
      }
    }
  }

  const Course& course_;
  std::vector<Time> times_;  ///< of all cells, each once, ascending
  std::size_t columns_ = 3;
  double pitch_ = 0, row_ = 0;
};

}  // namespace

std::string course_plot(const Course& course) { return CourseDrawing(course).draw(); }

}  // namespace lacuna::daemon
