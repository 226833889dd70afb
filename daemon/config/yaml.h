#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"

// YAML as a tree in which every key and value knows where it stands. The subset that a configuration needs: one
// document, text keys, no anchors or aliases (they make files that are small on disk and endless in memory).

namespace lacuna::daemon {

/// 1-based; line 0: not from a file.
struct Place {
  int line = 0;
  int column = 0;
};

struct YamlMember;

struct YamlNode {
  enum class Kind : std::uint8_t { null, scalar, list, map };
  Kind kind = Kind::null;
  Place place;
  std::string text;                 ///< scalar
  std::vector<YamlNode> items;      ///< list
  std::vector<YamlMember> members;  ///< map: in file order, each key once
};

struct YamlMember {
  std::string key;
  Place place;
  YamlNode value;
};

/// A configuration is written by people: anything larger is something else.
inline constexpr std::size_t kConfigBytesMax = 1u << 20;
inline constexpr std::size_t kConfigDepthMax = 32;

/// Appends syntax errors, duplicate keys and what is outside the subset to `problems`, and returns what could be read.
/// Never throws.
YamlNode parse_yaml(const std::string& text, const std::string& file, std::vector<ConfigProblem>& problems);

}  // namespace lacuna::daemon
