#include "daemon/table_imputation/wide_rows.h"

#include <algorithm>
#include <optional>
#include <ostream>
#include <set>
#include <utility>

#include "daemon/table_imputation/cell_format.h"
#include "streaming/files/cell_text.h"
#include "streaming/files/csv_reader.h"
#include "streaming/files/file_list.h"

namespace lacuna::daemon {

namespace {

constexpr std::size_t kRowsAtOnce = 4096;

/// What is added beside the column of a feature.
std::vector<std::string> added_names(const std::string& column, const Feature& feature) {
  if (feature.likelihood == Likelihood::categorical) return {column + "_likeliest", column + "_probability", column + "_reason"};
  if (feature.likelihood == Likelihood::ordinal) return {column + "_median", column + "_low", column + "_high", column + "_reason"};
  return {column + "_median", column + "_mean", column + "_low", column + "_high", column + "_reason"};
}

class WideRows {
 public:
  WideRows(const TableOutput& what, std::ostream& out, const std::function<void(std::uint64_t, std::uint64_t)>& progress,
           OutputCounts& counts)
      : what_(what), out_(out), progress_(progress), counts_(counts) {
    for (std::size_t p = 0; p < what.table.patients.size(); ++p) all_ += what.table.patients[p].moments.size();
  }

  Status write() {
    for (const std::string& path : what_.paths) {
      const auto files = streaming::list_files(path);
      if (!files.ok()) return files.status();
      for (const streaming::InputFile& file : *files) LACUNA_RETURN_IF_ERROR(write_file(file.path));
    }
    return {};
  }

 private:
  struct Column {
    std::optional<CellFormat> format;  ///< of a feature's
  };
  struct Row {
    std::vector<std::string> cells;
    std::optional<std::size_t> place;  ///< in what is asked
  };

  Status write_file(const std::string& path) {
    auto lines = streaming::LineReader::open(path);
    if (!lines.ok()) return lines.status();
    streaming::CsvReader reader(std::move(*lines), what_.mapping.separator);
    std::vector<std::string_view> cells;
    if (reader.next(cells) != streaming::CsvReader::Outcome::row) return {Code::invalid, path + ": no header line that can be read"};
    LACUNA_RETURN_IF_ERROR(read_header({cells.begin(), cells.end()}, path));
    const auto rows = what_.table.rows.find(path);
    std::vector<Row> some;
    std::vector<MomentPlace> asked;
    for (;;) {
      const streaming::CsvReader::Outcome outcome = reader.next(cells);
      if (outcome == streaming::CsvReader::Outcome::failed) return {Code::internal, "cannot read " + path + ": " + reader.problem()};
      if (outcome == streaming::CsvReader::Outcome::end) return write_rows(some, asked);
      if (outcome == streaming::CsvReader::Outcome::malformed || !streaming::is_whole_row(cells, names_.size())) {
        counts_.broken += 1;
        continue;
      }
      cells.resize(names_.size());
      if (std::ranges::equal(cells, names_, {}, streaming::trim)) continue;  // the header again
      Row row{{cells.begin(), cells.end()}, std::nullopt};
      if (rows != what_.table.rows.end()) {
        if (const auto at = rows->second.find(reader.line_number()); at != rows->second.end()) {
          const std::vector<Time>& moments = what_.table.patients[at->second.patient].moments;
          row.place = asked.size();
          asked.push_back(
              {at->second.patient, static_cast<std::size_t>(std::ranges::lower_bound(moments, at->second.time) - moments.begin())});
        }
      }
      counts_.unplaced += row.place ? 0 : 1;
      some.push_back(std::move(row));
      if (some.size() >= kRowsAtOnce) LACUNA_RETURN_IF_ERROR(write_rows(some, asked));
    }
  }

  Status read_header(std::vector<std::string> names, const std::string& path) {
    for (std::string& name : names) name = streaming::trim(name);
    if (!names_.empty()) {
      if (names == names_) return {};
      return {Code::invalid, path + ": another header than the file before: impute each by itself, or all with --long"};
    }
    names_ = names;
    columns_.resize(names.size());
    std::set<std::string> there(names.begin(), names.end()), seen;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto target = what_.mapping.columns.find(names[i]);
      if (!seen.insert(names[i]).second || target == what_.mapping.columns.end() || target->second.modality.empty()) continue;
      const ModalityId modality = what_.schema.find_modality(target->second.modality);
      const auto feature = modality == kNoModality ? std::nullopt : what_.schema.find_feature(modality, target->second.feature);
      if (!feature) return {Code::invalid, "the schema has no feature '" + target->second.modality + "." + target->second.feature + "'"};
      const auto format = CellFormat::make(what_.schema.features()[*feature], what_.mapping, target->second);
      if (!format.ok()) return {Code::invalid, "column '" + names[i] + "': " + format.status().message()};
      columns_[i].format.emplace(*format);
      features_.push_back(*feature);
      for (const std::string& added : added_names(names[i], what_.schema.features()[*feature])) {
        if (what_.draws == 0 && there.contains(added)) return {Code::invalid, path + ": has a column '" + added + "' already: use --long"};
      }
    }
    write_header();
    return {};
  }

  void write_header() {
    const char separator = what_.mapping.separator;
    if (what_.draws > 0) out_ << "draw" << separator;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (i > 0) out_ << separator;
      out_ << csv_cell(names_[i], separator);
      if (!columns_[i].format || what_.draws > 0) continue;
      for (const std::string& added : added_names(names_[i], columns_[i].format->feature()))
        out_ << separator << csv_cell(added, separator);
    }
    out_ << separator << (what_.draws > 0 ? "drawn" : "based_on") << "\n";
  }

  Status write_rows(std::vector<Row>& rows, std::vector<MomentPlace>& asked) {
    const auto moments = what_.imputer.impute(asked);
    if (!moments.ok()) return moments.status();
    for (const Row& row : rows) {
      const ImputedMoment* moment = row.place ? &(*moments)[*row.place] : nullptr;
      if (moment != nullptr) count(*moment);
      counts_.rows += 1;
      if (what_.draws == 0) write_imputed(row, moment);
      for (std::size_t draw = 0; draw < what_.draws; ++draw) write_copy(row, moment, draw);
    }
    rows.clear();
    asked.clear();
    progress_(counts_.rows, std::max(all_, counts_.rows));
    return out_ ? Status() : Status(Code::unavailable, "cannot be written");
  }

  void count(const ImputedMoment& moment) {
    for (const FeatureId f : features_) {
      counts_.gaps[f] += moment.cells[f].reason != CellReason::observed ? 1 : 0;
      counts_.imputed[f] += moment.cells[f].imputed() ? 1 : 0;
    }
  }

  void write_imputed(const Row& row, const ImputedMoment* moment) {
    const char separator = what_.mapping.separator;
    for (std::size_t i = 0, feature = 0; i < row.cells.size(); ++i) {
      if (i > 0) out_ << separator;
      out_ << csv_cell(row.cells[i], separator);
      if (!columns_[i].format) continue;
      const ImputedCell* cell = moment == nullptr ? nullptr : &moment->cells[features_[feature]];
      ++feature;
      write_beside(*columns_[i].format, cell);
    }
    std::string based_on;
    for (const ModalityId m : moment == nullptr ? std::vector<ModalityId>() : moment->based_on) {
      based_on += (based_on.empty() ? "" : " ") + what_.schema.modalities()[m].name;
    }
    out_ << separator << based_on << "\n";
  }

  void write_beside(const CellFormat& format, const ImputedCell* cell) {
    const char separator = what_.mapping.separator;
    const Likelihood likelihood = format.feature().likelihood;
    const bool imputed = cell != nullptr && cell->imputed();
    const auto put = [&](const std::string& text) { out_ << separator << text; };
    if (likelihood == Likelihood::categorical) {
      const auto likeliest = imputed ? std::ranges::max_element(cell->probabilities) : std::vector<float>::const_iterator();
      put(imputed ? format.value(static_cast<double>(likeliest - cell->probabilities.begin())) : "");
      put(imputed ? format.probability(static_cast<double>(*likeliest)) : "");
    } else {
      put(imputed ? format.value(cell->median) : "");
      if (likelihood != Likelihood::ordinal) put(imputed ? format.mean(cell->mean) : "");
      put(imputed ? format.value(cell->low) : "");
      put(imputed ? format.value(cell->high) : "");
    }
    put(cell != nullptr ? std::string(to_string(cell->reason)) : "");
  }

  void write_copy(const Row& row, const ImputedMoment* moment, std::size_t draw) {
    const char separator = what_.mapping.separator;
    out_ << draw + 1;
    std::string drawn;
    for (std::size_t i = 0, feature = 0; i < row.cells.size(); ++i) {
      out_ << separator;
      const ImputedCell* cell = moment == nullptr || !columns_[i].format ? nullptr : &moment->cells[features_[feature]];
      feature += columns_[i].format ? 1 : 0;
      if (cell == nullptr || !cell->imputed()) {
        out_ << csv_cell(row.cells[i], separator);
        continue;
      }
      out_ << columns_[i].format->value(cell->draws[draw]);
      drawn += (drawn.empty() ? "" : " ") + names_[i];
    }
    out_ << separator << csv_cell(drawn, separator) << "\n";
  }

  const TableOutput& what_;
  std::ostream& out_;
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;
  OutputCounts& counts_;
  std::uint64_t all_ = 0;
  std::vector<std::string> names_;
  std::vector<Column> columns_;
  std::vector<FeatureId> features_;  ///< of the columns that have a format, in their order
};

}  // namespace

Status write_wide_rows(const TableOutput& what, std::ostream& out, const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                       OutputCounts& counts) {
  return WideRows(what, out, progress, counts).write();
}

}  // namespace lacuna::daemon
