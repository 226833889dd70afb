#include "daemon/simulator/ward_faults.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/simulator/ward_schema.h"

namespace lacuna::daemon {

namespace {

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t colon = text.find(':');
    parts.emplace_back(text.substr(0, colon));
    if (colon == std::string_view::npos) return parts;
    text.remove_prefix(colon + 1);
  }
}

Status parse_span(const std::string& from_text, const std::string& until_text, Millis& from, Millis& until) {
  const std::optional<Millis> begin = parse_duration(from_text);
  const std::optional<Millis> end = parse_duration(until_text);
  if (!begin || !end) return {Code::invalid, "expected durations such as 36h for the begin and the end"};
  if (*begin >= *end) return {Code::invalid, "the begin must be before the end"};
  from = *begin;
  until = *end;
  return {};
}

std::optional<double> parse_amount(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(amount)) return std::nullopt;
  return amount;
}

}  // namespace

Result<WardOptions::Outage> parse_outage(const std::string& text) {
  const std::vector<std::string> parts = split(text);
  if (parts.size() != 3) return {Code::invalid, fmt::format("'{}': expected modality:from:until, such as blood_gas:36h:48h", text)};
  const Schema schema = ward_schema();
  if (schema.find_modality(parts[0]) == kNoModality) {
    std::string known;
    for (const Modality& m : schema.modalities()) known.append(" ").append(m.name);
    return {Code::invalid, fmt::format("'{}': the ward has no modality {}; it has:{}", text, parts[0], known)};
  }
  WardOptions::Outage outage;
  outage.modality = parts[0];
  if (Status s = parse_span(parts[1], parts[2], outage.from, outage.until); !s.ok()) {
    return {s.code(), fmt::format("'{}': {}", text, s.message())};
  }
  return outage;
}

Result<WardOptions::Shift> parse_shift(const std::string& text) {
  const std::vector<std::string> parts = split(text);
  if (parts.size() != 4) {
    return {Code::invalid, fmt::format("'{}': expected modality.feature:amount:from:until, such as vitals.temp:+1.2:60h:96h", text)};
  }
  WardOptions::Shift shift;
  const std::size_t dot = parts[0].find('.');
  shift.modality = parts[0].substr(0, dot);
  shift.feature = dot == std::string::npos ? std::string() : parts[0].substr(dot + 1);
  const Schema schema = ward_schema();
  const std::optional<FeatureId> feature = schema.find_feature(schema.find_modality(shift.modality), shift.feature);
  if (!feature) {
    std::string known;
    for (FeatureId f = 0; f < schema.feature_count(); ++f) known.append(" ").append(schema.qualified_name(f));
    return {Code::invalid, fmt::format("'{}': the ward has no feature {}; it has:{}", text, parts[0], known)};
  }
  if (is_discrete(schema.features()[*feature].likelihood)) {
    return {Code::invalid, fmt::format("'{}': {} is a class, which nothing can be added to", text, parts[0])};
  }
  const std::optional<double> amount = parse_amount(parts[1]);
  if (!amount) return {Code::invalid, fmt::format("'{}': expected a number such as +1.2 for the amount", text)};
  shift.amount = *amount;
  if (Status s = parse_span(parts[2], parts[3], shift.from, shift.until); !s.ok()) {
    return {s.code(), fmt::format("'{}': {}", text, s.message())};
  }
  return shift;
}

}  // namespace lacuna::daemon
