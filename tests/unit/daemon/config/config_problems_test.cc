#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "tests/unit/daemon/config/config_helpers.h"

// What a user sees for each kind of mistake: the place must be the place of the mistake, and the words must say what would
// be right. Each case is written out since a wrong place is what these tests are for.

namespace lacuna::daemon {
namespace {

std::vector<std::string> lines(const std::string& text, const std::vector<std::string>& overrides = {}) {
  std::vector<std::string> out;
  for (const ConfigProblem& p : parse_config(text, "c.yaml", overrides).problems) out.push_back(format_problem(p));
  return out;
}
using Lines = std::vector<std::string>;

TEST(ConfigProblems, UnknownKeysSuggestTheNearestOrTheirSection) {
  EXPECT_EQ(lines(kMinimal + "train:\n  batch_sise: 12\nbatch_size: 3\nzzz: 1\n"),
            (Lines{"c.yaml:7:3: train.batch_sise: unknown key; did you mean batch_size?",
                   "c.yaml:8:1: batch_size: unknown key; it belongs under train", "c.yaml:9:1: zzz: unknown key"}));
}

TEST(ConfigProblems, WhatOthersCallAKeyIsUnderstood) {
  EXPECT_EQ(lines(kMinimal + "        x: {unit: /min, max: 3, type: normal}\nlog: {type: kafka, kafka: {brokers: a:1}}\n"),
            (Lines{"c.yaml:6:25: schema.modalities.vitals.features.x.max: unknown key; did you mean range: [low, high]?",
                   "c.yaml:6:33: schema.modalities.vitals.features.x.type: unknown key; did you mean likelihood?",
                   "c.yaml:7:7: log.type: unknown key; did you mean kind?",
                   "c.yaml:7:28: log.kafka.brokers: unknown key; did you mean bootstrap_servers?"}));
}

// Protects: 010 is eight to some readers of YAML and ten to others; nobody is to find out which.
TEST(ConfigProblems, NumbersHaveNoLeadingZeros) {
  const std::string why = "; a leading zero makes it octal to some readers: write it without";
  EXPECT_EQ(lines(kMinimal + "log: {partitions: 010}\ntrain: {beta: 00.5}\nbatch: {max_delay: 05s}\nstore: {memory: 064MiB}\n"
                             "http: {port: 00}\n"),
            (Lines{"c.yaml:6:19: log.partitions: expected an integer from 1 to 10000, got '010'" + why,
                   "c.yaml:7:15: train.beta: expected a number from 0 to 100, got '00.5'" + why,
                   "c.yaml:8:20: batch.max_delay: expected a duration such as 5m, from 1ms to 1m, got '05s'" + why,
                   "c.yaml:9:17: store.memory: expected a size such as 256MiB, from 16MiB to 1TiB, got '064MiB'" + why,
                   "c.yaml:10:14: http.port: expected an integer from 0 to 65535, got '00'" + why}));
  EXPECT_EQ(lines(kMinimal, {"log.partitions=010"}),
            (Lines{"command line: log.partitions: expected an integer from 1 to 10000, got '010'" + why}));
  EXPECT_EQ(lines(kMinimal + "        x: {range: [-05, 10]}\n"),
            (Lines{"c.yaml:6:20: schema.modalities.vitals.features.x.range: expected [low, high] with two numbers, got a list" + why}));
  EXPECT_EQ(lines(kMinimal + "train: {beta: 0.5, weight_decay: 0, learning_rate: 1e-03}\nhttp: {port: 0}\ninstance: 010\n"), Lines{})
      << "a zero that says something, and a name";
}

// Protects: a property that librdkafka does not know ends `check`, not the start of the daemon.
TEST(ConfigProblems, KafkaPropertiesAreHeldAgainstLibrdkafka) {
  EXPECT_EQ(
      lines(kMinimal + "log: {kafka: {properties: {ssl.ca.locaton: /etc/ca.pem, acks: 1, linger.ms: hunter2, compression.type: zstd}}}\n"),
      (Lines{"c.yaml:6:28: log.kafka.properties.ssl.ca.locaton: librdkafka has no such property; did you mean ssl.ca.location?",
             "c.yaml:6:57: log.kafka.properties.acks: is set by the log itself",
             "c.yaml:6:66: log.kafka.properties.linger.ms: librdkafka does not take this value"}));
}

TEST(ConfigProblems, WrongTypesSayWhatWouldBeRight) {
  EXPECT_EQ(lines(kMinimal + "batch: {max_delay: 5 minutes, max_events: many}\nstore:\n  memory: 256MB\n"
                             "http: {enabled: yes, port: 70000}\nlogging: {level: inf}\ntopics: {events: a}\nlog: 7\n"
                             "train: {beta: [1]}\nseed:\n"),
            (Lines{"c.yaml:6:20: batch.max_delay: expected a duration such as 5m, from 1ms to 1m, got '5 minutes'",
                   "c.yaml:6:43: batch.max_events: expected an integer from 1 to 100000, got 'many'",
                   "c.yaml:8:11: store.memory: expected a size such as 256MiB, from 16MiB to 1TiB, got '256MB'",
                   "c.yaml:9:17: http.enabled: expected true or false, got 'yes'",
                   "c.yaml:9:28: http.port: expected an integer from 0 to 65535, got '70000'",
                   "c.yaml:10:18: logging.level: expected one of trace, debug, info, warn, error, got 'inf'; did you mean info?",
                   "c.yaml:11:18: topics.events: expected a list such as [a, b], got 'a'",
                   "c.yaml:12:6: log: expected a section with keys below it, not a value or a list",
                   "c.yaml:13:15: train.beta: expected a number from 0 to 100, got a list",
                   "c.yaml:14:1: seed: has no value; leave the key out to have the default"}));
}

TEST(ConfigProblems, DuplicateKeysAreRefusedAtAnyDepth) {
  EXPECT_EQ(lines(kMinimal + "        hr: {}\n        spo2: {unit: a, unit: b}\ntrain: {beta: 1, beta: 2}\nschema:\n"),
            (Lines{"c.yaml:6:9: schema.modalities.vitals.features.hr: given twice; first in line 5",
                   "c.yaml:7:25: schema.modalities.vitals.features.spo2.unit: given twice; first in line 7",
                   "c.yaml:8:18: train.beta: given twice; first in line 8", "c.yaml:9:1: schema: given twice; first in line 1"}));
}

TEST(ConfigProblems, SyntaxErrorsHaveTheirPlace) {
  const Lines unclosed = lines("a: [1, 2\nb: 3\n");
  ASSERT_EQ(unclosed.size(), 1u);
  EXPECT_TRUE(unclosed[0].starts_with("c.yaml:2:2: YAML syntax: ")) << unclosed[0];
  const Lines tab = lines("seed: 1\nlog:\n\tkind: kafka\n");
  ASSERT_EQ(tab.size(), 1u);
  EXPECT_TRUE(tab[0].starts_with("c.yaml:3:")) << tab[0];
  EXPECT_EQ(lines(kMinimal + std::string("seed: 1\x04\nseed: 2\n")), (Lines{"c.yaml:6:8: a control character"}))
      << "the parser would end there without a word";
  EXPECT_EQ(lines(kMinimal + "---\nseed: 1\n"), (Lines{"c.yaml: holds more than one YAML document; a configuration is one"}));
}

// Protects: files that are small on disk and endless in memory.
TEST(ConfigProblems, AliasesDepthAndSizeAreBounded) {
  EXPECT_EQ(lines(kMinimal + "data_dir: &x a\ninstance: *x\n"),
            (Lines{"c.yaml:6:11: data_dir: anchors are not supported: write the value out where it is needed",
                   "c.yaml:7:1: instance: has no value; leave the key out to have the default",
                   "c.yaml:7:11: instance: aliases are not supported: write the value out"}));
  // The 32nd level is still read (and is unknown), the 33rd is not.
  const auto deep = [](int levels) {
    std::string text = "x";
    for (int i = 0; i < levels; ++i) text = "{a: " + text + "}";
    return lines(text);
  };
  ASSERT_EQ(deep(32).size(), 2u) << "an unknown key, and no schema";
  EXPECT_EQ(deep(32)[1], "c.yaml:1:2: a: unknown key");
  ASSERT_EQ(deep(33).size(), 1u);
  EXPECT_TRUE(deep(33)[0].ends_with("nested deeper than 32 levels")) << deep(33)[0];
  EXPECT_EQ(lines(std::string(100'000, '[')).size(), 1u);
  EXPECT_EQ(lines(std::string(2 << 20, '#')).size(), 1u);
}

TEST(ConfigProblems, AMissingSchemaIsOneProblem) {
  const Lines expected{"c.yaml:1:1: schema: missing: declare the modalities and features under schema (configs/reference.yaml)"};
  EXPECT_EQ(lines("seed: 1\n"), expected);
  EXPECT_EQ(lines(""), expected);
  EXPECT_EQ(lines("# only a comment\n"), expected);
  EXPECT_EQ(lines("schema:\n").size(), 1u);
}

TEST(ConfigProblems, AUnitThatIsNoneIsNamedWithTheOneMeant) {
  EXPECT_EQ(lines("schema:\n"
                  "  modalities:\n"
                  "    vitals:\n"
                  "      features:\n"
                  "        hr: {unit: bpm}\n"
                  "        map: {unit: 'mm[Hg]'}\n"
                  "        wbc: {unit: K/uL}\n"
                  "        odd: {unit: apples}\n"
                  "  attributes:\n"
                  "    age: {unit: years}\n"),
            (Lines{"c.yaml:5:14: schema.modalities.vitals.features.hr.unit: 'bpm' is no UCUM code; meant is '/min'",
                   "c.yaml:7:15: schema.modalities.vitals.features.wbc.unit: 'K/uL' is another unit in UCUM; meant is '10*3/uL'",
                   "c.yaml:8:15: schema.modalities.vitals.features.odd.unit: 'apples' is no UCUM code (docs/units.md); what has none is "
                   "counted in braces, as "
                   "{score}",
                   "c.yaml:10:11: schema.attributes.age.unit: 'years' is no UCUM code; meant is 'a'"}));
}

TEST(ConfigProblems, SchemaErrorsStandAtTheirFeature) {
  const std::string text =
      "schema:\n"
      "  modalities:\n"
      "    vitals:\n"
      "      features:\n"
      "        hr: {likelihood: log_normall}\n"
      "        temp: {range: [45, 25]}\n"
      "        state: {likelihood: categorical}\n"
      "        other: {likelihood: categorical, categories: [a, a]}\n"
      "        BP: {unit: a}\n"
      "        count: {likelihood: negative_binomial, range: [-1, 5]}\n"
      "        half: {range: [1]}\n"
      "        mode: {categories: [a, b]}\n"
      "    empty:\n"
      "    scans: {kind: image}\n"
      "    waves: {kind: signal, length: 5, width: 3, vocabulary: [a]}\n"
      "    films: {kind: image, height: 2000, width: 2000}\n"
      "    notes: {kind: text, length: 9, features: {x: {}}}\n"
      "    codes: {kind: embedding, length: 0}\n"
      "  attributes:\n"
      "    age: {range: [120, 0]}\n"
      "    Sex: {}\n";
  const ConfigOutcome outcome = parse_config(text, "c.yaml");
  const std::string in = "schema.modalities.vitals.features.";
  EXPECT_EQ(places(outcome),
            (Lines{"5:26 " + in + "hr.likelihood", "6:23 " + in + "temp.range", "7:9 " + in + "state", "8:9 " + in + "other",
                   "9:9 " + in + "BP", "10:9 " + in + "count", "11:23 " + in + "half.range", "12:9 " + in + "mode",
                   "13:5 schema.modalities.empty", "14:5 schema.modalities.scans", "15:38 schema.modalities.waves.width",
                   "15:48 schema.modalities.waves.vocabulary", "16:5 schema.modalities.films", "17:5 schema.modalities.notes",
                   "18:38 schema.modalities.codes.length", "20:18 schema.attributes.age.range", "21:5 schema.attributes.Sex"}))
      << told(outcome.problems);
  EXPECT_TRUE(outcome.problems[0].message.ends_with("did you mean log_normal?")) << outcome.problems[0].message;
  EXPECT_NE(outcome.problems[1].message.find("low (45) must be below high (25)"), std::string::npos);
  EXPECT_EQ(outcome.problems[2].message, "a categorical feature needs at least two categories");
  EXPECT_EQ(outcome.problems[3].message, "the category 'a' is given twice");
  EXPECT_EQ(outcome.problems[9].message, "height must be 1 to 1048576; width must be 1 to 1048576");
  EXPECT_EQ(outcome.problems[10].message, "a modality of kind signal has no width");
  EXPECT_EQ(outcome.problems[12].message, "a payload has more than 1048576 values");
  EXPECT_EQ(outcome.problems[13].message, "only a tabular modality has features");
}

TEST(ConfigProblems, PayloadsHaveRangesAndMarks) {
  const std::string head = "schema:\n  modalities:\n    vitals: {features: {hr: {range: [1, 300]}, temp: {range: [25, .inf]}}}\n";
  const ConfigOutcome good = parse_config(head +
                                              "    ecg: {kind: signal, length: 5, range: [-5000, 5000], missing: -32768}\n"
                                              "    codes: {kind: embedding, length: 4}\n"
                                              "    notes: {kind: text, length: 9}\n",
                                          "c.yaml");
  ASSERT_TRUE(good.config) << told(good.problems);
  const Modality& ecg = good.config->schema->modalities()[1];
  EXPECT_EQ(ecg.low, -5000);
  EXPECT_EQ(ecg.high, 5000);
  EXPECT_EQ(ecg.missing, -32768);
  EXPECT_EQ(open_ranges(*good.config->schema), (std::vector<std::string>{"vitals.temp", "codes"}));
  EXPECT_EQ(lines(head + "    notes: {kind: text, length: 9, range: [0, 1], missing: 0}\n"
                         "    ecg: {kind: signal, length: 5, missing: none}\n"),
            (Lines{"c.yaml:4:36: schema.modalities.notes.range: a modality of kind text has no range",
                   "c.yaml:4:51: schema.modalities.notes.missing: a modality of kind text has no missing",
                   "c.yaml:5:45: schema.modalities.ecg.missing: expected a number, got 'none'"}));
}

TEST(ConfigProblems, KeysThatDoNotFitEachOther) {
  EXPECT_EQ(lines(kMinimal + "train: {hide_cells_min: 0.6, queue_examples_max: 10}\n"
                             "topics: {alerts: x, imputations: x, events: []}\n"),
            (Lines{"c.yaml:6:9: train.hide_cells_min: hide_cells_min is above hide_cells_max",
                   "c.yaml:6:30: train.queue_examples_max: queue_examples_max is below examples_per_step: no step could ever be taken",
                   "c.yaml:7:10: topics.alerts: topic x is used for topics.imputations and for topics.alerts",
                   "c.yaml:7:37: topics.events: at least one topic is needed"}));
  EXPECT_EQ(
      lines(kMinimal + "input: {format: wide_csv, row_is_patient: true, patient_column: id, time_form: none, start: 2026-01-01T00:00:00Z, "
                       "columns: {HR: {to: vitals.hr}}}\n"),
      (Lines{"c.yaml:6:1: input.row_is_patient: is for wide_csv without patient_column"}));
  EXPECT_EQ(lines(kMinimal + "topics: {events: [lacuna.state]}\n").size(), 1u) << "the daemon would read its own output";
}

// Protects: a number is a subgroup by its bands alone, and groups that a configuration asks for can be made.
TEST(ConfigProblems, SubgroupsAreHeldAgainstTheAttributes) {
  const std::string head = kMinimal + "  attributes:\n    sex: {categories: [female, male], subgroup: true}\n    age: ";
  EXPECT_EQ(lines(head + "{subgroup: true, bands: [0, 50, 100]}\nsubgroups: {together: [sex+age]}\n"), Lines{});
  EXPECT_EQ(lines(head + "{subgroup: true}\n"),
            Lines{"c.yaml:8:11: schema.attributes.age.subgroup: a number is a subgroup by its bands: give them"});
  EXPECT_EQ(lines(head + "{bands: [0, 50, 50]}\n"),
            Lines{"c.yaml:8:18: schema.attributes.age.bands: expected rising numbers, at least two, such as [0, 40, 65, 120], got a list"});
  EXPECT_EQ(lines(head + "{bands: [0, a]}\n").size(), 1u);
  EXPECT_EQ(lines(head + "{bands: [0, .inf]}\n").size(), 1u);
  EXPECT_EQ(lines(head + "{bands: [0]}\n").size(), 1u);
  EXPECT_EQ(lines(head + "{categories: [a, b], bands: [0, 1]}\n"),
            Lines{"c.yaml:8:31: schema.attributes.age.bands: an attribute with categories has no bands"});
  EXPECT_EQ(lines(head + "{unit: a}\nsubgroups: {together: [sex+age]}\n"),
            Lines{"c.yaml:9:13: subgroups.together: sex+age: age is a number without bands"});
}

// Protects: an ordinal's order is its categories, so it needs them, and it takes no range; a Student t is the reverse.
TEST(ConfigProblems, OrdinalsNeedCategoriesAndStudentsNone) {
  const std::string head = "schema:\n  modalities:\n    skin:\n      features:\n        edema: ";
  EXPECT_TRUE(lines(head + "{likelihood: ordinal, categories: [none, mild, severe]}\n").empty());
  const std::string at = "c.yaml:5:9: schema.modalities.skin.features.edema: ";
  EXPECT_TRUE(lines(head + "{likelihood: student_t, range: [-40, 40]}\n").empty());
  EXPECT_EQ(lines(head + "{likelihood: student_t, range: [40, -40]}\n").size(), 1u);
  EXPECT_EQ(lines(head + "{likelihood: student_t, categories: [a, b]}\n"),
            Lines{at + "only a categorical or ordinal feature has categories"});
  EXPECT_EQ(lines(head + "{likelihood: ordinal}\n"), Lines{at + "an ordinal feature needs at least two categories"});
  EXPECT_EQ(lines(head + "{likelihood: ordinal, categories: [none]}\n"), Lines{at + "an ordinal feature needs at least two categories"});
  EXPECT_EQ(lines(head + "{likelihood: ordinal, categories: [a, b], range: [0, 5]}\n"), Lines{at + "a discrete feature takes no range"});
}

// Protects: passwords are among librdkafka's properties and messages end up in logs.
TEST(ConfigProblems, KafkaPropertiesAreNeverQuoted) {
  const ConfigOutcome outcome = parse_config(kMinimal + "log: {kafka: {properties: {sasl.password: [hunter2], a: {b: hunter2}}}}\n", "c");
  EXPECT_EQ(outcome.problems.size(), 2u);
  EXPECT_EQ(told(outcome.problems).find("hunter2"), std::string::npos) << told(outcome.problems);
}

TEST(ConfigProblems, ColumnsAreHeldAgainstTheSchema) {
  const std::string head = kMinimal + "  attributes: {sex: {categories: [female, male]}}\n";
  EXPECT_EQ(
      lines(head + "input:\n"
                   "  format: long_csv\n"
                   "  time_form: minutes\n"
                   "  ignored: [C]\n"
                   "  columns:\n"
                   "    A: {to: vitals.hrr}\n"
                   "    B: {to: sexx}\n"
                   "    C: {to: sex, categories: {\"0\": femal}}\n"
                   "    D: {scale: 2}\n"),
      (Lines{"c.yaml:7:1: input.time_column: missing: a CSV needs it, or time_form: none",
             "c.yaml:7:1: input.start: missing: relative times need the clinical time of the first stay's start",
             "c.yaml:7:1: input.parameter_column: missing: long_csv needs it", "c.yaml:7:1: input.value_column: missing: long_csv needs it",
             "c.yaml:12:5: input.columns.A: the schema has no feature vitals.hrr; did you mean vitals.hr?",
             "c.yaml:13:5: input.columns.B: the schema has no attribute sexx; did you mean sex? (a feature is modality.feature)",
             "c.yaml:14:5: input.columns.C: is under ignored as well",
             "c.yaml:14:5: input.columns.C: sex has no category femal; did you mean female?",
             "c.yaml:15:5: input.columns.D: needs `to`: modality.feature, or an attribute"}));
}

TEST(ConfigProblems, AFileThatCannotBeReadIsAProblemOfThatFile) {
  const ConfigOutcome outcome = load_config("no/such/file.yaml");
  ASSERT_EQ(outcome.problems.size(), 1u);
  EXPECT_EQ(format_problem(outcome.problems[0]), "no/such/file.yaml: cannot be read: No such file or directory");
  EXPECT_EQ(load_config("configs").problems.size(), 1u) << "a folder";
}

// Protects: `replay --mapping FILE` takes the keys of `input` alone and holds them to the same.
TEST(ConfigProblems, AMappingFileIsTheInputSectionAlone) {
  const ConfigOutcome config = parse_config(kMinimal, "c");
  ASSERT_TRUE(config.config);
  const std::string path = testing::TempDir() + "lacuna_mapping_test.yaml";
  std::ofstream(path)
      << "format: wide_csv\ntime_column: t\nseparator: \"\\t\"\ncolumns:\n  HR: {to: vitals.hr, scale: 2, offset: -1, missing: [\"-9\"]}\n";
  const MappingOutcome good = load_mapping(path, *config.config->schema);
  ASSERT_TRUE(good.mapping) << told(good.problems);
  EXPECT_EQ(good.mapping->format, streaming::FileFormat::wide_csv);
  EXPECT_EQ(good.mapping->separator, '\t');
  const streaming::ColumnTarget& target = good.mapping->columns.at("HR");
  EXPECT_EQ(target.modality + "/" + target.feature, "vitals/hr");
  EXPECT_EQ(target.scale, 2);
  EXPECT_EQ(target.offset, -1);
  EXPECT_EQ(target.missing_texts, std::vector<std::string>{"-9"});
  std::ofstream(path) << "format: wide_csv\ntime_colum: t\n";
  const MappingOutcome bad = load_mapping(path, *config.config->schema);
  EXPECT_FALSE(bad.mapping);
  EXPECT_EQ(bad.problems.size(), 3u) << told(bad.problems);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace lacuna::daemon
