#include "daemon/guessing/roles.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "daemon/guessing/column_profile.h"
#include "daemon/guessing/known_names.h"
#include "daemon/guessing/time_guess.h"
#include "streaming/files/cell_text.h"

namespace lacuna::daemon {

namespace {

using streaming::FileFormat;
using streaming::FileMapping;
using TimeForm = FileMapping::TimeForm;

// Keys of names, the surest first.
constexpr std::string_view kPatientNames =
    "patientid patient subjectid subject usubjid pid patid ptid personid person participantid participant mrn patientnumber patientnr "
    "patientennummer patientunitstayid stayid icustayid admissionid hadmid encounterid encounter fallnummer fallnr recordid id caseid";
constexpr std::string_view kRowNames = "rownames unnamed0 index rowid rownumber row";
constexpr std::string_view kTimeNames =
    "charttime time datetime timestamp observationtime measurementtime eventtime measuredat recordedat takenat zeitpunkt date chartdate "
    "visitdate "
    "datum zeit labresultoffset observationoffset nursingchartoffset offset day days hour hours minute minutes visit visitnumber wave";
constexpr std::string_view kParameterNames =
    "parameter param variable itemid item label labname test testname analyte measurement measure concept conceptid feature name code";
constexpr std::string_view kValueNames =
    "value valuenum valuenumeric valueasnumber numericvalue labresult result resultvalue reading val wert";
constexpr std::string_view kUnitNames =
    "unit units valueuom uom unitsourcevalue labmeasurenamesystem labmeasurenameinterface unitname einheit";
constexpr std::string_view kSiteNames = "site siteid hospital hospitalid center centre clinic institution klinik";

/// What the sample says of a column.
struct Column {
  std::string name;
  std::size_t at = 0;
  std::vector<std::string> cells;  // that are not empty
  std::set<std::string> distinct;
  std::size_t numbers = 0;

  bool mostly_numbers() const { return 10 * numbers >= 9 * cells.size() && !cells.empty(); }
};

class RoleGuess {
 public:
  explicit RoleGuess(const TableSample& table) : table_(table) {}

  Result<Roles> guess() {
    read_columns();
    FileMapping& mapping = roles_.mapping;
    mapping.separator = table_.separator;
    mapping.decimal = table_.decimal;
    const bool is_long = find_long();
    mapping.format = is_long ? FileFormat::long_csv : FileFormat::wide_csv;
    find_patient();
    find_time();
    find_site();
    if (const Status status = settle(); !status.ok()) return status;
    leave_out_rest();
    return std::move(roles_);
  }

 private:
  using Taken = std::set<std::size_t>;

  void read_columns() {
    std::set<std::string> names, twice;
    for (const std::string& name : table_.header) {
      if (!names.insert(name).second) twice.insert(name);
    }
    for (const std::string& name : twice) roles_.left_out.push_back({name, "the header has this name twice"});
    for (std::size_t i = 0; i < table_.header.size(); ++i) {
      if (twice.contains(table_.header[i])) continue;
      Column& column = columns_.emplace_back();
      column.name = table_.header[i];
      column.at = i;
      double value = 0;
      for (const TableSample::Row& row : table_.rows) {
        const std::string& cell = row.cells[i];
        if (cell.empty()) continue;
        column.cells.push_back(cell);
        column.distinct.insert(cell);
        column.numbers += read_number_or_limit(cell, table_.decimal, value) ? 1 : 0;
      }
    }
  }

  /// The first of the names that is there and passes.
  template <typename Passes>
  const Column* find(std::string_view names, Passes passes) const {
    while (!names.empty()) {
      const std::size_t end = std::min(names.find(' '), names.size());
      for (const Column& column : columns_) {
        if (key_of(column.name) == names.substr(0, end) && !taken_.contains(column.at) && passes(column)) return &column;
      }
      names.remove_prefix(std::min(end + 1, names.size()));
    }
    return nullptr;
  }

  void take(FileMapping::Column& role, const Column& column) {
    role = column.name;
    taken_.insert(column.at);
  }

  bool is_filled(const Column& column) const { return 100 * column.cells.size() >= 99 * table_.rows.size(); }

  /// One parameter a row, which names what its value is of.
  bool find_long() {
    constexpr std::size_t kColumnsMax = 20, kParametersMax = 4096;
    if (columns_.size() < 2 || columns_.size() > kColumnsMax) return false;
    const Column* value = find(kValueNames, [](const Column& c) { return c.mostly_numbers(); });
    if (value == nullptr) value = find(kValueNames, [](const Column& c) { return !c.cells.empty(); });
    if (value == nullptr) return false;
    taken_.insert(value->at);
    const Column* parameter = find(kParameterNames, [&](const Column& c) {
      return c.distinct.size() >= 2 && c.distinct.size() <= kParametersMax && 2 * c.distinct.size() <= c.cells.size();
    });
    if (parameter == nullptr) {
      taken_.clear();
      return false;
    }
    take(roles_.mapping.value_column, *value);
    take(roles_.mapping.parameter_column, *parameter);
    const Column* unit = find(kUnitNames, [](const Column& c) { return !c.cells.empty() && !c.mostly_numbers(); });
    if (unit != nullptr) take(roles_.mapping.unit_column, *unit);
    const Column* second = find(kUnitNames, [](const Column& c) { return !c.cells.empty() && !c.mostly_numbers(); });
    if (unit != nullptr && second != nullptr) take(roles_.mapping.second_unit_column, *second);
    roles_.told.push_back(fmt::format("A value a row: the column '{}' says what it is of, '{}' holds it.", parameter->name, value->name));
    return true;
  }

  void find_patient() {
    FileMapping& mapping = roles_.mapping;
    const auto filled = [this](const Column& c) { return is_filled(c); };
    const auto unique = [&](const Column& c) { return is_filled(c) && c.distinct.size() == table_.rows.size(); };
    // "patient: yes" or "inpatient" calls nobody.
    const bool many_rows = table_.rows.size() > 20;
    const Column* patient = find(kPatientNames, [&](const Column& c) { return filled(c) && (!many_rows || c.distinct.size() > 2); });
    const bool many_files = table_.files.size() > 1;
    if (patient == nullptr && !many_files) {
      for (const Column& column : columns_) {
        const bool is_id = key_of(column.name).ends_with("id") && 50 * column.distinct.size() >= table_.rows.size();
        if (patient == nullptr && is_id && !taken_.contains(column.at) && filled(column)) patient = &column;
      }
      if (patient != nullptr) doubt(fmt::format("the column '{}' is taken for the patients' ids", patient->name));
    }
    bool is_row = false;
    if (patient == nullptr && !many_files) {
      patient = find(kRowNames, unique);
      for (const Column& column : columns_) {
        if (patient == nullptr && column.name.empty() && unique(column)) patient = &column;
      }
      is_row = patient != nullptr;
      if (is_row) {
        const std::string name =
            patient->name.empty() ? "the column without a name (a data frame's index)" : "the column '" + patient->name + "'";
        roles_.told.push_back("Each row is a patient, called by " + name + ".");
      }
    }
    if (patient != nullptr) {
      take(mapping.patient_column, *patient);
      patient_ = patient;
      unique_ = patient->distinct.size() == patient->cells.size();
      if (!is_row) roles_.told.push_back(fmt::format("Patients are called by the column '{}'.", patient->name));
    } else if (many_files) {
      roles_.told.push_back("Each file is a patient, called by its name: no column names one.");
    }
  }

  /// Rows by their patient; positions in the sample.
  std::map<std::string, std::vector<std::size_t>> by_patient() const {
    std::map<std::string, std::vector<std::size_t>> out;
    for (std::size_t i = 0; i < table_.rows.size(); ++i) {
      const TableSample::Row& row = table_.rows[i];
      out[patient_ != nullptr ? row.cells[patient_->at] : std::to_string(row.file)].push_back(i);
    }
    return out;
  }

  /// Whether it is not the same in all rows of most patients that have several.
  bool moves(const Column& column, const std::map<std::string, std::vector<std::size_t>>& patients) const {
    std::size_t several = 0, moving = 0;
    for (const auto& [patient, rows] : patients) {
      std::set<std::string_view> texts;
      for (const std::size_t row : rows) texts.insert(table_.rows[row].cells[column.at]);
      texts.erase("");
      several += rows.size() > 1 ? 1 : 0;
      moving += texts.size() > 1 ? 1 : 0;
    }
    return several > 0 && 2 * moving > several;
  }

  void find_time() {
    const bool one_row = patient_ != nullptr && unique_;
    const auto patients = by_patient();
    std::map<std::size_t, TimeGuess> guesses;
    const auto passes = [&](const Column& column) {
      const auto guess = guess_time(column.name, column.cells, table_.decimal);
      if (!guess || !is_filled(column) || (one_row && guess->relative()) || (!one_row && !moves(column, patients))) return false;
      guesses[column.at] = *guess;
      return true;
    };
    const Column* time = find(kTimeNames, passes);
    for (const Column& column : columns_) {
      const std::string key = key_of(column.name);
      const bool looks = key.ends_with("time") || key.ends_with("date") || key.ends_with("offset") || key.ends_with("datum");
      const bool other = is_among(column.name, "futime dtime survtime") || key.find("birth") != std::string::npos ||
                         key.find("death") != std::string::npos;
      if (time == nullptr && looks && !other && !taken_.contains(column.at) && passes(column)) time = &column;
    }
    if (time == nullptr) return;
    const TimeGuess& guess = guesses.at(time->at);
    FileMapping& mapping = roles_.mapping;
    take(mapping.time_column, *time);
    mapping.time_form = guess.form;
    mapping.time_zone = guess.zone;
    mapping.time_pattern = guess.pattern;
    if (!guess.doubt.empty()) doubt(fmt::format("the time in '{}' {}", time->name, guess.doubt));
  }

  void find_site() {
    constexpr std::size_t kSitesMax = 200;
    const bool is_long = roles_.mapping.format == FileFormat::long_csv;
    const Column* site =
        find(kSiteNames, [&](const Column& c) { return is_filled(c) && c.distinct.size() > 1 && c.distinct.size() <= kSitesMax; });
    if (site == nullptr) return;
    roles_.mapping.site_column = site->name;
    // A row's site is a feature of its patient as well.
    if (is_long) taken_.insert(site->at);
  }

  /// What follows from there being no column for a patient or a time.
  Status settle() {
    FileMapping& mapping = roles_.mapping;
    const bool is_long = mapping.format == FileFormat::long_csv;
    if (patient_ == nullptr && table_.files.size() == 1 && (mapping.time_column || is_long)) {
      doubt("no column names patients: the whole file is read as one, called by its name");
    }
    if (mapping.time_column) return {};
    if (!is_long && patient_ == nullptr && table_.files.size() == 1) {
      mapping.row_is_patient = true;
      roles_.told.emplace_back("Each row is a patient, called by the file's name and its line: no column names one.");
    }
    mapping.time_form = TimeForm::none;
    const bool several = !mapping.row_is_patient && by_patient().size() < table_.rows.size() && !is_long;
    if (several) {
      doubt("patients have several rows, and no column tells their time: all rows of a patient are read as one moment");
    }
    roles_.told.emplace_back("No column tells a time: each patient is one moment.");
    return {};
  }

  void leave_out(const Column& column, std::string why) {
    roles_.left_out.push_back({column.name, std::move(why)});
    taken_.insert(column.at);
  }

  void leave_out_rest() {
    const bool is_long = roles_.mapping.format == FileFormat::long_csv;
    for (const Column& column : columns_) {
      if (taken_.contains(column.at)) continue;
      const bool unique = column.distinct.size() == table_.rows.size();
      const std::string key = key_of(column.name);
      const bool is_row = column.name.empty() || is_among(column.name, kRowNames);
      if (is_long) {
        leave_out(column, "beside the value that is read");
      } else if (unique && (is_row || numbers_rows(column))) {
        leave_out(column, "numbers the rows");
      } else if (is_among(column.name, kPatientNames) || (key.ends_with("id") && column.distinct.size() > 50)) {
        leave_out(column, "an id");
      } else if (!column.cells.empty() && !column.mostly_numbers() && guess_time(column.name, column.cells, table_.decimal)) {
        leave_out(column, "a date");
      }
    }
  }

  /// 0, 1, 2, ... from any beginning.
  bool numbers_rows(const Column& column) const {
    constexpr std::size_t kRowsMin = 20;
    if (table_.files.size() > 1 || column.cells.size() < kRowsMin || column.cells.size() != table_.rows.size()) return false;
    double before = 0, value = 0;
    for (std::size_t i = 0; i < column.cells.size(); ++i, before = value) {
      if (!streaming::read_number(column.cells[i], table_.decimal, value) || (i > 0 && value != before + 1)) return false;
    }
    return true;
  }

  void doubt(std::string text) { roles_.doubts.push_back(std::move(text)); }

  const TableSample& table_;
  std::vector<Column> columns_;
  Taken taken_;
  Roles roles_;
  const Column* patient_ = nullptr;
  bool unique_ = false;
};

}  // namespace

Result<Roles> guess_roles(const TableSample& table) { return RoleGuess(table).guess(); }

}  // namespace lacuna::daemon
