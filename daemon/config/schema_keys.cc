#include "daemon/config/schema_keys.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "daemon/config/values.h"
#include "streaming/files/cell_text.h"

namespace lacuna::daemon {

namespace {

using std::chrono::hours;
using namespace values;
using streaming::FileFormat;
using TimeForm = streaming::FileMapping::TimeForm;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <typename T>
T& find_or_add(std::vector<Draft::Named<T>>& all, const Capture& capture) {
  auto it = std::find_if(all.begin(), all.end(), [&](const auto& named) { return named.capture.name == capture.name; });
  if (it == all.end()) it = all.insert(all.end(), {capture, {}});
  return it->value;
}

bool is_any(std::string_view) { return true; }
bool is_not_empty(std::string_view text) { return !text.empty(); }

/// "[low, high]" into a feature or an attribute.
template <typename At>
Key plausible_range(std::string path, std::string doc, At at) {
  Key key;
  key.path = std::move(path);
  key.type = "[low, high]";
  key.range = "low < high; -.inf and .inf leave a side open";
  key.doc = std::move(doc);
  key.default_value = "[-.inf, .inf]";
  key.takes_list = true;
  key.set = [at](Draft& draft, const Captures& names, const YamlNode& node, const Complain& complain) {
    std::vector<double> ends;
    for (const YamlNode& item : node.items) {
      const std::optional<double> v = item.kind == YamlNode::Kind::scalar ? parse_number(item.text) : std::nullopt;
      if (v) ends.push_back(*v);
    }
    if (node.kind != YamlNode::Kind::list || ends.size() != 2 || node.items.size() != 2) {
      std::string zero;
      for (const YamlNode& item : node.items) zero = zero.empty() ? zero_advice(item) : zero;
      return complain(node.place, "expected [low, high] with two numbers, got " + got(node) + zero);
    }
    if (!(ends[0] < ends[1])) {
      return complain(node.place,
                      "the range is empty: low (" + format_number(ends[0]) + ") must be below high (" + format_number(ends[1]) + ")");
    }
    at(draft, names).low = ends[0];
    at(draft, names).high = ends[1];
  };
  return key;
}

/// "[0, 40, 55]" into an attribute.
Key band_borders(std::string path) {
  Key key;
  key.path = std::move(path);
  key.type = "list of numbers";
  key.range = "rising, at least two";
  key.doc = "Of a number that is a subgroup: the borders of its bands. Each holds its lower one, the last its upper one as well.";
  key.default_value = "[]";
  key.takes_list = true;
  key.set = [](Draft& draft, const Captures& names, const YamlNode& node, const Complain& complain) {
    std::vector<double> borders;
    for (const YamlNode& item : node.items) {
      const std::optional<double> v = item.kind == YamlNode::Kind::scalar ? parse_number(item.text) : std::nullopt;
      if (!v || !std::isfinite(*v)) return complain(item.place, "expected a number, got " + got(item) + zero_advice(item));
      borders.push_back(*v);
    }
    const bool rising = std::adjacent_find(borders.begin(), borders.end(), std::greater_equal<>()) == borders.end();
    if (node.kind != YamlNode::Kind::list || borders.size() < 2 || !rising) {
      return complain(node.place, "expected rising numbers, at least two, such as [0, 40, 65, 120], got " + got(node));
    }
    draft.attribute(names).bands = std::move(borders);
  };
  return key;
}

/// The number that stands in a payload for what was not measured.
Key missing_mark(std::string path) {
  Key key;
  key.path = std::move(path);
  key.type = "number";
  key.doc = "The number that a payload has where nothing was measured: a gap, as NaN is. A payload of nothing else is refused.";
  key.set = [](Draft& draft, const Captures& names, const YamlNode& node, const Complain& complain) {
    const std::optional<double> v = node.kind == YamlNode::Kind::scalar ? parse_number(node.text) : std::nullopt;
    if (!v || !std::isfinite(*v)) return complain(node.place, "expected a number, got " + got(node) + zero_advice(node));
    draft.modality(names).missing = *v;
  };
  return key;
}

template <typename E>
std::vector<std::pair<std::string, E>> all_names(std::initializer_list<E> values) {
  std::vector<std::pair<std::string, E>> out;
  for (const E value : values) out.emplace_back(std::string(to_string(value)), value);
  return out;
}

bool is_separator(std::string_view text) { return text.size() == 1 && text != "\"" && text != "."; }

#define MODALITY(member) \
  [](Draft & d, const Captures& names) -> auto& { return d.modality(names).member; }
#define FEATURE(member) \
  [](Draft & d, const Captures& names) -> auto& { return d.feature(names).member; }
#define ATTRIBUTE(member) \
  [](Draft & d, const Captures& names) -> auto& { return d.attribute(names).member; }
#define MAPPING(member) \
  [](Draft & d, const Captures&) -> auto& { return d.mapping.member; }
#define COLUMN(member) \
  [](Draft & d, const Captures& names) -> auto& { return d.column(names).member; }

}  // namespace

Modality& Draft::modality(const Captures& names) { return find_or_add(modalities, names[0]).modality; }
Feature& Draft::feature(const Captures& names) { return find_or_add(find_or_add(modalities, names[0]).features, names[1]); }
Attribute& Draft::attribute(const Captures& names) { return find_or_add(attributes, names[0]); }
Draft::ColumnDraft& Draft::column(const Captures& names) { return find_or_add(columns, names[0]); }

void add_schema_keys(std::vector<Key>& keys) {
  const auto add = [&keys](Key key) { keys.push_back(std::move(key)); };
  const std::string modality = "schema.modalities.<modality>.";
  add(choice(modality + "kind",
             all_names({ModalityKind::tabular, ModalityKind::image, ModalityKind::text, ModalityKind::signal, ModalityKind::embedding}),
             "What its events hold.", MODALITY(kind)));
  // A size has no sensible default: Schema::make says which of them a kind needs.
  const auto add_size = [&](const char* name, std::int64_t high, const char* help, auto at) {
    Key key = integer(modality + name, 1, high, help, at);
    key.default_value.clear();
    add(std::move(key));
  };
  add(integer(modality + "channels", 1, kPayloadValuesMax, "Of an image (grey: 1, colour: 3) or a signal (its leads).",
              MODALITY(payload.channels)));
  add_size("height", kPayloadValuesMax, "Of an image, in pixels.", MODALITY(payload.height));
  add_size("width", kPayloadValuesMax, "Of an image, in pixels.", MODALITY(payload.width));
  add_size("length", kPayloadValuesMax,
           "Samples of a channel of a signal; dimensions of an embedding; tokens of a text that are read (at most 4096).",
           MODALITY(payload.length));
  add(choice(modality + "text_model", all_names({TextModel::bag, TextModel::sequence}),
             "How a text is modelled: as counts of its words, or word after word.", MODALITY(payload.text_model)));
  add(texts(modality + "vocabulary", "each once", is_not_empty,
            "The words of a text modality that are told apart; without it they are taken from the stream.", MODALITY(payload.vocabulary)));
  add(integer(modality + "vocabulary_size", 1, kVocabularyMax, "How many words are taken from the stream.",
              MODALITY(payload.vocabulary_size)));
  add(plausible_range(
      modality + "range", "Plausible range of a payload's values, inclusive; a payload with one outside it is refused.",
      [](Draft & d, const Captures& names) -> auto& { return d.modality(names); }));
  add(missing_mark(modality + "missing"));
  add(duration(modality + "stale_after", Millis(1), hours(24 * 3650),
               "A value older than this no longer counts as known and is imputed again.", MODALITY(stale_after)));

  const std::string feature = modality + "features.<feature>.";
  add(text(feature + "unit", "a UCUM code", is_any, "Unit of the values (docs/units.md); absent for a pure number.", FEATURE(unit)));
  add(choice(feature + "likelihood",
             all_names({Likelihood::normal, Likelihood::log_normal, Likelihood::bernoulli, Likelihood::categorical,
                        Likelihood::negative_binomial, Likelihood::ordinal, Likelihood::student_t}),
             "How the values are distributed: log_normal for positive and skewed ones, negative_binomial for counts, ordinal for "
             "classes whose order means something, student_t for values with outliers.",
             FEATURE(likelihood)));
  add(plausible_range(
      feature + "range", "Plausible range, inclusive; a value outside it is refused.",
      [](Draft & d, const Captures& names) -> auto& { return d.feature(names); }));
  add(texts(feature + "categories", "at least two, each once", is_not_empty, "The classes of a categorical or ordinal feature, in order.",
            FEATURE(categories)));
  add(duration(feature + "stale_after", Millis(0), hours(24 * 3650), "Overrides the modality's limit; 0s: the modality's.",
               FEATURE(stale_after)));

  const std::string attribute = "schema.attributes.<attribute>.";
  add(text(attribute + "unit", "a UCUM code", is_any, "Unit of a numeric attribute.", ATTRIBUTE(unit)));
  add(texts(attribute + "categories", "each once", is_not_empty, "Its classes; absent: a number.", ATTRIBUTE(categories)));
  add(plausible_range(
      attribute + "range", "Plausible range of a numeric attribute, inclusive.",
      [](Draft & d, const Captures& names) -> auto& { return d.attribute(names); }));
  add(boolean(attribute + "subgroup", "Errors and coverage are reported for each of its classes, or bands.", ATTRIBUTE(subgroup)));
  add(band_borders(attribute + "bands"));
  add(boolean(attribute + "outcome",
              "Known only once it is over, such as a death: the model never reads it, and groups count by it once it has come.",
              ATTRIBUTE(outcome)));
}

/// One without a name, such as the index of a data frame, is "".
Key column_key(const std::string& name, std::string doc, streaming::FileMapping::Column streaming::FileMapping::*column) {
  Key key;
  key.path = "input." + name;
  key.type = "text";
  key.range = "a column";
  key.doc = std::move(doc);
  key.set = [column](Draft& d, const Captures&, const YamlNode& node, const Complain& complain) {
    if (node.kind != YamlNode::Kind::scalar || !is_text(node.text))
      return complain(node.place, "expected a column's name, got " + got(node));
    d.mapping.*column = node.text;
  };
  key.get = [column](Draft& d, const Captures&) { return (d.mapping.*column).value_or(""); };
  return key;
}

void add_input_column_keys(std::vector<Key>& keys) {
  const auto add = [&keys](Key key) { keys.push_back(std::move(key)); };
  const std::string column = "input.columns.<column>.";
  add(text(column + "to", "modality.feature, or an attribute", is_not_empty, "Where the values of this column or parameter go.",
           COLUMN(to)));
  add(text(column + "unit", "a unit", is_any,
           "Unit of the column's numbers where a row says none; converted to the schema's. Absent: the schema's.", COLUMN(target.unit)));
  add(number(column + "scale", -kInfinity, kInfinity, "value = scale * number + offset, where no unit is said.", COLUMN(target.scale)));
  add(number(column + "offset", -kInfinity, kInfinity, "See scale.", COLUMN(target.offset)));
  add(texts(column + "missing", "", is_any, "Cells that mean: not measured, in this column; a number by its value.",
            COLUMN(target.missing_texts)));
  add(text(
      column + "categories.<text>", "a category", is_not_empty, "Which category a cell text means.",
      [](Draft & d, const Captures& names) -> auto& { return d.column(names).target.categories[names[1].name]; }));
}

void add_input_time_keys(std::vector<Key>& keys) {
  const auto add = [&keys](Key key) { keys.push_back(std::move(key)); };
  add(choice(
      "input.time_form",
      {{"rfc3339", TimeForm::rfc3339},
       {"local", TimeForm::local},
       {"hl7", TimeForm::hl7},
       {"epoch_seconds", TimeForm::epoch_seconds},
       {"epoch_millis", TimeForm::epoch_millis},
       {"pattern", TimeForm::pattern},
       {"hours_minutes", TimeForm::hours_minutes},
       {"offset", TimeForm::offset},
       {"minutes", TimeForm::minutes},
       {"hours", TimeForm::hours},
       {"days", TimeForm::days},
       {"none", TimeForm::none}},
      "How times are written. Absolute: rfc3339, local (2180-07-23 14:00:00), hl7 (202607231400), epoch_seconds, epoch_millis, pattern "
      "(time_pattern). Since the start of the stay: hours_minutes (37:05), offset (1 days 03:00:00), minutes, hours, days. none: one "
      "moment a "
      "patient.",
      MAPPING(time_form)));
  add(text("input.time_zone", "a name such as Europe/Berlin", is_any, "Zone of times that say none (local, hl7, pattern).",
           MAPPING(time_zone)));
  add(text("input.time_pattern", "a pattern of strptime", is_any,
           "With time_form pattern: such as %d.%m.%Y %H:%M; with %z it tells the zone.", MAPPING(time_pattern)));
}

void add_input_keys(std::vector<Key>& keys) {
  const auto add = [&keys](Key key) { keys.push_back(std::move(key)); };
  add(choice("input.format", {{"ndjson", FileFormat::ndjson}, {"long_csv", FileFormat::long_csv}, {"wide_csv", FileFormat::wide_csv}},
             "ndjson: one event message a line; long_csv: one value a row; wide_csv: one column per feature.", MAPPING(format)));
  add(text("input.source", "a name", is_any,
           "CSV: part of the events' ids. The same rows under the same name are a second delivery; absent: the file's name.",
           MAPPING(source)));
  Key separator;
  separator.path = "input.separator";
  separator.type = "text";
  separator.range = "one character";
  separator.doc = "Between the cells of a CSV.";
  separator.default_value = ",";
  separator.set = [](Draft& d, const Captures&, const YamlNode& node, const Complain& complain) {
    if (node.kind != YamlNode::Kind::scalar || !is_separator(node.text)) {
      return complain(node.place, "expected one character, got " + got(node));
    }
    d.mapping.separator = node.text.front();
  };
  add(std::move(separator));
  add(column_key("patient_column", "Column with the patient's id; absent: each file is one patient and its name the id.",
                 &streaming::FileMapping::patient_column));
  add(boolean("input.row_is_patient",
              "wide_csv, without patient_column: each row is a patient, whose id is the file's name and the number of the line.",
              MAPPING(row_is_patient)));
  add(column_key("time_column", "Column with the time; needed for CSV, but with time_form none.", &streaming::FileMapping::time_column));
  add(column_key("parameter_column", "long_csv: column with the parameter's name.", &streaming::FileMapping::parameter_column));
  add(column_key("value_column", "long_csv: column with the value.", &streaming::FileMapping::value_column));
  add(column_key("unit_column",
                 "long_csv: column with the value's unit, which is converted to the schema's (docs/units.md); an empty cell: the column's.",
                 &streaming::FileMapping::unit_column));
  add(column_key("second_unit_column",
                 "long_csv: another column with the unit. Where both say one they must be the same, in whatever spelling; else the first "
                 "that says one.",
                 &streaming::FileMapping::second_unit_column));
  add(text(
      "input.units.<text>", "a unit, or nothing", is_any, "Which unit the text of a unit's cell means; nothing: none.",
      [](Draft & d, const Captures& names) -> auto& { return d.mapping.units[names[0].name]; }));
  add(column_key("comparator_column", "long_csv: column that says <, <=, >= or > where the value is a limit; cells may say it too (<5).",
                 &streaming::FileMapping::comparator_column));
  add(column_key("site_column", "Column with the site where the row's values were taken; may be absent.",
                 &streaming::FileMapping::site_column));
  add(column_key("result_column", "Column with the id of the result that a row reports; may be absent.",
                 &streaming::FileMapping::result_column));
  add(column_key("revision_column", "Column with the result's revision, a number or an RFC 3339 time: the highest holds.",
                 &streaming::FileMapping::revision_column));
  add_input_time_keys(keys);
  add(choice("input.decimal", {{".", '.'}, {",", ','}, {"1,000.5", streaming::kPointAndGroups}},
             "What parts a number's fraction; with a comma, points may group thousands, and in 1,000.5 commas do.", MAPPING(decimal)));
  add(texts("input.missing", "", is_any, "Cells that mean: not measured.", MAPPING(missing_texts)));
  add(texts("input.ignored", "", is_any, "Columns or parameters left out on purpose; any other unknown one is reported.",
            MAPPING(ignored)));
  add(time("input.start", "Clinical time of minute 0 of the first stay; needed for relative times.", MAPPING(start)));
  add(duration("input.stagger", Millis(0), hours(24 * 365), "Each further stay starts this much later; relative times only.",
               MAPPING(stagger)));
  add_input_column_keys(keys);
}
#undef MODALITY
#undef FEATURE
#undef ATTRIBUTE
#undef MAPPING
#undef COLUMN

std::vector<std::pair<std::string, std::function<void(Draft&, const Captures&)>>> named_sections() {
  return {{"schema.modalities.<modality>", [](Draft& d, const Captures& names) { d.modality(names); }},
          {"schema.modalities.<modality>.features.<feature>", [](Draft& d, const Captures& names) { d.feature(names); }},
          {"schema.attributes.<attribute>", [](Draft& d, const Captures& names) { d.attribute(names); }},
          {"input.columns.<column>", [](Draft& d, const Captures& names) { d.column(names); }}};
}

}  // namespace lacuna::daemon
