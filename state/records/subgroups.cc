#include "state/records/subgroups.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "state/records/feature_state.h"
#include "state/records/nearest.h"

namespace lacuna {

namespace {

std::string written(double number) {
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::string(text.data(), end) : std::string();
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  for (std::size_t from = 0, end = 0; from <= text.size(); from = end + 1) {
    end = std::min(text.find(separator, from), text.size());
    out.emplace_back(text.substr(from, end - from));
  }
  return out;
}

}  // namespace

std::vector<std::string> parts_of(const Attribute& attribute) {
  if (!attribute.categories.empty()) return attribute.categories;
  std::vector<std::string> out;
  for (std::size_t i = 1; i < attribute.bands.size(); ++i) {
    out.push_back(written(attribute.bands[i - 1]) + "-" + written(attribute.bands[i]));
  }
  return out;
}

std::optional<std::size_t> part_of(const Attribute& attribute, float value) {
  if (!attribute.categories.empty()) {
    const bool there = value >= 0 && value < static_cast<float>(attribute.categories.size());
    return there ? std::optional(static_cast<std::size_t>(value)) : std::nullopt;
  }
  const std::vector<double>& bands = attribute.bands;
  // Attributes are held as floats: a value that is a border must not fall below it by rounding.
  if (bands.size() < 2 || !(value >= to_float(bands.front()) && value <= to_float(bands.back()))) return std::nullopt;
  const auto above = std::upper_bound(bands.begin(), bands.end(), value, [](float v, double border) { return v < to_float(border); });
  return std::min(static_cast<std::size_t>(above - bands.begin()) - 1, bands.size() - 2);
}

Status Subgroups::divide(std::vector<std::size_t> by) {
  std::vector<std::string> made{""};
  for (const std::size_t a : by) {
    std::vector<std::string> longer;
    const std::vector<std::string> parts = parts_of(attributes_[a]);
    if (made.size() * parts.size() > kSubgroupsMax) {
      return {Code::invalid, "more than " + std::to_string(kSubgroupsMax) + " groups of patients"};
    }
    for (const std::string& group : made) {
      for (const std::string& part : parts) longer.push_back((group.empty() ? "" : group + ",") + attributes_[a].name + "=" + part);
    }
    made = std::move(longer);
  }
  if (names_.size() + made.size() > kSubgroupsMax) {
    return {Code::invalid, "more than " + std::to_string(kSubgroupsMax) + " groups of patients"};
  }
  divisions_.push_back({std::move(by), names_.size()});
  names_.insert(names_.end(), made.begin(), made.end());
  return {};
}

Result<Subgroups> Subgroups::make(const Schema& schema, const std::vector<std::string>& together) {
  Subgroups out;
  out.attributes_ = schema.attributes();
  std::vector<std::string> known;
  for (const Attribute& a : out.attributes_) {
    known.push_back(a.name);
    out.part_counts_.push_back(parts_of(a).size());
  }
  for (std::size_t a = 0; a < out.attributes_.size(); ++a) {
    if (out.attributes_[a].subgroup && out.part_counts_[a] > 0) LACUNA_RETURN_IF_ERROR(out.divide({a}));
  }
  for (const std::string& names : together) {
    std::vector<std::size_t> by;
    for (const std::string& name : split(names, '+')) {
      const std::optional<std::size_t> a = schema.find_attribute(name);
      if (!a) return Status(Code::invalid, names + ": the schema has no attribute " + name + did_you_mean(name, known));
      if (out.part_counts_[*a] == 0) return Status(Code::invalid, names + ": " + name + " is a number without bands");
      if (std::find(by.begin(), by.end(), *a) != by.end()) return Status(Code::invalid, names + ": " + name + " comes twice");
      by.push_back(*a);
    }
    if (by.size() < 2) return Status(Code::invalid, names + ": two attributes at least; one alone has `subgroup: true`");
    const auto same = [&](const Division& d) {
      return std::is_permutation(d.attributes.begin(), d.attributes.end(), by.begin(), by.end());
    };
    if (std::any_of(out.divisions_.begin(), out.divisions_.end(), same)) return Status(Code::invalid, names + ": is there already");
    LACUNA_RETURN_IF_ERROR(out.divide(std::move(by)));
  }
  return out;
}

std::vector<std::uint16_t> Subgroups::of(std::span<const std::optional<float>> attributes) const {
  std::vector<std::uint16_t> out{0};
  for (const Division& division : divisions_) {
    std::optional<std::size_t> at = 0;
    for (const std::size_t a : division.attributes) {
      const std::optional<float> value = a < attributes.size() ? attributes[a] : std::nullopt;
      const std::optional<std::size_t> part = value ? part_of(attributes_[a], *value) : std::nullopt;
      at = at && part ? std::optional(*at * part_counts_[a] + *part) : std::nullopt;
    }
    if (at) out.push_back(static_cast<std::uint16_t>(division.first + *at));
  }
  return out;
}

}  // namespace lacuna
