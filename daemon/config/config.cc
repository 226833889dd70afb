#include "daemon/config/config.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <tuple>
#include <utility>

#include "daemon/config/finish.h"
#include "daemon/config/keys.h"
#include "daemon/config/yaml.h"
#include "state/records/nearest.h"

namespace lacuna::daemon {

namespace {

const char* const kCommandLine = "command line";

std::vector<std::string> names_of(const KeyNode& node) {
  std::vector<std::string> names;
  for (const auto& [name, child] : node.children) names.push_back(name);
  return names;
}

std::string join(const std::string& path, std::string_view part) {
  return path.empty() ? std::string(part) : path + "." + std::string(part);
}

/// What others call a key that is here too.
constexpr std::array<std::pair<std::string_view, const char*>, 28> kOtherNames{{
    {"max", "range"},
    {"min", "range"},
    {"maximum", "range"},
    {"minimum", "range"},
    {"low", "range"},
    {"high", "range"},
    {"limits", "range"},
    {"bounds", "range"},
    {"type", "kind"},
    {"type", "likelihood"},
    {"distribution", "likelihood"},
    {"classes", "categories"},
    {"levels", "categories"},
    {"values", "categories"},
    {"brokers", "bootstrap_servers"},
    {"servers", "bootstrap_servers"},
    {"bootstrap", "bootstrap_servers"},
    {"group_id", "group"},
    {"lr", "learning_rate"},
    {"verbosity", "level"},
    {"host", "address"},
    {"bind", "address"},
    {"token", "token_file"},
    {"replicas", "replication"},
    {"replication_factor", "replication"},
    {"sep", "separator"},
    {"delimiter", "separator"},
    {"timezone", "time_zone"},
}};

/// What is meant by another name, or the nearest key beside it; else the section where a key of this name is.
std::string advice(const KeyNode& section, std::string_view name) {
  for (const auto& [other, key] : kOtherNames) {
    const auto meant = section.children.find(key);
    if (other != name || meant == section.children.end() || meant->second.leaf == nullptr) continue;
    const std::string& type = meant->second.leaf->type;
    return std::string("; did you mean ") + key + (type.starts_with('[') ? ": " + type : "") + "?";
  }
  std::string near = did_you_mean(name, names_of(section));
  if (!near.empty()) return near;
  for (const Key& key : key_table()) {
    const std::size_t dot = key.path.rfind('.');
    if (dot != std::string::npos && key.path.find('<') == std::string::npos && key.path.substr(dot + 1) == name) {
      return "; it belongs under " + key.path.substr(0, dot);
    }
  }
  return {};
}

/// Takes values into a draft and collects what is wrong with them.
class Reader {
 public:
  Reader(std::string file, std::vector<ConfigProblem>& problems) : file_(std::move(file)), problems_(problems) {}

  void read(const KeyNode& section, const YamlNode& node, const std::string& path, Place place) {
    Captures captures;
    walk(section, node, path, place, captures);
  }
  void override_with(const std::string& text);
  void complain(const std::string& path, Place place, std::string message) {
    const bool in_file = place.line > 0;
    draft_.broken.insert(path);
    problems_.push_back({in_file ? file_ : kCommandLine, place.line, place.column, path, std::move(message)});
  }
  ComplainAt complainer() {
    return [this](const std::string& path, Place place, std::string message) { complain(path, place, std::move(message)); };
  }
  Draft& draft() { return draft_; }

 private:
  void set(const Key& key, const YamlNode& node, const std::string& path, Place place, const Captures& captures) {
    if (node.kind == YamlNode::Kind::null) {
      return complain(path, place, "has no value; leave the key out to have the default");
    }
    key.set(draft_, captures, node, [&](Place at, std::string message) { complain(path, at, std::move(message)); });
  }
  void walk(const KeyNode& section, const YamlNode& node, const std::string& path, Place place, Captures& captures) {
    draft_.given[path] = place;
    if (section.leaf != nullptr) return set(*section.leaf, node, path, place, captures);
    if (section.open) section.open(draft_, captures);
    if (node.kind == YamlNode::Kind::null) return;  // a section whose keys are all commented out
    if (node.kind != YamlNode::Kind::map) {
      return complain(path, node.place, "expected a section with keys below it, not a value or a list");
    }
    for (const YamlMember& member : node.members) {
      const std::string below = join(path, member.key);
      if (const auto child = section.children.find(member.key); child != section.children.end()) {
        walk(child->second, member.value, below, member.place, captures);
      } else if (section.any) {
        captures.push_back({member.key, member.place});
        walk(*section.any, member.value, below, member.place, captures);
        captures.pop_back();
      } else {
        complain(below, member.place, "unknown key" + advice(section, member.key));
      }
    }
  }

  std::string file_;
  std::vector<ConfigProblem>& problems_;
  Draft draft_;
};

void Reader::override_with(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return complain(text, {}, "expected key.path=value");
  const std::string path = text.substr(0, equals);
  const KeyNode* node = &key_tree();
  Captures captures;
  std::string_view rest = path;
  while (node->leaf == nullptr && !rest.empty()) {
    // Names of librdkafka properties have dots: such a name is all that is left.
    const bool to_the_end = node->any && node->children.empty() && node->any->leaf != nullptr;
    const std::string_view part = to_the_end ? rest : rest.substr(0, rest.find('.'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    if (const auto child = node->children.find(part); child != node->children.end()) {
      node = &child->second;
    } else if (node->any) {
      captures.push_back({std::string(part), {}});
      node = node->any.get();
    } else {
      return complain(path, {}, "unknown key" + advice(*node, part));
    }
    if (node->open) node->open(draft_, captures);
  }
  if (node->leaf == nullptr) return complain(path, {}, "is a section: name a key in it");
  if (!rest.empty()) return complain(path, {}, "unknown key: nothing lies below " + node->leaf->path);

  YamlNode value;
  value.kind = YamlNode::Kind::scalar;
  value.text = text.substr(equals + 1);
  if (node->leaf->takes_list) {
    std::vector<ConfigProblem> problems;
    value = parse_yaml(value.text, kCommandLine, problems);
    for (const ConfigProblem& problem : problems) complain(path, {}, problem.message);
    if (!problems.empty()) return;
  }
  // Columns inside an override help nobody.
  value.place = {};
  for (YamlNode& item : value.items) item.place = {};
  for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', dot + 1)) {
    draft_.given.emplace(path.substr(0, dot), Place{});
  }
  draft_.given[path] = {};
  set(*node->leaf, value, path, {}, captures);
}

void sort_by_place(std::vector<ConfigProblem>& problems) {
  // What was given on the command line comes after the file.
  const auto key = [](const ConfigProblem& p) { return std::tuple(p.file == kCommandLine, p.line, p.column); };
  std::stable_sort(problems.begin(), problems.end(), [&](const ConfigProblem& a, const ConfigProblem& b) { return key(a) < key(b); });
}

std::optional<std::string> read_file(const std::string& path, std::vector<ConfigProblem>& problems) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text;
  if (in) {
    // One byte more than is allowed tells a large file from one that just fits.
    text.resize(kConfigBytesMax + 1);
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (!in.bad() && (in.eof() || !text.empty())) return text;
  }
  problems.push_back({path, 0, 0, "", std::string("cannot be read: ") + (errno != 0 ? std::strerror(errno) : "unknown reason")});
  return std::nullopt;
}

/// The configuration, and the listener's part, which means something where there is one.
std::pair<ConfigOutcome, ListenerConfig> parse(const std::string& text, const std::string& name,
                                               const std::vector<std::string>& overrides) {
  ConfigOutcome outcome;
  ListenerConfig listener;
  const YamlNode root = parse_yaml(text, name, outcome.problems);
  // Half a tree would bring complaints about what stands in the other half.
  const bool readable =
      std::none_of(outcome.problems.begin(), outcome.problems.end(), [](const ConfigProblem& p) { return p.key.empty(); });
  if (readable) {
    Reader reader(name, outcome.problems);
    reader.read(key_tree(), root, "", {1, 1});
    for (const std::string& text_override : overrides) reader.override_with(text_override);
    finish_draft(reader.draft(), reader.complainer());
    if (outcome.problems.empty()) {
      outcome.config = std::move(reader.draft().config);
      listener = std::move(reader.draft().listener);
    }
  }
  sort_by_place(outcome.problems);
  return {std::move(outcome), std::move(listener)};
}

}  // namespace

ConfigOutcome parse_config(const std::string& text, const std::string& name, const std::vector<std::string>& overrides) {
  return parse(text, name, overrides).first;
}

Result<ListenerConfig> parse_listener(const std::string& text, const std::string& name, const std::vector<std::string>& overrides) {
  auto [outcome, listener] = parse(text, name, overrides);
  if (!outcome.config) return Status(Code::invalid, format_problem(outcome.problems.front()));
  return std::move(listener);
}

Result<ListenerConfig> load_listener(const std::string& path, const std::vector<std::string>& overrides) {
  std::vector<ConfigProblem> problems;
  const std::optional<std::string> text = read_file(path, problems);
  if (!text) return Status(Code::invalid, format_problem(problems.front()));
  return parse_listener(*text, path, overrides);
}

ConfigOutcome load_config(const std::string& path, const std::vector<std::string>& overrides) {
  ConfigOutcome outcome;
  const std::optional<std::string> text = read_file(path, outcome.problems);
  return text ? parse_config(*text, path, overrides) : outcome;
}

MappingOutcome load_mapping(const std::string& path, const Schema& schema) {
  MappingOutcome outcome;
  const std::optional<std::string> text = read_file(path, outcome.problems);
  if (!text) return outcome;
  const YamlNode root = parse_yaml(*text, path, outcome.problems);
  if (outcome.problems.empty()) {
    Reader reader(path, outcome.problems);
    reader.read(key_tree().children.at("input"), root, "input", {1, 1});
    finish_mapping(reader.draft(), schema, reader.complainer());
    if (outcome.problems.empty()) outcome.mapping = std::move(reader.draft().mapping);
  }
  sort_by_place(outcome.problems);
  return outcome;
}

Status missing_topic(const Config& config, const std::string& topic, const std::string& key, std::int32_t partitions,
                     const std::string& with) {
  std::string command = "kafka-topics.sh --create --topic " + topic + " --partitions " + std::to_string(partitions);
  const std::vector<streaming::TopicSpec> specs = topics_to_make(config);
  const auto spec = std::find_if(specs.begin(), specs.end(), [&topic](const streaming::TopicSpec& s) { return s.name == topic; });
  for (const auto& [name, value] : spec->properties) {
    command += name == "replication.factor" ? " --replication-factor " + value : " --config " + name + "=" + value;
  }
  return {Code::not_found, "there is no topic " + topic + " (" + key + "), and log.create_topics is off: make it with " + with + " (" +
                               command + "), or set log.create_topics to true"};
}

std::string format_problem(const ConfigProblem& problem) {
  std::string out = problem.file;
  for (const int number : {problem.line, problem.column}) {
    if (problem.line > 0) out.append(":").append(std::to_string(number));
  }
  if (!problem.key.empty()) out.append(": ").append(problem.key);
  return out.append(": ").append(problem.message);
}

std::vector<std::string> open_ranges(const Schema& schema) {
  std::vector<std::string> out;
  const auto open = [](const auto& part) { return std::isinf(part.low) || std::isinf(part.high); };
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    if (open(schema.features()[f])) out.push_back(schema.qualified_name(f));
  }
  for (const Modality& m : schema.modalities()) {
    if (m.kind != ModalityKind::tabular && m.kind != ModalityKind::text && open(m)) out.push_back(m.name);
  }
  return out;
}

Subgroups subgroups_of(const Config& config) {
  // Validated when the configuration was read.
  Result<Subgroups> made = config.schema ? Subgroups::make(*config.schema, config.subgroups_together) : Subgroups();
  return made.ok() ? std::move(*made) : Subgroups();
}

std::vector<streaming::TopicSpec> topics_to_make(const Config& config) {
  std::vector<streaming::TopicSpec> specs;
  const auto want = [&](const std::string& name, const char* cleanup) {
    if (name.starts_with('^')) return;
    specs.push_back(
        {name, config.log.partitions, {{"cleanup.policy", cleanup}, {"replication.factor", std::to_string(config.log.replication)}}});
  };
  for (const std::string& topic : config.topics.events) want(topic, "delete");
  want(config.topics.imputations, "compact,delete");
  want(config.topics.alerts, "compact,delete");
  want(config.topics.dead_letters, "delete");
  want(config.topics.state, "compact");
  want(config.topics.model, "compact");
  // What is on its way, or was decided, must outlast any stop of the instance that it is for.
  for (const std::string& topic : {config.topics.transfers, config.topics.control}) {
    want(topic, "delete");
    specs.back().properties["retention.ms"] = std::to_string(Millis(std::chrono::hours(24 * 190)).count());
  }
  specs.back().partitions = 1;  // decisions are carried out in one order everywhere
  return specs;
}

}  // namespace lacuna::daemon
