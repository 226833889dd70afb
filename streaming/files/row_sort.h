#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/records/status.h"

// A sort of rows on the disk. Private to streaming/.

namespace lacuna::streaming {

struct SortedRow {
  std::uint32_t key = 0;
  std::uint32_t file = 0;
  std::uint64_t line = 0;
  bool quoted = false;
  bool malformed = false;  ///< without text
  std::string_view text;
};

/// Gives back rows by their keys, those of one key in the order in which they came: a merge sort of runs that are sorted in memory. It
/// needs less than twice `run_bytes` of memory, and as much room as the rows in the system's folder for temporary files (TMPDIR). The file
/// there has no name, so that nothing is left of it, however the process ends. One thread.
class RowSort {
 public:
  static constexpr std::size_t kRunBytes = std::size_t{32} << 20;
  explicit RowSort(std::size_t run_bytes = kRunBytes) : run_bytes_(run_bytes) {}
  ~RowSort();
  RowSort(const RowSort&) = delete;
  RowSort& operator=(const RowSort&) = delete;

  /// `internal`: the disk is full, or cannot be written; the text names the folder.
  Status add(const SortedRow& row);
  /// After the last row, once.
  Status finish();
  /// After `finish`: the next row, and false after the last one. Its text lives until the next call.
  Result<bool> next(SortedRow& row);
  std::uint64_t rows() const { return rows_; }

 private:
  struct Head {  // before a row's text, in memory and in the file
    std::uint64_t line;
    std::uint32_t key, file, size;
    bool quoted, malformed;
  };
  /// Part of the file, sorted, with what was read of it ahead.
  struct Run {
    std::uint64_t unread, end;
    std::string block;
    std::size_t at = 0;  // in block: the next row
  };
  Status open();
  Status write(std::string_view bytes);
  Status spill();
  Status need(Run& run, std::size_t bytes);
  Status enter(std::uint32_t run);

  const std::size_t run_bytes_;
  int file_ = -1;
  std::string folder_;
  std::uint64_t written_ = 0, rows_ = 0;
  std::string buffer_;                                         // rows that are not in the file yet
  std::vector<std::pair<std::uint32_t, std::size_t>> places_;  // their keys, and where they begin in buffer_
  std::vector<Run> runs_;
  std::size_t block_bytes_ = 0;                           // of each run, read at once
  using Entry = std::pair<std::uint32_t, std::uint32_t>;  // a key, and the run whose next row has it
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> heap_;
  std::uint32_t given_ = 0;  // the run of the last row that was given, and 1
};

}  // namespace lacuna::streaming
