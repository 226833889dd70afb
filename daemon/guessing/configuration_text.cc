#include "daemon/guessing/configuration_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace lacuna::daemon {

namespace {

using streaming::FileFormat;
using streaming::FileMapping;
using TimeForm = FileMapping::TimeForm;

std::string_view name_of(TimeForm form) {
  switch (form) {
    case TimeForm::rfc3339: return "rfc3339";
    case TimeForm::local: return "local";
    case TimeForm::hl7: return "hl7";
    case TimeForm::epoch_seconds: return "epoch_seconds";
    case TimeForm::epoch_millis: return "epoch_millis";
    case TimeForm::pattern: return "pattern";
    case TimeForm::hours_minutes: return "hours_minutes";
    case TimeForm::offset: return "offset";
    case TimeForm::minutes: return "minutes";
    case TimeForm::hours: return "hours";
    case TimeForm::days: return "days";
    case TimeForm::none: return "none";
  }
  return "none";
}

std::string list_of(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (std::size_t i = 0; i < texts.size(); ++i) out += (i > 0 ? ", " : "") + yaml_scalar(texts[i]);
  return out + "]";
}

std::string percent(double share) {
  if (share > 0 && share < 0.01) return fmt::format("{:.1f} %", 100 * share);
  return fmt::format("{:.0f} %", 100 * share);
}

/// "key: value, key: value" in braces.
class Flow {
 public:
  void add(std::string_view key, const std::string& value) { text_ += fmt::format("{}{}: {}", text_.empty() ? "" : ", ", key, value); }
  std::string text() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

class ConfigurationText {
 public:
  ConfigurationText(const Plan& plan, const std::string& source, const std::string& data_dir)
      : plan_(plan), mapping_(plan.roles.mapping), source_(source), data_dir_(data_dir) {}

  std::string write() {
    write_head();
    write_schema();
    write_input();
    return std::move(out_);
  }

 private:
  template <typename... Values>
  void line(fmt::format_string<Values...> format, Values&&... values) {
    out_ += fmt::format(format, std::forward<Values>(values)...) + "\n";
  }
  void comment(const std::string& text, const char* indent = "") { line("{}# {}", indent, text); }

  void write_head() {
    line("# Guessed by `lacuna init` from {}: {} rows, {} patient{}, about {:.0f} moments.", source_, plan_.rows, plan_.patients,
         plan_.patients == 1 ? "" : "s", plan_.moments);
    comment("Everything here is a guess from names and values: look it over before anything depends on it. Each key is explained in");
    comment("configs/reference.yaml and by `lacuna check --keys`; a key that is not here has its default.");
    out_ += "\n";
    comment("Where state and the event log live. Another folder begins anew.");
    line("data_dir: {}", yaml_scalar(data_dir_));
    line("log: {{kind: embedded, partitions: 1}}");
    comment("enabled: true serves metrics, health and the API on 127.0.0.1:9464.");
    line("http: {{enabled: false}}");
    if (plan_.future_max > Millis(0) || plan_.past_max > Millis(0)) {
      Flow limits;
      if (plan_.future_max > Millis(0)) limits.add("future_max", format_duration(plan_.future_max));
      if (plan_.past_max > Millis(0)) limits.add("past_max", format_duration(plan_.past_max));
      line("limits: {}", limits.text());
    }
    write_training();
    out_ += "\n";
  }

  void write_training() {
    comment(fmt::format("For about {:.0f} moments{}", plan_.moments,
                        plan_.epochs > 1
                            ? fmt::format("; go over them {} times: `lacuna run --until-idle --epochs {}`.", plan_.epochs, plan_.epochs)
                            : ", once: `lacuna run --until-idle`."));
    line("train: {{batch_size: {}, examples_per_step: {}}}", plan_.train.batch_size, plan_.train.examples_per_step);
  }

  void write_schema() {
    line("schema:");
    comment(
        "A modality is what is measured together. `stale_after`: half as long again as it usually takes until the next value; an older one",
        "  ");
    comment("is imputed anew. Shares are of the moments that have a value. A unit marked ? is guessed from the name and the values.", "  ");
    line("  modalities:");
    for (const Plan::PlannedModality& modality : plan_.modalities) write_modality(modality);
    for (const auto& [name, seen] : plan_.payloads) write_payload(name, seen);
    const auto is_attribute = [](const auto& v) { return v.guess.kind == VariableGuess::Kind::attribute; };
    if (std::ranges::none_of(plan_.variables, is_attribute)) return;
    out_ += "\n";
    comment("The same at all times of a patient. Known to the model, never imputed.", "  ");
    line("  attributes:");
    for (const Plan::PlannedVariable& v : plan_.variables) {
      if (is_attribute(v)) write_attribute(v);
    }
  }

  void write_modality(const Plan::PlannedModality& modality) {
    line("    {}:", yaml_scalar(modality.name));
    if (!modality.stale_is_guessed) comment("nothing of it is measured twice in a patient", "      ");
    line("      stale_after: {}", format_duration(modality.stale_after));
    line("      features:");
    for (const Plan::PlannedFeature& feature : modality.features) {
      const Plan::PlannedVariable& v = plan_.variables[feature.variable];
      const VariableGuess& g = v.guess;
      Flow flow;
      if (!g.unit.empty()) flow.add("unit", yaml_scalar(g.unit));
      if (g.likelihood != Likelihood::normal || flow.text() == "{}") flow.add("likelihood", std::string(to_string(g.likelihood)));
      if (!g.categories.empty()) flow.add("categories", list_of(g.categories));
      if (g.has_range) flow.add("range", fmt::format("[{}, {}]", number_text(g.low), number_text(g.high)));
      if (feature.stale_after > Millis(0)) flow.add("stale_after", format_duration(feature.stale_after));
      line("        {}: {}  # {}{}{}", yaml_scalar(g.name), flow.text(), percent(v.share), g.unit_is_guessed ? ", unit ?" : "",
           g.afterwards ? ", known only afterwards by its name" : "");
    }
  }

  void write_payload(const std::string& name, const PayloadSeen& seen) {
    Flow flow;
    flow.add("kind", std::string(to_string(seen.kind)));
    const auto size = [&](std::size_t from_end) { return std::to_string(seen.shape[seen.shape.size() - from_end]); };
    if (seen.kind == ModalityKind::image && seen.shape.size() >= 2) {
      if (seen.shape.size() > 2) flow.add("channels", size(3));
      flow.add("height", size(2));
      flow.add("width", size(1));
    } else if (seen.kind == ModalityKind::text) {
      flow.add("length", std::to_string(std::clamp<std::size_t>(seen.words + seen.words / 4, 16, 512)));
    } else if (!seen.shape.empty()) {
      if (seen.kind == ModalityKind::signal && seen.shape.size() > 1) flow.add("channels", size(2));
      flow.add("length", size(1));
    }
    if (seen.bytes) flow.add("range", "[0, 255]");
    line("    {}: {}", yaml_scalar(name), flow.text());
  }

  void write_attribute(const Plan::PlannedVariable& v) {
    const VariableGuess& g = v.guess;
    Flow flow;
    if (!g.unit.empty()) flow.add("unit", yaml_scalar(g.unit));
    if (!g.categories.empty()) flow.add("categories", list_of(g.categories));
    if (g.has_range) flow.add("range", fmt::format("[{}, {}]", number_text(g.low), number_text(g.high)));
    if (g.subgroup) flow.add("subgroup", "true");
    const std::string note = std::string(g.unit_is_guessed ? "unit ?" : "") + (g.afterwards ? "known only afterwards by its name" : "");
    line("    {}: {}{}{}", yaml_scalar(g.name), flow.text(), note.empty() ? "" : "  # ", note);
  }

  void write_input() {
    out_ += "\n";
    comment("How `lacuna replay` and `lacuna evaluate` read the files (docs/input-formats.md).");
    line("input:");
    if (plan_.events) return line("  format: ndjson");
    for (const std::string& told : plan_.roles.told) comment(told, "  ");
    line("  format: {}", mapping_.format == FileFormat::long_csv ? "long_csv" : "wide_csv");
    if (mapping_.separator != ',')
      line("  separator: {}", mapping_.separator == '\t' ? "\"\\t\"" : "\"" + std::string(1, mapping_.separator) + "\"");
    if (mapping_.decimal != '.') line("  decimal: \"{}\"", mapping_.decimal);
    const auto column = [&](const char* key, const FileMapping::Column& name) {
      if (name) line("  {}: {}", key, yaml_scalar(*name));
    };
    column("patient_column", mapping_.patient_column);
    if (mapping_.row_is_patient) line("  row_is_patient: true");
    column("time_column", mapping_.time_column);
    column("parameter_column", mapping_.parameter_column);
    column("value_column", mapping_.value_column);
    column("unit_column", mapping_.unit_column);
    column("second_unit_column", mapping_.second_unit_column);
    column("site_column", mapping_.site_column);
    line("  time_form: {}", name_of(mapping_.time_form));
    if (!mapping_.time_zone.empty()) line("  time_zone: {}", yaml_scalar(mapping_.time_zone));
    if (!mapping_.time_pattern.empty()) line("  time_pattern: {}", yaml_scalar(mapping_.time_pattern));
    if (mapping_.is_relative()) {
      comment("Made up, since times count from each patient's start: when the first one begins, and how much later each further one.",
              "  ");
      line("  start: {}", format_rfc3339(plan_.start));
      line("  stagger: {}", format_duration(plan_.stagger));
    }
    if (!plan_.missing.empty()) line("  missing: {}", list_of(plan_.missing));
    write_left_out();
    write_columns();
  }

  void write_left_out() {
    if (plan_.left_out.empty()) return;
    line("  ignored:");
    for (const LeftOut& l : plan_.left_out) line("    - {}  # {}", yaml_scalar(l.name), l.why);
  }

  void write_columns() {
    line("  columns:");
    for (const Plan::PlannedVariable& v : plan_.variables) {
      if (v.to.empty()) continue;
      Flow flow;
      flow.add("to", yaml_scalar(v.to));
      if (!v.guess.marks.empty()) flow.add("missing", list_of(v.guess.marks.texts()));
      line("    {}: {}", yaml_scalar(v.column), flow.text());
    }
  }

  const Plan& plan_;
  const FileMapping& mapping_;
  const std::string source_, data_dir_;
  std::string out_;
};

}  // namespace

std::string yaml_scalar(const std::string& text) {
  static const std::set<std::string> kWords{"true", "false", "True", "False", "TRUE", "FALSE", "null", "Null", "NULL",
                                            "yes",  "no",    "Yes",  "No",    "YES",  "NO",    "on",   "off",  "On",
                                            "Off",  "ON",    "OFF",  "y",     "n",    "Y",     "N"};
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_plain = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '/' || c == '-'; };
  const bool begins = !text.empty() && (is_letter(text.front()) || (text.front() == '/' && text.size() > 1));
  if (begins && std::ranges::all_of(text, is_plain) && !kWords.contains(text)) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\t') out += "\\t";
    else if (c == '\n') out += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else out += c;
  }
  return out + "\"";
}

std::string configuration_text(const Plan& plan, const std::string& source, const std::string& data_dir) {
  return ConfigurationText(plan, source, data_dir).write();
}

}  // namespace lacuna::daemon
