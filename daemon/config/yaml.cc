#include "daemon/config/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <exception>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

namespace lacuna::daemon {

namespace {

Place place_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

/// Thrown out of the parser by the tree builder, never further.
struct TooDeep {
  Place place;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& file, std::vector<ConfigProblem>& problems) : file_(file), problems_(problems) {}

  YamlNode take() { return std::move(root_); }
  bool any() const { return any_; }

  void OnDocumentStart(const YAML::Mark&) override { any_ = true; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { leaf(YamlNode::Kind::null, mark, anchor, ""); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    problem(place_of(mark), "aliases are not supported: write the value out");
    leaf(YamlNode::Kind::null, mark, 0, "");
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, const std::string& value) override {
    leaf(YamlNode::Kind::scalar, mark, anchor, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::list, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::map, mark, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    YamlNode node;
    std::optional<std::pair<std::string, Place>> key;  ///< of a map: read, its value still to come
    std::map<std::string, Place> seen;
  };

  void problem(Place place, std::string message) {
    std::string path;
    for (const Frame& frame : stack_) {
      if (frame.key) path += (path.empty() ? "" : ".") + frame.key->first;
    }
    problems_.push_back({file_, place.line, place.column, std::move(path), std::move(message)});
  }
  void refuse_anchor(Place place, YAML::anchor_t anchor) {
    if (anchor != 0) problem(place, "anchors are not supported: write the value out where it is needed");
  }
  void leaf(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& text) {
    YamlNode node;
    node.kind = kind;
    node.place = place_of(mark);
    node.text = text;
    refuse_anchor(node.place, anchor);
    add(std::move(node));
  }
  void open(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    refuse_anchor(place_of(mark), anchor);
    if (stack_.size() >= kConfigDepthMax) throw TooDeep{place_of(mark)};
    Frame frame;
    frame.node.kind = kind;
    frame.node.place = place_of(mark);
    stack_.push_back(std::move(frame));
  }
  void close() {
    YamlNode node = std::move(stack_.back().node);
    stack_.pop_back();
    add(std::move(node));
  }
  void add(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& top = stack_.back();
    if (top.node.kind == YamlNode::Kind::list) {
      top.node.items.push_back(std::move(node));
    } else if (!top.key) {
      if (node.kind != YamlNode::Kind::scalar) problem(node.place, "a key must be a text");
      top.key.emplace(node.text, node.place);
    } else {
      const auto [first, fresh] = top.seen.emplace(top.key->first, top.key->second);
      if (fresh) {
        top.node.members.push_back({top.key->first, top.key->second, std::move(node)});
      } else {
        problem(top.key->second, "given twice; first in line " + std::to_string(first->second.line));
      }
      top.key.reset();
    }
  }

  const std::string& file_;
  std::vector<ConfigProblem>& problems_;
  std::vector<Frame> stack_;
  YamlNode root_;
  bool any_ = false;
};

/// The parser takes some control characters for the end of its input and would leave out the rest without a word.
std::optional<Place> find_control_character(const std::string& text) {
  Place at{1, 1};
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f) return at;
    at = c == '\n' ? Place{at.line + 1, 1} : Place{at.line, at.column + 1};
  }
  return std::nullopt;
}

}  // namespace

YamlNode parse_yaml(const std::string& text, const std::string& file, std::vector<ConfigProblem>& problems) {
  const auto problem = [&](Place place, std::string message) {
    problems.push_back({file, place.line, place.column, "", std::move(message)});
  };
  if (text.size() > kConfigBytesMax) {
    problem({}, "larger than " + std::to_string(kConfigBytesMax) + " bytes: not a configuration");
    return {};
  }
  if (const std::optional<Place> place = find_control_character(text)) {
    problem(*place, "a control character");
    return {};
  }
  TreeBuilder builder(file, problems);
  try {
    std::istringstream in(text);
    YAML::Parser parser(in);
    if (parser.HandleNextDocument(builder)) {
      std::vector<ConfigProblem> ignored;
      TreeBuilder second(file, ignored);
      parser.HandleNextDocument(second);
      if (second.any()) problem({}, "holds more than one YAML document; a configuration is one");
    }
  } catch (const YAML::Exception& e) {
    problem(e.mark.is_null() ? Place{} : place_of(e.mark), "YAML syntax: " + e.msg);
    return {};
  } catch (const TooDeep& e) {
    problem(e.place, "nested deeper than " + std::to_string(kConfigDepthMax) + " levels");
    return {};
  } catch (const std::exception& e) {
    problem({}, std::string("YAML cannot be read: ") + e.what());
    return {};
  }
  return builder.take();
}

}  // namespace lacuna::daemon
