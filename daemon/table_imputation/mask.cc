#include "daemon/table_imputation/mask.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "streaming/files/cell_text.h"
#include "streaming/files/csv_reader.h"
#include "streaming/files/file_list.h"

namespace lacuna::daemon {

namespace {

using Cells = std::vector<std::string_view>;
using Outcome = streaming::CsvReader::Outcome;

bool masks(std::string_view text) {
  static const std::set<std::string_view> kNothing{"", "0", "0.0", "NA", "nan", "NaN", "false", "False", "FALSE"};
  return !kNothing.contains(streaming::trim(text));
}

Result<streaming::CsvReader> open(const std::string& path, char separator, std::vector<std::string>& header) {
  auto lines = streaming::LineReader::open(path);
  if (!lines.ok()) return lines.status();
  streaming::CsvReader reader(std::move(*lines), separator);
  Cells cells;
  if (reader.next(cells) != Outcome::row) return Status(Code::invalid, path + ": no header line that can be read");
  header.clear();
  for (const std::string_view cell : cells) header.emplace_back(streaming::trim(cell));
  return reader;
}

class MaskReader {
 public:
  MaskReader(const Schema& schema, const streaming::FileMapping& mapping, const PatientTable& table)
      : schema_(schema), mapping_(mapping), table_(table), named_(table.patients.size()) {
    for (std::size_t p = 0; p < table.patients.size(); ++p) places_.emplace(table.patients[p].id, p);
  }

  /// Beside the table's files, row by row.
  Status take_shape(streaming::CsvReader& mask, const std::vector<std::string>& header, const std::vector<std::string>& paths,
                    const std::string& name) {
    std::vector<std::optional<FeatureId>> features;
    for (const std::string& column : header) features.push_back(feature_of(column));
    Cells masked, row;
    for (const std::string& path : paths) {
      const auto files = streaming::list_files(path);
      if (!files.ok()) return files.status();
      for (const streaming::InputFile& file : *files) {
        std::vector<std::string> of_table;
        auto opened = open(file.path, mapping_.separator, of_table);
        if (!opened.ok()) return opened.status();
        const auto rows = table_.rows.find(file.path);
        while (opened->next(row) == Outcome::row) {
          if (mask.next(masked) != Outcome::row || masked.size() != header.size()) return short_of(name);
          if (rows == table_.rows.end()) continue;
          const auto at = rows->second.find(opened->line_number());
          if (at == rows->second.end()) continue;
          for (std::size_t i = 0; i < features.size(); ++i) {
            if (features[i] && masks(masked[i])) name_cell(at->second.patient, at->second.time, *features[i]);
          }
        }
      }
    }
    return mask.next(masked) == Outcome::end ? Status() : short_of(name);
  }

  /// A cell a row.
  Status take_list(streaming::CsvReader& mask, const std::vector<std::string>& header, const std::string& name) {
    const auto find = [&](const streaming::FileMapping::Column& as, const char* other) {
      auto at = as ? std::ranges::find(header, *as) : header.end();
      if (at == header.end()) at = std::ranges::find(header, other);
      return at == header.end() ? std::optional<std::size_t>() : static_cast<std::size_t>(at - header.begin());
    };
    const auto patient = find(mapping_.patient_column, "patient"), time = find(mapping_.time_column, "time"), feature = find({}, "feature");
    const bool timed = mapping_.format == streaming::FileFormat::ndjson || mapping_.time_column;
    if (!patient || !feature || (timed && !time)) {
      return {Code::invalid, name + ": neither the table's header, nor columns for patient, time and `feature`"};
    }
    Cells row;
    while (mask.next(row) == Outcome::row) {
      const std::string where = name + ":" + std::to_string(mask.line_number());
      if (row.size() != header.size()) return {Code::invalid, where + ": not as many cells as the header has"};
      const auto of = places_.find(std::string(streaming::trim(row[*patient])));
      if (of == places_.end()) return {Code::invalid, where + ": the table has no such patient"};
      const auto moment =
          timed ? time_of(of->second, streaming::trim(row[*time])) : std::optional(table_.patients[of->second].moments.front());
      if (!moment) return {Code::invalid, where + ": the patient has no row of that time"};
      const auto which = feature_of(streaming::trim(row[*feature]));
      if (!which) return {Code::invalid, where + ": no feature, column or parameter of that name"};
      name_cell(of->second, *moment, *which);
    }
    return {};
  }

  /// What was named and measured.
  Mask finish() {
    Mask out{HeldOutCells(table_.patients.size())};
    for (std::size_t p = 0; p < named_.size(); ++p) {
      if (named_[p].empty()) continue;
      std::set<CellPlace> measured;
      follow_course(schema_, table_.patients[p], {}, false, [&](const CourseMoment& moment) {
        for (const FeatureValue& v : moment.measured) measured.insert({moment.number, v.feature});
      });
      for (const CellPlace& cell : named_[p]) {
        if (measured.contains(cell)) out.cells[p].push_back(cell);
        else ++out.unmeasured;
      }
    }
    return out;
  }

 private:
  static Status short_of(const std::string& name) { return {Code::invalid, name + ": not the rows of the table"}; }

  std::optional<FeatureId> feature_of(std::string_view name) const {
    std::string qualified(name);
    const auto column = mapping_.columns.find(qualified);
    if (column != mapping_.columns.end()) {
      if (column->second.modality.empty()) return std::nullopt;
      qualified = column->second.modality + "." + column->second.feature;
    }
    const auto dot = qualified.find('.');
    if (dot == std::string::npos) return std::nullopt;
    const ModalityId modality = schema_.find_modality(qualified.substr(0, dot));
    return modality == kNoModality ? std::nullopt : schema_.find_feature(modality, qualified.substr(dot + 1));
  }

  std::optional<Time> time_of(std::size_t patient, std::string_view text) const {
    const TablePatient& of = table_.patients[patient];
    const auto written = std::ranges::find_if(of.time_texts, [&](const auto& t) { return t.second == text; });
    if (written != of.time_texts.end()) return written->first;
    const auto time = parse_rfc3339(text);
    return time && std::ranges::binary_search(of.moments, *time) ? time : std::nullopt;
  }

  void name_cell(std::size_t patient, Time time, FeatureId feature) {
    const std::vector<Time>& moments = table_.patients[patient].moments;
    named_[patient].insert({static_cast<std::size_t>(std::ranges::lower_bound(moments, time) - moments.begin()), feature});
  }

  const Schema& schema_;
  const streaming::FileMapping& mapping_;
  const PatientTable& table_;
  std::map<std::string, std::size_t> places_;
  std::vector<std::set<CellPlace>> named_;  ///< by patient
};

/// Whether the mask has the header of the table's first file.
bool has_shape(const std::vector<std::string>& header, const std::vector<std::string>& paths, const streaming::FileMapping& mapping) {
  if (mapping.format != streaming::FileFormat::wide_csv || paths.empty()) return false;
  const auto files = streaming::list_files(paths.front());
  std::vector<std::string> of_table;
  return files.ok() && !files->empty() && open(files->front().path, mapping.separator, of_table).ok() && of_table == header;
}

}  // namespace

Result<Mask> read_mask(const Schema& schema, const streaming::FileMapping& mapping, const std::vector<std::string>& paths,
                       const PatientTable& table, const std::string& path) {
  std::vector<std::string> header;
  auto mask = open(path, mapping.separator, header);
  if (!mask.ok()) return mask.status();
  MaskReader reader(schema, mapping, table);
  const Status taken =
      has_shape(header, paths, mapping) ? reader.take_shape(*mask, header, paths, path) : reader.take_list(*mask, header, path);
  if (!taken.ok()) return taken;
  return reader.finish();
}

PatientTable without(PatientTable table, const HeldOutCells& cells) {
  for (std::size_t p = 0; p < table.patients.size(); ++p) {
    TablePatient& patient = table.patients[p];
    for (Event& event : patient.events) {
      const auto moment = static_cast<std::size_t>(std::ranges::lower_bound(patient.moments, event.time) - patient.moments.begin());
      std::erase_if(event.values, [&](const FeatureValue& v) {
        return std::ranges::binary_search(cells[p], CellPlace{moment, v.feature});
      });
    }
  }
  return table;
}

}  // namespace lacuna::daemon
