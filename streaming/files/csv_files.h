#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "streaming/files/cell_values.h"
#include "streaming/files/csv_events.h"
#include "streaming/files/csv_reader.h"
#include "streaming/files/input_files.h"
#include "streaming/files/time_reader.h"
#include "streaming/messages/schema_index.h"

// Long and wide CSV, one patient in memory at a time. Private to streaming/.

namespace lacuna::streaming {

/// Reads files one after the other and hands each patient over when its rows end. One object per call of read_patients.
class CsvPatients {
 public:
  using Sink = std::function<Status(std::vector<Event>)>;
  CsvPatients(const Schema& schema, const FileMapping& mapping, std::size_t limit_patients, const Sink& sink, FileReport& report,
              const RowSink& rows = {});

  /// What of the mapping cannot be used with this schema; `invalid` names all of it.
  Status check() const;
  /// `name`: of the file, without its folders. `progress` gets the bytes read of this file.
  Status read_file(const std::string& path, const std::string& name, const std::string& patient_of_file,
                   const std::function<void(std::uint64_t)>& progress);
  /// The same of rows that come from elsewhere, a header first; `path` is for messages.
  Status read_rows(CsvReader reader, const std::string& path, const std::string& name, const std::string& patient_of_file,
                   const std::function<void(std::uint64_t)>& progress);
  /// Hands over the last patient.
  Status finish();
  /// True once `limit_patients` were handed over; reading on gives nothing.
  bool done() const { return limit_ > 0 && patients_ >= limit_ && !open_; }

 private:
  /// Where a column or parameter goes.
  struct Route {
    std::string_view name;
    const ColumnTarget* column = nullptr;
    const SchemaField* target = nullptr;
    bool is_attribute = false;
    std::uint32_t index = 0;  // of the feature or attribute
    std::size_t number = 0;   // in told_
  };
  struct Columns {  // positions in the header; -1: the file has none
    int patient = -1, time = -1, parameter = -1, value = -1, unit = -1, second_unit = -1, comparator = -1, site = -1, result = -1,
        revision = -1;
    bool is_one(int column) const;
    std::vector<const Route*> routes;  // wide_csv: of each column; null where nothing is taken
    std::vector<std::string> names;
    std::vector<std::size_t> first;   // of those that bear the same name
    std::vector<std::size_t> unused;  // long_csv: nothing is said of them
  };

  Status read_header(CsvReader& reader, Columns& columns);
  Status find_columns(const std::vector<std::string_view>& header, Columns& columns) const;
  Status take_row(const Columns& columns, const std::vector<std::string_view>& cells, const std::string& patient_of_file);
  void take_cells(const Columns& columns, const std::vector<std::string_view>& cells, Time time, std::uint32_t fact);
  std::optional<Time> take_time(const Columns& columns, const std::vector<std::string_view>& cells);
  Status begin_patient(std::string_view patient);
  Status end_patient();
  std::optional<std::uint32_t> take_fact(const Columns& columns, const std::vector<std::string_view>& cells, Time time);
  void take_cell(std::string_view name, const Route* route, const CellText& told, Time time, std::uint32_t fact);
  void lose(Losses& losses, std::string_view name, const std::string& why) const;
  void tell_cells();
  bool is_missing(std::string_view text) const;
  bool is_missing(const Route& route, std::string_view text) const;

  const FileMapping& mapping_;
  const SchemaIndex index_;
  const std::size_t limit_;
  const Sink& sink_;
  FileReport& report_;
  const RowSink rows_;
  std::unordered_map<std::string_view, Route> routes_;  // keys live in mapping_
  std::set<std::string_view> ignored_;
  std::vector<std::uint64_t> told_;  // cells of each route that say a value, since tell_cells()
  std::optional<TimeReader> times_;
  std::vector<std::string> problems_;
  CellValues values_;

  std::size_t patients_ = 0;      // begun so far
  std::set<std::uint64_t> seen_;  // hashes of their ids: a patient whose rows do not stand together is noticed
  bool open_ = false;
  std::deque<std::string> paths_;
  Place place_;               // of the row that is read
  std::uint64_t source_ = 0;  // of the file that is read
  CsvEvents events_;
};

}  // namespace lacuna::streaming
