#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/config/keys.h"
#include "daemon/simulator/ward.h"
#include "daemon/simulator/ward_schema.h"
#include "tests/unit/daemon/config/config_helpers.h"

// Holds the files of configs/ against the code, so that neither gains, loses or changes a key alone.

namespace lacuna::daemon {
namespace {

std::vector<std::string> read_lines(const std::string& path) {
  std::vector<std::string> out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

struct Leaf {
  std::string value;
  int line = 0;
};

std::string text_of(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::scalar) return node.text;
  std::string out;
  for (const YamlNode& item : node.items) out += (out.empty() ? "" : ", ") + item.text;
  return "[" + out + "]";
}

/// The file's leaves by the path that the table gives them: chosen names become <...>.
void collect(const KeyNode& keys, const YamlMember& member, std::map<std::string, Leaf>& out) {
  if (keys.leaf != nullptr) {
    out.insert({keys.leaf->path, {text_of(member.value), member.place.line}});
    return;
  }
  for (const YamlMember& below : member.value.members) {
    const auto child = keys.children.find(below.key);
    ASSERT_TRUE(child != keys.children.end() || keys.any) << below.key;
    collect(child != keys.children.end() ? child->second : *keys.any, below, out);
  }
}

std::map<std::string, Leaf> reference() {
  std::ifstream in("configs/reference.yaml", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::vector<ConfigProblem> problems;
  std::map<std::string, Leaf> out;
  collect(key_tree(), {"", {}, parse_yaml(text, "reference", problems)}, out);
  EXPECT_TRUE(problems.empty()) << told(problems);
  return out;
}

TEST(Reference, LoadsWithoutAProblem) {
  const ConfigOutcome outcome = load_config("configs/reference.yaml");
  ASSERT_TRUE(outcome.config) << told(outcome.problems);
  EXPECT_TRUE(outcome.config->mapping);
}

TEST(Reference, NamesEveryKeyAndNoOther) {
  std::set<std::string> in_file, in_code;
  for (const auto& [path, leaf] : reference()) in_file.insert(path);
  for (const KeyInfo& key : config_keys()) in_code.insert(key.key);
  EXPECT_EQ(in_file, in_code);
}

TEST(Reference, ShowsTheDefaults) {
  const std::map<std::string, Leaf> leaves = reference();
  for (const KeyInfo& key : config_keys()) {
    // Names that the author chooses, and how files look, have no sensible default to show.
    if (key.default_value.empty() || key.key.find('<') != std::string::npos || key.key.starts_with("input.")) continue;
    const auto leaf = leaves.find(key.key);
    ASSERT_NE(leaf, leaves.end()) << key.key;
    EXPECT_EQ(leaf->second.value, key.default_value) << key.key;
  }
}

// The comment block right above each key tells its type, range and default in the code's words.
TEST(Reference, CommentsTellTypeRangeAndDefault) {
  const std::vector<std::string> text = read_lines("configs/reference.yaml");
  const std::map<std::string, Leaf> leaves = reference();
  for (const KeyInfo& key : config_keys()) {
    const auto leaf = leaves.find(key.key);
    ASSERT_NE(leaf, leaves.end()) << key.key;
    std::string comment;
    for (int i = leaf->second.line - 2; i >= 0; --i) {
      const std::string& line = text[static_cast<std::size_t>(i)];
      const std::size_t hash = line.find_first_not_of(' ');
      if (hash == std::string::npos || line[hash] != '#') break;
      comment = line + "\n" + comment;
    }
    const std::string takes = "# " + key.type + (key.range.empty() ? "" : ": " + key.range) + "; ";
    const std::string without = key.default_value.empty() ? "no default" : "default: " + key.default_value;
    EXPECT_NE(comment.find(takes + without), std::string::npos) << key.key << ": expected '" << takes << without << "' in\n" << comment;
  }
}

TEST(Examples, TheSimulatedWardDeclaresWhatTheSimulatorSpeaks) {
  const ConfigOutcome outcome = load_config("configs/simulated-ward.yaml");
  ASSERT_TRUE(outcome.config) << told(outcome.problems);
  const Schema& file = *outcome.config->schema;
  const Schema code = ward_schema();
  EXPECT_EQ(file.fingerprint(), code.fingerprint());
  ASSERT_EQ(file.feature_count(), code.feature_count());
  // The fingerprint leaves out what may change without changing stored data.
  for (FeatureId f = 0; f < code.feature_count(); ++f) {
    EXPECT_EQ(file.features()[f].low, code.features()[f].low) << code.qualified_name(f);
    EXPECT_EQ(file.features()[f].high, code.features()[f].high) << code.qualified_name(f);
    EXPECT_EQ(file.stale_after(f), code.stale_after(f)) << code.qualified_name(f);
  }
  ASSERT_EQ(file.attributes().size(), code.attributes().size());
  for (std::size_t a = 0; a < code.attributes().size(); ++a) {
    EXPECT_EQ(file.attributes()[a].low, code.attributes()[a].low);
    EXPECT_EQ(file.attributes()[a].high, code.attributes()[a].high);
    EXPECT_EQ(file.attributes()[a].subgroup, code.attributes()[a].subgroup);
  }
  // The demo appends its own data_dir to this text, and a key given twice is refused.
  for (const std::string& line : read_lines("configs/simulated-ward.yaml")) EXPECT_FALSE(line.starts_with("data_dir")) << line;
}

TEST(Examples, Physionet2012MapsEveryFeature) {
  const ConfigOutcome outcome = load_config("configs/physionet2012.yaml");
  ASSERT_TRUE(outcome.config) << told(outcome.problems);
  const Config& config = *outcome.config;
  EXPECT_EQ(config.schema->modality_count(), 8u);
  EXPECT_EQ(config.schema->feature_count(), 37u);
  ASSERT_TRUE(config.mapping);
  std::set<std::string> reached;
  for (const auto& [column, target] : config.mapping->columns) {
    reached.insert(target.modality.empty() ? target.feature : target.modality + "." + target.feature);
  }
  EXPECT_EQ(reached.size(), config.mapping->columns.size()) << "no two columns to one place";
  for (FeatureId f = 0; f < config.schema->feature_count(); ++f) {
    EXPECT_TRUE(reached.contains(config.schema->qualified_name(f))) << config.schema->qualified_name(f);
  }
  EXPECT_EQ(reached.size(), 41u);
}

}  // namespace
}  // namespace lacuna::daemon
