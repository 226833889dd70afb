#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "state/records/records.h"
#include "state/records/status.h"

// Files as a source of events: `lacuna replay` and `lacuna evaluate`.

namespace lacuna::streaming {

enum class FileFormat : std::uint8_t {
  ndjson,    ///< one event message a line
  long_csv,  ///< one value a row: patient, time, parameter, value
  wide_csv,  ///< one row per patient and time, one column per feature
};

/// Where a feature's values come from in a CSV.
struct ColumnTarget {
  std::string modality;  ///< empty: an attribute
  std::string feature;   ///< or the attribute's name
  double scale = 1;      ///< without a unit: natural value = scale * number + offset
  double offset = 0;
  std::map<std::string, std::string> categories;  ///< cell text -> category name; absent: as written
  std::string unit{};                             ///< of its numbers, where the row does not say one; empty: the schema's
  std::vector<std::string> missing_texts{};       ///< beside the mapping's: cells that mean "not measured" here; a number by its value
};

/// How to read a CSV. Filled from YAML by daemon/config (docs/input-formats.md lists the keys).
struct FileMapping {
  FileFormat format = FileFormat::ndjson;
  std::string source;  ///< part of the events' ids; empty: the file's name, without folders
  char separator = ',';
  char decimal = '.';  ///< or a comma, or kPointAndGroups (cell_text.h)
  /// Names of columns; one without a name (a data frame's index) is "", and absent is another thing.
  using Column = std::optional<std::string>;
  Column patient_column;        ///< absent: the file's name without extension is the patient id
  bool row_is_patient = false;  ///< without patient_column, wide_csv: each row is one, "<file's name without extension>-<line>"
  Column time_column;           ///< absent with TimeForm::none alone
  Column parameter_column;      ///< long_csv
  Column value_column;          ///< long_csv
  Column unit_column;           ///< long_csv, optional: the unit of the row's value
  Column second_unit_column;    ///< long_csv, optional: the unit again; where both say one they must be the same
  Column comparator_column;     ///< long_csv, optional: "<", "<=", ">=" or ">" where the row's value is a limit
  Column site_column;           ///< optional: where the row's values were taken; an empty cell: where the one before was
  Column result_column;         ///< optional: the id of the result that a row reports
  Column revision_column;       ///< optional, with the one before: a number or an RFC 3339 time; the highest holds
  enum class TimeForm : std::uint8_t {
    rfc3339,
    local,          ///< "2180-07-23 14:00:00": SQL and ISO, in time_zone where it says none
    hl7,            ///< "20260101143000+0100", in time_zone where it says none
    epoch_seconds,  ///< since 1970
    epoch_millis,
    pattern,        ///< as time_pattern says
    hours_minutes,  ///< "37:05" since the stay's start
    offset,         ///< "1 days 03:00:00" since the stay's start
    minutes,        ///< since the stay's start; and so on
    hours,
    days,
    none,  ///< one moment a patient: the stay's start
  };
  TimeForm time_form = TimeForm::rfc3339;
  /// Whether times count from the start of the stay.
  bool is_relative() const { return time_form >= TimeForm::hours_minutes; }
  std::string time_zone;                                  ///< IANA's name; empty: times say theirs
  std::string time_pattern;                               ///< of strptime
  Time earliest = Time::min();                            ///< what is before it is no time of a patient
  std::vector<std::string> missing_texts;                 ///< cells that mean "not measured", e.g. "", "NA", "-1"
  std::map<std::string, std::string, std::less<>> units;  ///< text of a unit's cell -> the unit; to "": none
  std::map<std::string, ColumnTarget> columns;            ///< column or parameter name -> where it goes
  std::vector<std::string> ignored;                       ///< column or parameter names left out on purpose
  Time start{};                                           ///< clinical time of minute 0 of the first stay (relative time forms)
  Millis stagger{0};                                      ///< stay i starts at start + i * stagger
};

/// How often, and where first: "file:line", with what was wrong where that is not plain.
struct Loss {
  std::uint64_t count = 0;
  std::string first{};
};
/// By column or parameter (CSV), feature or member (NDJSON); what is of a whole row is under "".
using Losses = std::map<std::string, Loss>;
std::uint64_t total(const Losses& losses);

/// What a reader met beside good events; "nothing is dropped silently".
struct FileReport {
  std::uint64_t rows = 0;
  std::uint64_t values = 0;
  std::uint64_t missing = 0;     ///< cells that mean "not measured"
  std::uint64_t duplicates = 0;  ///< the same value again for a patient, time and feature; an attribute that says what is known
  std::uint64_t censored = 0;    ///< of the values: those told as a limit ("<5")
  std::map<std::string, std::uint64_t> told{};  ///< cells that say a value, read or lost, by column, parameter or feature
  // Not lost, but worth a look.
  Losses twice{};   ///< another value of a feature at the same time: an event of its own
  Losses clocks{};  ///< by column: times that a clock shows twice, or never
  // Lost.
  Losses out_of_range{};  ///< not in the schema's plausible range, among its classes or of its shape
  Losses units{};         ///< in a unit that does not convert
  Losses unreadable{};    ///< cells and rows
  Losses unmapped{};      ///< columns or parameters that no key names
  Losses repeated{};      ///< columns whose name the header has twice: only the first is read; attributes that a later row contradicts

  bool lossless() const;
  void add(const FileReport& part);
};

/// Where a row of a CSV lies and what it is about. All borrowed for the call.
struct FileRow {
  const std::string& path;
  std::uint64_t line = 0;  ///< where it begins, 1-based
  std::string_view patient;
  Time time{};
  std::string_view time_text;  ///< the cell; empty without a time column
};
using RowSink = std::function<void(const FileRow&)>;

/// Reads `path` (a file, or a folder whose files are read by name) and gives one patient a call, in every format: all of the
/// patient's events, sorted by time. `limit_patients` 0: all, else the first so many to appear, each with all that the files hold of
/// it. `progress` gets bytes done and bytes in all.
/// CSV: one patient in memory at a time; values of the same modality, time, site and result in one event, a feature's second one in
/// another; event ids are hashes of the source and the content. ndjson: a patient's lines may stand anywhere, so that all that is taken is
/// in memory until the last line was read; events of one time keep the files' order; relative options of the mapping do not apply.
/// `rows`, when given, is told of each row of a CSV whose patient and time can be read, with values or without, in the order in which they
/// are taken: before the patient is handed over.
Status read_patients(const Schema& schema, const FileMapping& mapping, const std::string& path, std::size_t limit_patients,
                     const std::function<Status(std::vector<Event>)>& sink,
                     const std::function<void(std::uint64_t, std::uint64_t)>& progress, FileReport& report, const RowSink& rows = {});

/// The same events in little memory, for what does not need patients whole: CSV as above; ndjson in the order of its lines, which
/// mixes patients and need not be that of time, up to 1,000 events a call. `stopped` is asked while CSV files are looked through and sorted
/// before the first event: true ends the reading with `aborted`.
Status read_events(const Schema& schema, const FileMapping& mapping, const std::string& path, std::size_t limit_patients,
                   const std::function<Status(std::vector<Event>)>& sink, const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                   FileReport& report, const std::function<bool()>& stopped = {});

}  // namespace lacuna::streaming
