#include "daemon/table_imputation/table_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "daemon/table_imputation/cell_format.h"
#include "daemon/table_imputation/wide_rows.h"
#include "state/records/person_key.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMomentsAtOnce = 2048;

double rounded(double value) { return std::stod(fmt::format("{:.6g}", value)); }

Json value_json(const Feature& feature, double value) {
  if (has_categories(feature.likelihood)) return feature.categories.at(static_cast<std::size_t>(value));
  if (feature.likelihood == Likelihood::bernoulli) return value != 0;
  return rounded(value);
}

/// As in events: a limit is told with its comparator.
Json observed_json(const Feature& feature, const ImputedCell& cell) {
  Json value = value_json(feature, cell.value);
  if (!is_censored(cell.comparator)) return value;
  return {{"value", std::move(value)}, {"comparator", to_string(cell.comparator)}};
}

Json imputed_json(const Feature& feature, const ImputedCell& cell, double level) {
  Json out = Json::object();
  if (cell.imputed()) {
    if (!has_categories(feature.likelihood)) out["mean"] = rounded(cell.mean);
    if (feature.likelihood != Likelihood::categorical) {
      out["median"] = value_json(feature, cell.median);
      out["interval"] = {value_json(feature, cell.low), value_json(feature, cell.high)};
      out["level"] = level;
    }
    for (std::size_t c = 0; has_categories(feature.likelihood) && c < cell.probabilities.size(); ++c) {
      out["probabilities"][feature.categories[c]] = rounded(static_cast<double>(cell.probabilities[c]));
    }
    if (!feature.unit.empty()) out["unit"] = feature.unit;
  }
  out["reason"] = to_string(cell.reason);
  return out;
}

/// All moments of a table, one patient after the other.
class Moments {
 public:
  Moments(const TableOutput& what, std::ostream& out, OutputCounts& counts) : what_(what), out_(out), counts_(counts) {
    for (const Feature& f : what.schema.features()) formats_.emplace_back(f, ',');
  }

  void write_header() {
    if (what_.form == TableForm::ndjson) return;
    out_ << (what_.draws > 0 ? "draw,patient,time,feature,unit,value,reason\n"
                             : "patient,time,feature,unit,value,median,mean,low,high,likeliest,probability,reason\n");
  }

  void write(const ImputedMoment& moment) {
    counts_.rows += 1;
    for (const ImputedCell& cell : moment.cells) {
      counts_.gaps[cell.feature] += cell.reason != CellReason::observed ? 1 : 0;
      counts_.imputed[cell.feature] += cell.imputed() ? 1 : 0;
    }
    if (what_.form == TableForm::ndjson) {
      if (what_.draws == 0) out_ << line(moment, std::nullopt) << '\n';
      for (std::size_t draw = 0; draw < what_.draws; ++draw) out_ << line(moment, draw) << '\n';
      return;
    }
    const std::string about = csv_cell(what_.table.patients[moment.patient].id, ',') + ',' + csv_cell(time_of(moment), ',') + ',';
    if (what_.draws == 0) {
      for (const ImputedCell& cell : moment.cells) out_ << about << row(cell) << '\n';
    }
    for (std::size_t draw = 0; draw < what_.draws; ++draw) {
      for (const ImputedCell& cell : moment.cells) out_ << draw + 1 << ',' << about << row(cell, draw) << '\n';
    }
  }

 private:
  /// As the files have it. Where they have none it was made up.
  std::string time_of(const ImputedMoment& moment) const {
    const auto& texts = what_.table.patients[moment.patient].time_texts;
    if (const auto at = texts.find(moment.time); at != texts.end()) return at->second;
    return what_.mapping.format != streaming::FileFormat::ndjson && !what_.mapping.time_column ? "" : format_rfc3339(moment.time);
  }

  std::string named(const ImputedCell& cell) const {
    return what_.schema.qualified_name(cell.feature) + ',' + csv_cell(what_.schema.features()[cell.feature].unit, ',') + ',';
  }

  std::string observed(const ImputedCell& cell) const {
    return std::string(to_string(cell.comparator)) + formats_[cell.feature].value(cell.value);
  }

  std::string row(const ImputedCell& cell) const {
    const CellFormat& format = formats_[cell.feature];
    const Likelihood likelihood = format.feature().likelihood;
    const std::string reason(to_string(cell.reason));
    if (cell.reason == CellReason::observed) return named(cell) + observed(cell) + ",,,,,,," + reason;
    if (!cell.imputed()) return named(cell) + ",,,,,,," + reason;
    std::string likeliest, probability, middle = ",,,,";
    if (has_categories(likelihood)) {
      const auto at = std::ranges::max_element(cell.probabilities);
      likeliest = format.value(static_cast<double>(at - cell.probabilities.begin()));
      probability = format.probability(static_cast<double>(*at));
    }
    if (likelihood != Likelihood::categorical) {
      const std::string mean = likelihood == Likelihood::ordinal ? "" : format.mean(cell.mean);
      middle = format.value(cell.median) + ',' + mean + ',' + format.value(cell.low) + ',' + format.value(cell.high) + ',';
    }
    return named(cell) + ',' + middle + likeliest + ',' + probability + ',' + reason;
  }

  std::string row(const ImputedCell& cell, std::size_t draw) const {
    const CellFormat& format = formats_[cell.feature];
    const std::string value = cell.reason == CellReason::observed ? observed(cell) : cell.imputed() ? format.value(cell.draws[draw]) : "";
    return named(cell) + value + ',' + std::string(to_string(cell.reason));
  }

  std::string line(const ImputedMoment& moment, std::optional<std::size_t> draw) const {
    Json out{{"schema_version", 1}};
    if (draw) out["draw"] = *draw + 1;
    const Person person = split_person_key(what_.table.patients[moment.patient].id);
    out["patient_id"] = person.id;
    if (!person.name_space.empty()) out["namespace"] = person.name_space;
    out["time"] = format_rfc3339(moment.time);
    out["model_version"] = what_.model_version;
    out["imputed"] = true;
    out["based_on"] = Json::array();
    for (const ModalityId m : moment.based_on) out["based_on"].push_back(what_.schema.modalities()[m].name);
    Json observed = Json::object(), values = Json::object();
    for (const ImputedCell& cell : moment.cells) {
      const Feature& feature = what_.schema.features()[cell.feature];
      const std::string& modality = what_.schema.modality_of(cell.feature).name;
      if (cell.reason == CellReason::observed) observed[modality][feature.name] = observed_json(feature, cell);
      else if (!draw) values[modality][feature.name] = imputed_json(feature, cell, what_.level);
      else if (cell.imputed()) values[modality][feature.name] = value_json(feature, cell.draws[*draw]);
    }
    out["observed"] = std::move(observed);
    out["values"] = std::move(values);
    return out.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  const TableOutput& what_;
  std::ostream& out_;
  OutputCounts& counts_;
  std::vector<CellFormat> formats_;
};

}  // namespace

Status write_table(const TableOutput& what, std::ostream& out, const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                   OutputCounts& counts) {
  counts.gaps.assign(what.schema.feature_count(), 0);
  counts.imputed.assign(what.schema.feature_count(), 0);
  if (what.form == TableForm::wide) return write_wide_rows(what, out, progress, counts);
  std::uint64_t all = 0;
  for (const TablePatient& patient : what.table.patients) all += patient.moments.size();
  Moments moments(what, out, counts);
  moments.write_header();
  std::vector<MomentPlace> asked;
  const auto flush = [&]() -> Status {
    const auto imputed = what.imputer.impute(asked);
    if (!imputed.ok()) return imputed.status();
    for (const ImputedMoment& moment : *imputed) moments.write(moment);
    asked.clear();
    progress(counts.rows, all);
    return out ? Status() : Status(Code::unavailable, "cannot be written");
  };
  for (std::size_t p = 0; p < what.table.patients.size(); ++p) {
    for (std::size_t m = 0; m < what.table.patients[p].moments.size(); ++m) asked.push_back({p, m});
    if (asked.size() >= kMomentsAtOnce) LACUNA_RETURN_IF_ERROR(flush());
  }
  return flush();
}

}  // namespace lacuna::daemon
