#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "daemon/config/keys.h"
#include "state/records/nearest.h"

// Makers of Key: one per type of value. `at` gives the field in a draft: (Draft&, const Captures&) -> T&.

namespace lacuna::daemon::values {

template <typename At>
using FieldOf = std::remove_reference_t<std::invoke_result_t<At, Draft&, const Captures&>>;

std::string format_number(double value);
std::string format_size(std::uint64_t bytes);
std::optional<double> parse_number(std::string_view text);
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<std::uint64_t> parse_size(std::string_view text);
/// "got a list" and the like; quotes a scalar, since configurations hold no patient data (secrets go under
/// log.kafka.properties, whose values are never quoted).
std::string got(const YamlNode& node);
/// Where the number has a leading zero: that it must not.
std::string zero_advice(const YamlNode& node);
/// Whether a number begins with a zero that says nothing: 010 is eight to some and ten to others.
bool has_leading_zero(std::string_view text);
/// Printable, not longer than kTextBytesMax.
bool is_text(std::string_view text);
inline constexpr std::size_t kTextBytesMax = 4096;

/// What a key is in a fresh draft.
inline std::string default_of(const Key& key) {
  Draft fresh;
  return key.get(fresh, Captures{{"x", {}}, {"y", {}}});
}

/// The common part: `parse` gives the value or nothing; `expected` completes "expected ...".
template <typename At, typename Parse, typename Format>
Key make_key(std::string path, std::string type, std::string range, std::string expected, std::string doc, At at, Parse parse,
             Format format) {
  Key key;
  key.path = std::move(path);
  key.type = std::move(type);
  key.range = std::move(range);
  key.doc = std::move(doc);
  key.get = [at, format](Draft& draft, const Captures& names) { return std::string(format(at(draft, names))); };
  key.default_value = default_of(key);
  key.set = [at, parse, expected](Draft& draft, const Captures& names, const YamlNode& node, const Complain& complain) {
    auto value = node.kind == YamlNode::Kind::scalar ? parse(node.text) : std::nullopt;
    if (!value) return complain(node.place, "expected " + expected + ", got " + got(node) + zero_advice(node));
    at(draft, names) = static_cast<FieldOf<At>>(*std::move(value));
  };
  return key;
}

template <typename At>
Key integer(std::string path, std::int64_t low, std::int64_t high, std::string doc, At at) {
  const std::string range = std::to_string(low) + " to " + std::to_string(high);
  return make_key(
      std::move(path), "integer", range, "an integer from " + range, std::move(doc), at,
      [low, high](std::string_view text) {
        const std::optional<std::int64_t> v = parse_integer(text);
        return v && *v >= low && *v <= high ? v : std::nullopt;
      },
      [](const auto& v) { return std::to_string(v); });
}

template <typename At>
Key number(std::string path, double low, double high, std::string doc, At at) {
  const bool open = std::isinf(low) && std::isinf(high);
  const std::string range = open ? "" : format_number(low) + " to " + format_number(high);
  return make_key(
      std::move(path), "number", range, open ? "a number" : "a number from " + range, std::move(doc), at,
      [low, high](std::string_view text) {
        const std::optional<double> v = parse_number(text);
        return v && std::isfinite(*v) && *v >= low && *v <= high ? v : std::nullopt;
      },
      [](double v) { return format_number(v); });
}

template <typename At>
Key duration(std::string path, Millis low, Millis high, std::string doc, At at) {
  const std::string range = format_duration(low) + " to " + format_duration(high);
  return make_key(
      std::move(path), "duration", range, "a duration such as 5m, from " + range, std::move(doc), at,
      [low, high](std::string_view text) {
        const std::optional<Millis> v = has_leading_zero(text) ? std::nullopt : parse_duration(text);
        return v && *v >= low && *v <= high ? v : std::nullopt;
      },
      [](Millis v) { return format_duration(v); });
}

template <typename At>
Key size(std::string path, std::uint64_t low, std::uint64_t high, std::string doc, At at) {
  const std::string range = format_size(low) + " to " + format_size(high);
  return make_key(
      std::move(path), "size", range, "a size such as 256MiB, from " + range, std::move(doc), at,
      [low, high](std::string_view text) {
        const std::optional<std::uint64_t> v = parse_size(text);
        return v && *v >= low && *v <= high ? v : std::nullopt;
      },
      [](std::uint64_t v) { return format_size(v); });
}

template <typename At>
Key boolean(std::string path, std::string doc, At at) {
  return make_key(
      std::move(path), "boolean", "true or false", "true or false", std::move(doc), at,
      [](std::string_view text) { return text == "true"    ? std::optional(true)
                                         : text == "false" ? std::optional(false)
                                                           : std::nullopt; },
      [](bool v) { return std::string(v ? "true" : "false"); });
}

template <typename At>
Key time(std::string path, std::string doc, At at) {
  return make_key(
      std::move(path), "time", "RFC 3339 with zone", "a time such as 2026-01-01T00:00:00Z", std::move(doc), at,
      [](std::string_view text) { return parse_rfc3339(text); }, [](Time) { return std::string(); });
}

/// Free text. `is_valid` and `range` narrow it.
template <typename At>
Key text(std::string path, std::string range, bool (*is_valid)(std::string_view), std::string doc, At at) {
  const std::string expected = range.empty() ? "a text" : "a text: " + range;
  return make_key(
      std::move(path), "text", range, expected, std::move(doc), at,
      [is_valid](std::string_view t) { return is_text(t) && is_valid(t) ? std::optional(std::string(t)) : std::nullopt; },
      [](const std::string& v) { return v; });
}

/// One of a few names, each for a value.
template <typename At>
Key choice(std::string path, std::vector<std::pair<std::string, FieldOf<At>>> choices, std::string doc, At at) {
  Key key;
  key.path = std::move(path);
  key.type = "choice";
  key.doc = std::move(doc);
  std::vector<std::string> names;
  for (const auto& [name, meaning] : choices) {
    key.range += (key.range.empty() ? "" : ", ") + name;
    names.push_back(name);
  }
  key.get = [at, choices](Draft& draft, const Captures& captures) {
    for (const auto& [name, meaning] : choices) {
      if (meaning == at(draft, captures)) return name;
    }
    return std::string();
  };
  key.default_value = default_of(key);
  key.set = [at, choices = std::move(choices), names, range = key.range](Draft& draft, const Captures& captures, const YamlNode& node,
                                                                         const Complain& complain) {
    for (const auto& [name, meaning] : choices) {
      if (node.kind == YamlNode::Kind::scalar && node.text == name) {
        at(draft, captures) = meaning;
        return;
      }
    }
    complain(node.place, "expected one of " + range + ", got " + got(node) + did_you_mean(node.text, names));
  };
  return key;
}

/// A list of texts, none twice.
template <typename At>
Key texts(std::string path, std::string range, bool (*is_valid)(std::string_view), std::string doc, At at) {
  Key key;
  key.path = std::move(path);
  key.type = "list of texts";
  key.range = std::move(range);
  key.doc = std::move(doc);
  key.takes_list = true;
  key.get = [at](Draft& draft, const Captures& captures) {
    std::string out;
    for (const std::string& v : at(draft, captures)) out.append(out.empty() ? "" : ", ").append(v);
    return out.insert(0, "[").append("]");
  };
  key.default_value = default_of(key);
  key.set = [at, is_valid, wanted = key.range](Draft& draft, const Captures& captures, const YamlNode& node, const Complain& complain) {
    if (node.kind != YamlNode::Kind::list) return complain(node.place, "expected a list such as [a, b], got " + got(node));
    std::vector<std::string> out;
    for (const YamlNode& item : node.items) {
      if (item.kind != YamlNode::Kind::scalar || !is_text(item.text) || !is_valid(item.text)) {
        complain(item.place, "expected a text" + (wanted.empty() ? "" : " (" + wanted + ")") + ", got " + got(item));
      } else {
        out.push_back(item.text);
      }
    }
    at(draft, captures) = std::move(out);
  };
  return key;
}

}  // namespace lacuna::daemon::values
