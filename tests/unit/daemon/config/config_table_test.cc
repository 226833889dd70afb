#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "daemon/config/keys.h"
#include "tests/unit/daemon/config/config_helpers.h"

// Properties that hold for each key of the table, whatever keys there will be.

namespace lacuna::daemon {
namespace {

/// "train.beta" with a value as nested YAML, below `line` lines of something else; one line a part.
std::string nested(const std::string& path, const std::string& value) {
  std::string out, indent;
  std::size_t begin = 0;
  for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', begin)) {
    out += indent + path.substr(begin, dot - begin) + ":\n";
    indent += "  ";
    begin = dot + 1;
  }
  return out + indent + path.substr(begin) + ": " + value + "\n";
}

std::vector<Key> plain_keys() {
  std::vector<Key> keys;
  for (const Key& key : key_table()) {
    if (key.path.find('<') == std::string::npos && !key.path.starts_with("input.")) keys.push_back(key);
  }
  return keys;
}

// Protects: two rows for one key would make the second unreachable, and a row without words would leave it undocumented.
TEST(ConfigTable, KeysAreUniqueAndDocumented) {
  std::set<std::string> seen;
  for (const Key& key : key_table()) {
    EXPECT_TRUE(seen.insert(key.path).second) << key.path;
    EXPECT_FALSE(key.type.empty()) << key.path;
    EXPECT_GT(key.doc.size(), 8u) << key.path;
    EXPECT_EQ(key.doc.back(), '.') << key.path;
  }
  EXPECT_GT(seen.size(), 70u);
}

// Protects: a default that is printed in a form its own key would refuse, in a file or as an override.
TEST(ConfigTable, EachPrintedDefaultIsAccepted) {
  for (const Key& key : plain_keys()) {
    if (key.default_value.empty()) continue;
    const ConfigOutcome outcome = parse_config(kMinimal + nested(key.path, key.default_value), "c");
    ASSERT_TRUE(outcome.config) << key.path << "\n" << told(outcome.problems);
    const ConfigOutcome overridden = parse_config(kMinimal, "c", {key.path + "=" + key.default_value});
    EXPECT_TRUE(overridden.config) << key.path << "\n" << told(overridden.problems);
  }
}

/// A value that the key takes and that is not its default.
std::string another_value(const Key& key) {
  if (const std::size_t to = key.range.find(" to "); to != std::string::npos) {
    const std::string low = key.range.substr(0, to);
    return low == key.default_value ? key.range.substr(to + 4) : low;
  }
  if (key.type == "boolean") return key.default_value == "true" ? "false" : "true";
  if (key.type == "choice") {
    const std::string first = key.range.substr(0, key.range.find(','));
    return first == key.default_value ? key.range.substr(key.range.rfind(' ') + 1) : first;
  }
  return "other";
}

// Protects: a row that sets another row's field. After setting one key, that one reads back as given and no other changed.
TEST(ConfigTable, EachKeySetsItsOwnFieldAndNoOther) {
  const std::vector<Key> keys = plain_keys();
  for (const Key& key : keys) {
    Draft draft;
    YamlNode scalar, list;
    scalar.kind = YamlNode::Kind::scalar;
    scalar.text = another_value(key);
    list.kind = YamlNode::Kind::list;
    list.items = {scalar};
    key.set(draft, {}, key.takes_list ? list : scalar,
            [&key](Place, const std::string& message) { ADD_FAILURE() << key.path << ": " << message; });
    for (const Key& other : keys) {
      if (other.path == key.path) {
        EXPECT_EQ(other.get(draft, {}), key.takes_list ? "[" + scalar.text + "]" : scalar.text) << key.path;
      } else {
        EXPECT_EQ(other.get(draft, {}), other.default_value) << key.path << " changed " << other.path;
      }
    }
  }
}

// Protects: a setter that takes anything, and a complaint about another place than the value's.
TEST(ConfigTable, EachKeyRefusesASectionAtItsPlace) {
  for (const Key& key : plain_keys()) {
    const ConfigOutcome outcome = parse_config(kMinimal + nested(key.path, "{surely: not}"), "c");
    ASSERT_EQ(outcome.problems.size(), 1u) << key.path << "\n" << told(outcome.problems);
    const ConfigProblem& problem = outcome.problems[0];
    EXPECT_EQ(problem.key, key.path);
    EXPECT_EQ(problem.line, kMinimalLines + 1 + std::count(key.path.begin(), key.path.end(), '.')) << key.path;
    EXPECT_GT(problem.column, 1) << key.path;
    EXPECT_TRUE(problem.message.starts_with("expected")) << problem.message;
    EXPECT_FALSE(outcome.config);
  }
}

// Protects: ranges that are documented and not held. The first number outside each side is refused, the ends are taken.
TEST(ConfigTable, NumericRangesAreHeldAtTheirEnds) {
  int checked = 0;
  for (const Key& key : plain_keys()) {
    const std::size_t to = key.range.find(" to ");
    if (to == std::string::npos || (key.type != "integer" && key.type != "number")) continue;
    const std::string low = key.range.substr(0, to), high = key.range.substr(to + 4);
    const auto problems = [&](const std::string& value) {
      std::vector<ConfigProblem> own;
      for (const ConfigProblem& p : parse_config(kMinimal + nested(key.path, value), "c").problems) {
        if (p.key == key.path && p.message.starts_with("expected")) own.push_back(p);  // not: does not fit another key
      }
      return own;
    };
    EXPECT_TRUE(problems(low).empty()) << key.path << told(problems(low));
    EXPECT_TRUE(problems(high).empty()) << key.path << told(problems(high));
    EXPECT_EQ(problems("-1e-9").size() + problems("-1").size(), 2u) << key.path;
    EXPECT_EQ(problems(high + "0e9").size(), 1u) << key.path;
    EXPECT_EQ(problems("abc").size(), 1u) << key.path;
    EXPECT_EQ(problems(".nan").size(), 1u) << key.path;
    ++checked;
  }
  EXPECT_GT(checked, 25);
}

// Protects: "all errors at once". Any number of wrong keys in any order are all reported, each at its line, in file order.
TEST(ConfigTable, AllProblemsAreReportedAtOnceInFileOrder) {
  const unsigned seed = 7;
  std::mt19937 random(seed);
  const std::vector<std::string> keys{"batch.max_events", "train.beta",   "model.fusion", "http.port",
                                      "lateness.max",     "store.memory", "log.kind"};
  for (int round = 0; round < 50; ++round) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " round " + std::to_string(round));
    std::vector<std::string> order = keys;
    std::shuffle(order.begin(), order.end(), random);
    order.resize(1 + random() % order.size());
    std::string text = kMinimal;
    std::vector<int> lines;
    int line = kMinimalLines;
    for (const std::string& key : order) {
      text += nested(key, "surely-not");
      line += 2;
      lines.push_back(line);
    }
    const ConfigOutcome outcome = parse_config(text, "c");
    ASSERT_EQ(outcome.problems.size(), order.size()) << told(outcome.problems);
    for (std::size_t i = 0; i < order.size(); ++i) {
      EXPECT_EQ(outcome.problems[i].key, order[i]);
      EXPECT_EQ(outcome.problems[i].line, lines[i]);
    }
  }
}

// Protects: the suggestion. A key with two neighbouring letters swapped is unknown, and the right one is named.
TEST(ConfigTable, AMistypedKeyIsRefusedWithTheNearestOne) {
  for (const Key& key : plain_keys()) {
    std::string wrong = key.path;
    const std::size_t last = wrong.rfind('.') + 1;  // npos + 1 is 0
    const std::string name = wrong.substr(last);
    if (name.size() < 4 || name[1] == name[2]) continue;
    std::swap(wrong[last + 1], wrong[last + 2]);
    const ConfigOutcome outcome = parse_config(kMinimal + nested(wrong, "1"), "c");
    ASSERT_EQ(outcome.problems.size(), 1u) << wrong << "\n" << told(outcome.problems);
    EXPECT_EQ(outcome.problems[0].key, wrong);
    EXPECT_EQ(outcome.problems[0].message, "unknown key; did you mean " + name + "?");
  }
}

// Protects: an override and the same value in the file mean the same, and the override wins.
TEST(ConfigTable, OverridesWinOverTheFile) {
  const ConfigOutcome outcome =
      parse_config(kMinimal + "batch:\n  max_events: 10\ntopics: {events: [a]}\n", "c",
                   {"batch.max_events=20", "topics.events=[b, c]", "log.kafka.properties.ssl.ca.location=/etc/ca.pem",
                    "log.kafka.properties.sasl.password={a: b} # c", "predict.level=0.8", "seed=9", "data_dir=x",
                    "schema.modalities.vitals.features.hr.range=[0, 10]"});
  ASSERT_TRUE(outcome.config) << told(outcome.problems);
  const Config& config = *outcome.config;
  EXPECT_EQ(config.batch.max_events, 20u);
  EXPECT_EQ(config.topics.events, (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(config.log.kafka.properties.at("ssl.ca.location"), "/etc/ca.pem");
  EXPECT_EQ(config.log.kafka.properties.at("sasl.password"), "{a: b} # c") << "texts are taken as they are";
  EXPECT_EQ(config.schema->features()[0].high, 10);
  // What follows from other keys follows from overrides too.
  EXPECT_EQ(config.alerts.coverage_level, 0.8);
  EXPECT_EQ(config.model.seed, 9u);
  EXPECT_EQ(config.store.seed, 9u);
  EXPECT_EQ(config.store.path, "x/state");
}

// Protects: the shape of payloads, on which the model's layers and every check of a payload rest.
TEST(ConfigTable, TheTopicOfTransfersIsNamedAsTheChangelogIs) {
  const auto named = [](const std::string& topics) {
    const ConfigOutcome outcome = parse_config(kMinimal + topics, "c");
    return outcome.config ? outcome.config->topics.transfers : told(outcome.problems);
  };
  EXPECT_EQ(named(""), "lacuna.transfers");
  EXPECT_EQ(named("topics: {state: icu.state}\n"), "icu.transfers");
  EXPECT_EQ(named("topics: {state: icu-changelog}\n"), "icu-changelog-transfers");
  EXPECT_EQ(named("topics: {state: icu.state, transfers: moves}\n"), "moves");
  EXPECT_EQ(parse_config(kMinimal, "c").config->topics.control, "lacuna.control");
  EXPECT_EQ(parse_config(kMinimal + std::string("topics: {state: icu.state}\n"), "c").config->topics.control, "icu.control");
}

TEST(ConfigTable, PayloadModalitiesAreDeclaredByTheirShape) {
  const ConfigOutcome outcome = parse_config(
      "schema:\n  modalities:\n"
      "    film: {kind: image, channels: 3, height: 20, width: 30, stale_after: 2d}\n"
      "    ecg: {kind: signal, channels: 2, length: 500}\n"
      "    codes: {kind: embedding, length: 128}\n"
      "    report: {kind: text, length: 256, text_model: sequence, vocabulary: [no, acute, disease]}\n"
      "    note: {kind: text, length: 64, vocabulary_size: 50}\n"
      "imputation: {payloads: whole}\nlimits: {payload_bytes: 8MiB}\n",
      "c");
  ASSERT_TRUE(outcome.config) << told(outcome.problems);
  const auto& modalities = outcome.config->schema->modalities();
  const auto spec = [&](std::size_t m) { return modalities[m].payload; };
  EXPECT_EQ(spec(0), (PayloadSpec{3, 20, 30, 0, TextModel::bag, 2000, {}}));
  EXPECT_EQ(spec(1), (PayloadSpec{2, 0, 0, 500, TextModel::bag, 2000, {}}));
  EXPECT_EQ(spec(2), (PayloadSpec{1, 0, 0, 128, TextModel::bag, 2000, {}}));
  EXPECT_EQ(spec(3), (PayloadSpec{1, 0, 0, 256, TextModel::sequence, 2000, {"no", "acute", "disease"}}));
  EXPECT_EQ(spec(4), (PayloadSpec{1, 0, 0, 64, TextModel::bag, 50, {}}));
  EXPECT_EQ(modalities[0].kind, ModalityKind::image);
  EXPECT_EQ(outcome.config->imputation_payloads, PayloadDetail::whole);
  EXPECT_EQ(outcome.config->limits.payload_bytes_max, std::size_t{8} << 20);
}

TEST(ConfigTable, WrongOverridesAreReportedAfterTheFile) {
  const ConfigOutcome outcome =
      parse_config(kMinimal + "seed: x\n", "c", {"trian.beta=1", "train.beta", "train=1", "train.beta=x", "seed.x=1"});
  std::vector<std::string> all;
  for (const ConfigProblem& p : outcome.problems) all.push_back(format_problem(p));
  EXPECT_EQ(all, (std::vector<std::string>{
                     "c:6:7: seed: expected an integer from 0 to 9223372036854775807, got 'x'",
                     "command line: trian.beta: unknown key; did you mean train?",
                     "command line: train.beta: expected key.path=value",
                     "command line: train: is a section: name a key in it",
                     "command line: train.beta: expected a number from 0 to 100, got 'x'",
                     "command line: seed.x: unknown key: nothing lies below seed",
                 }));
}

}  // namespace
}  // namespace lacuna::daemon
