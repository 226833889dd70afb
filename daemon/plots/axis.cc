#include "daemon/plots/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

namespace lacuna::daemon {

namespace {

using std::chrono::year_month_day;

constexpr double kMinute = 60'000, kHour = 60 * kMinute, kDay = 24 * kHour;

Time to_time(double number) { return Time(Millis(static_cast<std::int64_t>(number))); }

std::string stamp(Time time, std::size_t from, std::size_t count) { return format_rfc3339(time).substr(from, count); }

/// Every `months` months, of [low, high].
std::vector<Tick> month_ticks(Time low, Time high, int months) {
  std::vector<Tick> out;
  const year_month_day first(std::chrono::floor<std::chrono::days>(low));
  const int start = static_cast<int>(first.year()) * 12 + static_cast<int>(static_cast<unsigned>(first.month())) - 1;
  for (int m = (start + months - 1) / months * months;; m += months) {
    const Time time = std::chrono::sys_days(std::chrono::year(m / 12) / (m % 12 + 1) / 1);
    if (time > high) return out;
    if (time >= low) out.push_back({to_number(time), months % 12 == 0 ? stamp(time, 0, 4) : stamp(time, 0, 7)});
  }
}

}  // namespace

Axis::Axis(double low, double high, double from, double to) : low_(low), high_(high), from_(from), to_(to) {
  if (high_ - low_ > 1e-9 * std::max(std::abs(low_), std::abs(high_))) return;
  const double about = std::max(0.1 * std::abs(low_), 0.5);
  low_ -= about;
  high_ += about;
}

std::vector<Tick> number_ticks(double low, double high, int wanted) {
  const double rough = (high - low) / std::max(wanted, 1);
  if (!std::isfinite(rough) || rough <= 0) return {};
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double times : {5, 2, 1}) {
    if (times * power >= rough * 0.999) step = times * power;
  }
  std::vector<Tick> out;
  const int digits = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  for (double n = std::ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n += 1) {
    const double value = n * step;
    const bool huge = std::abs(value) >= 1e7 || digits > 6;
    out.push_back({value, huge ? fmt::format("{:.4g}", value) : fmt::format("{:.{}f}", n == 0 ? 0.0 : value, digits)});
  }
  return out;
}

std::vector<Tick> time_ticks(Time low, Time high, int wanted) {
  const double rough = to_number(high) - to_number(low);
  const double step = rough / std::max(wanted, 1);
  if (step <= 0) return {};
  for (const int months : {1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400}) {
    if (step > 20 * kDay && months * 30.5 * kDay >= step) return month_ticks(low, high, months);
  }
  constexpr std::array<double, 14> kSteps{kMinute,   5 * kMinute, 15 * kMinute, 30 * kMinute, kHour,    2 * kHour, 3 * kHour,
                                          6 * kHour, 12 * kHour,  kDay,         2 * kDay,     5 * kDay, 10 * kDay, 20 * kDay};
  const double chosen = *std::find_if(kSteps.begin(), kSteps.end() - 1, [step](double s) { return s >= step; });
  std::vector<Tick> out;
  std::string before;
  for (double at = std::ceil(to_number(low) / chosen) * chosen; at <= to_number(high); at += chosen) {
    const Time time = to_time(at);
    const bool days = chosen >= kDay;
    Tick tick{at, days ? stamp(time, 5, 5) : stamp(time, 11, 5), days ? stamp(time, 0, 4) : stamp(time, 0, 10)};
    if (tick.below == before) tick.below.clear();
    else before = tick.below;
    out.push_back(std::move(tick));
  }
  return out;
}

std::string percent(double share) {
  const double p = 100 * share;
  return p == 0 || p >= 9.95 ? fmt::format("{:.0f} %", p) : fmt::format("{:.2g} %", p);
}

}  // namespace lacuna::daemon
