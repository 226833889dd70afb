#include "daemon/commands/course_plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "daemon/commands/checked_output.h"
#include "daemon/plots/course_plot.h"
#include "daemon/table_imputation/cell_format.h"
#include "state/records/person_key.h"
#include "streaming/files/cell_text.h"

namespace lacuna::daemon {

namespace {

using TimeForm = streaming::FileMapping::TimeForm;

/// Values of a feature that are looked at for where most of them lie; as many at least.
constexpr std::size_t kUsualMax = 20'000, kUsualMin = 20;
constexpr double kUsualShare = 0.9;

std::string day_and_minute(Time time) {
  std::string out = format_rfc3339(time).substr(0, 16);
  out[10] = ' ';
  return out;
}

/// Where the middle of the table's values of each feature lies; empty of classes, and of what was hardly measured.
std::vector<std::optional<std::pair<double, double>>> usual_ranges(const Schema& schema, const PatientTable& table,
                                                                   std::vector<bool>& measured) {
  std::vector<std::vector<double>> values(schema.feature_count());
  std::vector<std::size_t> seen(schema.feature_count());
  const std::size_t step = std::max<std::size_t>(1, table.report.values / kUsualMax);  // of any feature some, of most about kUsualMax
  for (const TablePatient& patient : table.patients) {
    for (const Event& event : patient.events) {
      for (const FeatureValue& v : event.values) {
        measured[v.feature] = true;
        if (!is_censored(v.comparator) && (seen[v.feature]++ % step == 0 || values[v.feature].size() < kUsualMin))
          values[v.feature].push_back(v.value);
      }
    }
  }
  std::vector<std::optional<std::pair<double, double>>> out(values.size());
  for (FeatureId f = 0; f < values.size(); ++f) {
    if (values[f].size() < kUsualMin || is_discrete(schema.features()[f].likelihood)) continue;
    std::ranges::sort(values[f]);
    const auto at = [&](double share) { return values[f][static_cast<std::size_t>(share * static_cast<double>(values[f].size() - 1))]; };
    out[f] = {at((1 - kUsualShare) / 2), at((1 + kUsualShare) / 2)};
  }
  return out;
}

std::vector<std::string> class_names(const Feature& feature) {
  if (has_categories(feature.likelihood)) return feature.categories;
  return feature.likelihood == Likelihood::bernoulli ? std::vector<std::string>{"no", "yes"} : std::vector<std::string>();
}

CourseCell::Kind kind_of(const ImputedCell& cell) {
  switch (cell.reason) {
    case CellReason::never_measured: return CourseCell::Kind::never_measured;
    case CellReason::stale: return CourseCell::Kind::stale;
    case CellReason::measured_before: return CourseCell::Kind::measured_before;
    default: break;
  }
  if (!is_censored(cell.comparator)) return CourseCell::Kind::measured;
  return is_below(cell.comparator) ? CourseCell::Kind::limit_below : CourseCell::Kind::limit_above;
}

/// From a table's imputations to pictures.
class Courses {
 public:
  explicit Courses(const CoursesWanted& what) : what_(what), schema_(*what.config.schema), measured_(schema_.feature_count()) {
    usual_ = usual_ranges(schema_, what.table, measured_);
    for (const Feature& f : schema_.features()) formats_.emplace_back(f, ',');
    for (FeatureId f = 0; f < schema_.feature_count(); ++f) names_.push_back(schema_.qualified_name(f));
    if (what.form != TableForm::wide) return;
    for (const auto& [column, target] : what.mapping.columns) {
      const ModalityId modality = target.modality.empty() ? kNoModality : schema_.find_modality(target.modality);
      const auto feature = modality == kNoModality ? std::nullopt : schema_.find_feature(modality, target.feature);
      if (!feature) continue;
      const auto format = CellFormat::make(schema_.features()[*feature], what.mapping, target);
      if (format.ok()) columns_.emplace(*feature, *format);
      if (format.ok()) names_[*feature] = column;
    }
  }

  /// Of one patient; empty unless something was measured and something is imputed, or `wanted`.
  Result<std::optional<Course>> of(std::size_t patient, bool wanted) const {
    const std::vector<Time>& moments = what_.table.patients[patient].moments;
    std::vector<MomentPlace> places;
    for (std::size_t m = 0; m < std::min(moments.size(), kMomentsDrawn); ++m) places.push_back({patient, m});
    const auto imputed = what_.imputer.impute(places);
    if (!imputed.ok()) return imputed.status();
    bool any_measured = false, any_imputed = false;
    for (const ImputedMoment& moment : *imputed) {
      for (const ImputedCell& cell : moment.cells) {
        any_measured |= cell.reason == CellReason::observed;
        any_imputed |= measured_[cell.feature] && cell.imputed();
      }
    }
    if (!wanted && !(any_measured && any_imputed)) return std::optional<Course>();
    return std::optional(draw(patient, *imputed));
  }

 private:
  Course draw(std::size_t patient, const std::vector<ImputedMoment>& moments) const {
    const TablePatient& of = what_.table.patients[patient];
    const Person person = split_person_key(of.id);
    Course out{fmt::format("Patient {}{}: measured and imputed", person.id,
                           person.name_space.empty() ? "" : fmt::format(" of {}", person.name_space)),
               {},
               zero_of(of),
               {}};
    std::vector<CoursePanel> panels(schema_.feature_count());
    for (const ImputedMoment& moment : moments) {
      for (const ImputedCell& cell : moment.cells) {
        if (cell.reason != CellReason::warming_up) panels[cell.feature].cells.push_back(drawn(cell, moment.time, of));
      }
    }
    for (FeatureId f = 0; f < panels.size(); ++f) {
      if (!measured_[f] || panels[f].cells.empty()) continue;
      panels[f].name = names_[f];
      panels[f].classes = class_names(schema_.features()[f]);
      panels[f].unit = format(f).unit();
      if (usual_[f]) panels[f].usual = {format(f).to_column(usual_[f]->first), format(f).to_column(usual_[f]->second)};
      out.panels.push_back(std::move(panels[f]));
    }
    const std::size_t all = out.panels.size();
    keep_fullest(out.panels);
    if (schema_.modality_count() > 1) out.panels.push_back(known(moments, of));
    out.notes = notes(of, moments.size(), all);
    return out;
  }

  const CellFormat& format(FeatureId f) const {
    const auto column = columns_.find(f);
    return column == columns_.end() ? formats_[f] : column->second;
  }

  CourseCell drawn(const ImputedCell& cell, Time time, const TablePatient& of) const {
    const Feature& feature = schema_.features()[cell.feature];
    const bool classes = is_discrete(feature.likelihood), measured = cell.reason == CellReason::observed;
    const auto as_shown = [&](double natural) { return classes ? natural : format(cell.feature).to_column(natural); };
    CourseCell out{time, kind_of(cell), as_shown(measured ? cell.value : cell.median), as_shown(cell.low), as_shown(cell.high), {}, {}};
    if (!measured && classes) out.shares.assign(cell.probabilities.begin(), cell.probabilities.end());
    const std::string unit = format(cell.feature).unit().empty() ? "" : " " + format(cell.feature).unit();
    const std::string when = moment_name(time, of);
    if (classes) {
      const std::vector<std::string> names = class_names(feature);
      out.tip = when + ": " + (measured ? names[static_cast<std::size_t>(cell.value)] : std::string(to_string(cell.reason)));
      for (std::size_t i = 0; i < out.shares.size(); ++i) out.tip += fmt::format(", {} {:.0f} %", names[i], 100 * out.shares[i]);
    } else if (measured) {
      out.tip = fmt::format("{}: {}{:.5g}{}", when, is_censored(cell.comparator) ? to_string(cell.comparator) : "", out.value, unit);
    } else {
      out.tip = fmt::format("{}: {:.4g}{}, {:.4g} to {:.4g}, {}", when, out.value, unit, out.low, out.high, to_string(cell.reason));
    }
    return out;
  }

  /// As the table tells it, where that is no date.
  std::string moment_name(Time time, const TablePatient& of) const {
    if (const auto text = of.time_texts.find(time); text != of.time_texts.end() && what_.mapping.is_relative())
      return what_.mapping.time_column.value_or("") + " " + text->second;
    return of.moments.size() > 1 ? day_and_minute(time) : "this row";
  }

  /// Of times that count from a start: that.
  std::optional<Time> zero_of(const TablePatient& of) const {
    if (!what_.mapping.is_relative() || of.time_texts.empty()) return std::nullopt;
    const auto& [time, text] = *of.time_texts.begin();
    const std::map<TimeForm, double> units{{TimeForm::minutes, 60'000.0}, {TimeForm::hours, 3'600'000.0}, {TimeForm::days, 86'400'000.0}};
    const auto unit = units.find(what_.mapping.time_form);
    double number = 0;
    if (unit == units.end() || !streaming::read_number(text, what_.mapping.decimal, number)) return of.moments.front();
    return time - Millis(static_cast<std::int64_t>(number * unit->second));
  }

  /// Which modalities were known of, moment by moment: what the imputations are based on.
  CoursePanel known(const std::vector<ImputedMoment>& moments, const TablePatient& of) const {
    CoursePanel out{"known then", {}, {}, {}, {}};
    for (const Modality& m : schema_.modalities()) out.classes.push_back(m.name);
    for (const ImputedMoment& moment : moments) {
      for (const ModalityId m : moment.based_on) {
        out.cells.push_back({moment.time, CourseCell::Kind::measured, static_cast<double>(m), 0, 0, {}, moment_name(moment.time, of)});
      }
    }
    return out;
  }

  static void keep_fullest(std::vector<CoursePanel>& panels) {
    if (panels.size() <= kPanelsDrawn) return;
    const auto measured = [](const CoursePanel& p) {
      return std::ranges::count_if(p.cells, [](const CourseCell& c) { return c.kind <= CourseCell::Kind::limit_above; });
    };
    std::ranges::stable_sort(panels, std::ranges::greater(), measured);
    panels.resize(kPanelsDrawn);
  }

  std::vector<std::string> notes(const TablePatient& of, std::size_t moments, std::size_t panels) const {
    std::vector<std::string> out;
    if (of.moments.size() > 1) {
      out.push_back(fmt::format("{} moments, {} to {}{}.", of.moments.size(), moment_name(of.moments.front(), of),
                                moment_name(of.moments.back(), of), what_.mapping.is_relative() ? "" : " (UTC)"));
      if (moments < of.moments.size()) out.back() += fmt::format(" The first {} are drawn.", moments);
    }
    if (panels > kPanelsDrawn) out.push_back(fmt::format("{} of {} features are drawn: those measured most often.", kPanelsDrawn, panels));
    out.push_back(
        fmt::format("Bars and bands: of 100 such values {:.4g} lie inside. Of classes: the larger and darker, the likelier. Grey: where "
                    "{:.0f} % of the table's values lie.",
                    100 * what_.config.predict.level, 100 * kUsualShare));
    return out;
  }

  const CoursesWanted& what_;
  const Schema& schema_;
  std::vector<bool> measured_;  ///< by FeatureId: in any patient
  std::vector<std::optional<std::pair<double, double>>> usual_;
  std::vector<CellFormat> formats_;
  std::map<FeatureId, CellFormat> columns_;
  std::vector<std::string> names_;
};

/// Of an earlier run: patient-7.svg may be somebody else's now.
void remove_courses(const std::string& folder) {
  constexpr std::string_view kBegin = "patient-", kEnd = ".svg";
  std::error_code ignored;
  std::vector<std::filesystem::path> old;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kBegin) || !name.ends_with(kEnd) || name.size() <= kBegin.size() + kEnd.size()) continue;
    const std::string_view number = std::string_view(name).substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size());
    if (number.find_first_not_of("0123456789") == std::string_view::npos) old.push_back(entry.path());
  }
  for (const std::filesystem::path& path : old) std::filesystem::remove(path, ignored);
}

}  // namespace

Result<std::vector<std::size_t>> find_patients(const PatientTable& table, const std::vector<std::string>& ids) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto found =
        std::ranges::find_if(table.patients, [&](const TablePatient& p) { return p.id == ids[i] || split_person_key(p.id).id == ids[i]; });
    if (found == table.patients.end())
      return Status(Code::invalid, fmt::format("--plot-patient: the table has no such patient ({} of {})", i + 1, ids.size()));
    out.push_back(static_cast<std::size_t>(found - table.patients.begin()));
  }
  return out;
}

Result<std::vector<std::size_t>> write_courses(const CoursesWanted& what, std::vector<std::size_t> patients, const std::string& folder) {
  remove_courses(folder);
  const Courses courses(what);
  const bool named = !patients.empty();
  const bool several = std::ranges::any_of(what.table.patients, [](const TablePatient& p) { return p.moments.size() > 1; });
  for (std::size_t p = 0; !named && p < what.table.patients.size(); ++p) {
    if (!several || what.table.patients[p].moments.size() > 1) patients.push_back(p);
  }
  std::vector<std::size_t> drawn;
  for (const std::size_t p : patients) {
    if (!named && drawn.size() == kCoursesDrawn) break;
    const auto course = courses.of(p, named);
    if (!course.ok()) return course.status();
    if (!*course) continue;
    LACUNA_RETURN_IF_ERROR(write_file(fmt::format("{}/patient-{}.svg", folder, p + 1), course_plot(**course)));
    drawn.push_back(p);
  }
  return drawn;
}

}  // namespace lacuna::daemon
