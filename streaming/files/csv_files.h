#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "streaming/files/csv_reader.h"
#include "streaming/files/input_files.h"
#include "streaming/messages/schema_index.h"

// Long and wide CSV, one patient in memory at a time. Private to streaming/.

namespace lacuna::streaming {

/// Reads files one after the other and hands each patient over when its rows end. One object per call of read_patients.
class CsvPatients {
 public:
  using Sink = std::function<Status(std::vector<Event>)>;
  CsvPatients(const Schema& schema, const FileMapping& mapping, std::size_t limit_patients, const Sink& sink, FileReport& report);

  /// What of the mapping cannot be used with this schema; `invalid` names all of it.
  Status check() const;
  /// `name`: of the file, without its folders. `progress` gets the bytes read of this file.
  Status read_file(const std::string& path, const std::string& name, const std::string& patient_of_file,
                   const std::function<void(std::uint64_t)>& progress);
  /// Hands over the last patient.
  Status finish();
  /// True once `limit_patients` were handed over; reading on gives nothing.
  bool done() const { return limit_ > 0 && patients_ >= limit_ && !open_; }

 private:
  /// Where a column or parameter goes.
  struct Route {
    const ColumnTarget* column = nullptr;
    const SchemaField* target = nullptr;
    bool is_attribute = false;
    std::uint32_t index = 0;  // of the feature or attribute
  };
  /// What a row tells of, beside its values. Rows of one source, without a result or of one, make events together.
  struct Fact {
    std::uint64_t source = 0;  // hash of its name
    std::string result_id;
    Revision revision;
    friend bool operator==(const Fact&, const Fact&) = default;
  };
  struct Cell {
    Time time;
    FeatureId feature;
    std::uint32_t fact;  // in facts_
    double value;
  };
  struct Columns {  // positions in the header; -1: the file has none
    int patient = -1, time = -1, parameter = -1, value = -1, site = -1, result = -1, revision = -1;
    bool is_one(int column) const {
      return column == patient || column == time || column == site || column == result || column == revision;
    }
    std::vector<const Route*> routes;  // wide_csv: of each column; null where nothing is taken
    std::vector<std::string> names;
  };

  Status read_header(CsvReader& reader, const std::string& path, Columns& columns);
  Status take_row(const Columns& columns, const std::vector<std::string_view>& cells, const std::string& path, std::uint64_t line,
                  const std::string& patient_of_file);
  Status begin_patient(std::string_view patient);
  Status end_patient();
  bool take_fact(const Columns& columns, const std::vector<std::string_view>& cells);
  std::vector<Event> take_events();
  std::vector<AttributeValue> take_attributes();
  Event make_event(Time time, ModalityId modality, const Fact& fact) const;
  std::string event_id(const Event& event, const Fact& fact) const;
  void take_cell(std::string_view name, const Route* route, std::string_view text, Time time, const std::string& path, std::uint64_t line);
  std::optional<Time> parse_time(std::string_view text) const;
  bool parse_value(const Route& route, std::string_view text, double& out, std::optional<ValueProblem>& problem) const;
  void unreadable(const std::string& path, std::uint64_t line, const std::string& what);
  bool is_missing(std::string_view text) const;

  const FileMapping& mapping_;
  const SchemaIndex index_;
  const std::size_t limit_;
  const Sink& sink_;
  FileReport& report_;
  std::unordered_map<std::string_view, Route> routes_;  // keys live in mapping_
  std::set<std::string_view> ignored_;
  std::vector<std::string> problems_;

  std::size_t patients_ = 0;      // begun so far
  std::set<std::uint64_t> seen_;  // hashes of their ids: a patient whose rows do not stand together is noticed
  bool open_ = false;
  std::string patient_, site_;
  Time start_{};
  std::optional<Time> first_row_;  // earliest time in the rows; set once any cell was taken
  std::uint64_t source_ = 0;       // of the file that is read
  std::vector<Fact> facts_;        // of the patient's rows, each once
  std::uint32_t fact_ = 0;         // of the row that is read
  std::vector<Cell> cells_;
  std::vector<std::optional<double>> attributes_;
};

}  // namespace lacuna::streaming
