#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/config/config.h"
#include "state/records/records.h"
#include "state/records/status.h"
#include "streaming/files/input_files.h"

// Files held in memory, patient by patient: what is learned from and imputed without a log.

namespace lacuna::daemon {

/// More than this of events is refused: `lacuna run` learns from any amount.
inline constexpr std::size_t kTableBytesMax = std::size_t{4} << 30;

struct TablePatient {
  std::string id;
  std::vector<Event> events;  ///< facts that stand, by time; those of one time in the files' order
  std::vector<Time> moments;  ///< of its events and its rows, each once, ascending
  /// Times as the files have them; empty for NDJSON and where there is no time column.
  std::map<Time, std::string> time_texts;
};

/// A row of a CSV, where its patient and time could be read.
struct TableRow {
  std::size_t patient = 0;  ///< in PatientTable::patients
  Time time{};
};

struct PatientTable {
  std::vector<TablePatient> patients;                                         ///< by first appearance
  std::map<std::string, std::unordered_map<std::uint64_t, TableRow>> rows{};  ///< by file, then line; of wide CSV alone
  streaming::FileReport report;
};

/// Reads all of `paths` (files, or folders of files). `mapping`: as replay takes it; *.ndjson and *.jsonl are NDJSON whatever it says.
/// Of a result that was corrected the newest revision stands, and of one that was withdrawn nothing. `invalid` for what is said of persons
/// (merged, forgotten), and for more than kTableBytesMax. `progress` gets bytes done and bytes in all, of one path after the other.
Result<PatientTable> read_table(const Schema& schema, const streaming::FileMapping& mapping, const std::vector<std::string>& paths,
                                const std::function<void(std::uint64_t, std::uint64_t)>& progress);

/// `mapping`, or NDJSON where the name says so.
streaming::FileMapping mapping_of(const streaming::FileMapping& mapping, const std::string& path);

/// Facts that stand, of one patient: without earlier revisions and what was withdrawn.
std::vector<Event> standing_facts(std::vector<Event> events);

}  // namespace lacuna::daemon
