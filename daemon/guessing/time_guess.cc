#include "daemon/guessing/time_guess.h"

#include <algorithm>

#include "daemon/guessing/known_names.h"
#include "streaming/files/cell_text.h"
#include "streaming/files/time_reader.h"

namespace lacuna::daemon {

namespace {

using streaming::FileMapping;
using TimeForm = FileMapping::TimeForm;

bool all_read(const TimeGuess& guess, const std::vector<std::string>& cells) {
  FileMapping mapping;
  mapping.time_form = guess.form;
  mapping.time_zone = guess.zone;
  mapping.time_pattern = guess.pattern;
  const auto reader = streaming::TimeReader::make(mapping);
  return reader.ok() && std::ranges::all_of(cells, [&](const std::string& cell) { return reader->read(cell, Time{}).has_value(); });
}

/// Digits alone, of a date, or of the seconds since 1970.
std::optional<TimeGuess> guess_whole_number(const std::vector<std::string>& cells, double low, double high) {
  constexpr double kFirstSecond = 3e8, kLastSecond = 8e9;  // 1979 to 2223
  if (low >= kFirstSecond && high <= kLastSecond && cells.front().size() <= 10) {
    return TimeGuess{TimeForm::epoch_seconds, "", "", "read as seconds since 1970"};
  }
  if (low >= 1000 * kFirstSecond && high <= 1000 * kLastSecond)
    return TimeGuess{TimeForm::epoch_millis, "", "", "read as milliseconds since 1970"};
  const TimeGuess hl7{TimeForm::hl7, "UTC", "", "has no zone: read as UTC"};
  const bool dated = std::ranges::all_of(cells, [](const std::string& c) { return c.size() >= 8 && (c[0] == '1' || c[0] == '2'); });
  if (dated && all_read(hl7, cells)) return hl7;
  return std::nullopt;
}

std::optional<TimeGuess> guess_number(std::string_view name, const std::vector<std::string>& cells, char decimal) {
  double low = 0, high = 0;
  bool whole = true;
  for (const std::string& cell : cells) {
    double value = 0;
    if (!streaming::read_number(cell, decimal, value)) return std::nullopt;
    low = &cell == &cells.front() ? value : std::min(low, value);
    high = &cell == &cells.front() ? value : std::max(high, value);
    whole = whole && cell.find_first_not_of("0123456789") == std::string::npos;
  }
  // Times are read with a point.
  if (std::ranges::any_of(cells, [](const std::string& c) { return c.find(',') != std::string::npos; })) return std::nullopt;
  if (whole) {
    if (auto guess = guess_whole_number(cells, low, high)) return guess;
  }
  const std::string key = key_of(name);
  const auto says = [&](std::string_view word) { return key.find(word) != std::string::npos; };
  if (says("day") || says("tag")) return TimeGuess{TimeForm::days, "", "", ""};
  if (says("hour") || says("hr") || says("stunde")) return TimeGuess{TimeForm::hours, "", "", ""};
  if (says("min")) return TimeGuess{TimeForm::minutes, "", "", ""};
  if (says("offset"))
    return TimeGuess{TimeForm::minutes, "", "", "counts from the stay's start, read as minutes; hours or days: change time_form"};
  if (says("visit") || says("wave") || says("seq")) {
    return TimeGuess{TimeForm::days, "", "", "numbers the visits: read as days, since it does not say how far apart they are"};
  }
  return TimeGuess{TimeForm::hours, "", "", "is a number, read as hours since the stay's start; minutes or days: change time_form"};
}

/// Day before month, unless a cell says that it cannot be.
std::optional<TimeGuess> guess_pattern(const std::vector<std::string>& cells) {
  // Years of two digits first: one of four is left over by them, and the other way round "20" would be a year.
  constexpr std::string_view kDates[] = {"%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%d-%b-%y", "%d.%m.%Y",
                                         "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d-%b-%Y", "%d %b %Y"};
  constexpr std::string_view kClocks[] = {"", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"};
  for (const std::string_view day : kDates) {
    for (const std::string_view clock : kClocks) {
      TimeGuess guess{TimeForm::pattern, "UTC", std::string(day) + std::string(clock), "has no zone: read as UTC"};
      if (!all_read(guess, cells)) continue;
      TimeGuess swapped = guess;
      if (day.starts_with("%d/%m") || day.starts_with("%d-%m"))
        swapped.pattern = "%m" + std::string(1, day[2]) + "%d" + std::string(day.substr(5)) + std::string(clock);
      if (swapped.pattern != guess.pattern && all_read(swapped, cells))
        guess.doubt = "could be month/day as well as day/month, and has no zone: read as " + guess.pattern + ", UTC";
      return guess;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<TimeGuess> guess_time(std::string_view name, const std::vector<std::string>& cells, char decimal) {
  if (cells.empty()) return std::nullopt;
  for (const TimeForm form : {TimeForm::rfc3339, TimeForm::hours_minutes, TimeForm::offset}) {
    if (const TimeGuess guess{form, "", "", ""}; all_read(guess, cells)) return guess;
  }
  if (auto number = guess_number(name, cells, decimal)) return number;
  if (const TimeGuess local{TimeForm::local, "UTC", "", "has no zone: read as UTC"}; all_read(local, cells)) return local;
  return guess_pattern(cells);
}

}  // namespace lacuna::daemon
