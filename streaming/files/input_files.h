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
  double scale = 1;      ///< natural value = scale * number + offset
  double offset = 0;
  std::map<std::string, std::string> categories;  ///< cell text -> category name; absent: as written
};

/// How to read a CSV. Filled from YAML by daemon/config (docs/input-formats.md lists the keys).
struct FileMapping {
  FileFormat format = FileFormat::ndjson;
  std::string source;  ///< part of the events' ids; empty: the file's name, without folders
  char separator = ',';
  std::string patient_column;  ///< empty: the file's name without extension is the patient id
  std::string time_column;
  std::string parameter_column;  ///< long_csv
  std::string value_column;      ///< long_csv
  std::string site_column;       ///< optional
  std::string result_column;     ///< optional: the id of the result that a row reports
  std::string revision_column;   ///< optional, with the one before: a number or an RFC 3339 time; the highest holds
  enum class TimeForm : std::uint8_t { rfc3339, hours_minutes /* "37:05" since the stay's start */, minutes, hours, days };
  TimeForm time_form = TimeForm::rfc3339;
  std::vector<std::string> missing_texts;       ///< cells that mean "not measured", e.g. "", "NA", "-1"
  std::map<std::string, ColumnTarget> columns;  ///< column or parameter name -> where it goes
  std::vector<std::string> ignored;             ///< column or parameter names left out on purpose
  Time start{};                                 ///< clinical time of minute 0 of the first stay (relative time forms)
  Millis stagger{0};                            ///< stay i starts at start + i * stagger
};

/// What a reader met beside good events; "nothing is dropped silently".
struct FileReport {
  std::uint64_t rows = 0;
  std::uint64_t values = 0;
  std::uint64_t duplicates = 0;    ///< the same value again for a patient, time and feature; an attribute that a later row replaced
  std::uint64_t out_of_range = 0;  ///< left out: not in the schema's plausible range, among its classes or of its shape
  std::uint64_t missing = 0;       ///< cells that mean "not measured"
  std::uint64_t unreadable = 0;    ///< rows or cells that could not be read
  std::map<std::string, std::uint64_t> unmapped;  ///< parameter names that no column names, with their rows
  std::string first_problem;                      ///< file:line and what, for the first unreadable one
};

/// Reads `path` (a file, or a folder whose files are read by name) and gives one patient a call, in every format: all of the
/// patient's events, sorted by time. `limit_patients` 0: all, else the first so many to appear, each with all that the files hold of
/// it. `progress` gets bytes done and bytes in all.
/// CSV: one patient in memory at a time; values of the same modality, time and result in one event, a feature's second one in another;
/// event ids are hashes of the source and the content. ndjson: a patient's lines may stand anywhere, so that all that is taken is in memory
/// until the last line was read; events of one time keep the files' order; relative options of the mapping do not apply.
Status read_patients(const Schema& schema, const FileMapping& mapping, const std::string& path, std::size_t limit_patients,
                     const std::function<Status(std::vector<Event>)>& sink,
                     const std::function<void(std::uint64_t, std::uint64_t)>& progress, FileReport& report);

/// The same events in little memory, for what does not need patients whole: CSV as above; ndjson in the order of its lines, which
/// mixes patients and need not be that of time, up to 1,000 events a call.
Status read_events(const Schema& schema, const FileMapping& mapping, const std::string& path, std::size_t limit_patients,
                   const std::function<Status(std::vector<Event>)>& sink, const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                   FileReport& report);

}  // namespace lacuna::streaming
