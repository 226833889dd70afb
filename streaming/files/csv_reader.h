#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/status.h"
#include "streaming/files/byte_source.h"

// Lines and CSV rows of a file, in one pass and bounded memory. RFC 4180: quotes may hold separators, doubled quotes and
// line ends; both line ends. For streaming/, daemon/guessing and daemon/table_imputation.

namespace lacuna::streaming {

/// A longer line or row is refused: a file that is no text must not fill the memory.
inline constexpr std::size_t kLineBytesMax = 1 << 20;

class LineReader {
 public:
  /// Of what open_bytes gives: unpacked, in UTF-8, without a byte-order mark.
  static Result<LineReader> open(const std::string& path);

  enum class Outcome : std::uint8_t { line, end, too_long, failed };
  /// The next line without its end; the view lives until the next call. `too_long`: the rest of that line is passed over
  /// and reading can go on. `failed`: `problem` says why.
  Outcome next(std::string_view& line);
  std::uint64_t bytes_read() const { return bytes_read_; }    ///< of the file as it lies on the disk
  std::uint64_t line_number() const { return line_number_; }  ///< of the last line, 1-based
  std::string problem() const { return source_->problem(); }

 private:
  explicit LineReader(OpenedBytes opened);
  bool refill();

  std::unique_ptr<ByteSource> source_;
  std::string block_;
  std::size_t begin_ = 0, end_ = 0;  // of what is unread in block_
  std::string joined_;               // a line that spans blocks
  std::uint64_t bytes_read_ = 0;
  std::uint64_t line_number_ = 0;
};

/// Whole, with the line ends that its quotes hold.
struct CsvRow {
  std::string_view text;
  bool quoted = false;     ///< it holds a quote
  std::uint64_t line = 0;  ///< where it began
};

/// Where rows come from.
class CsvRows {
 public:
  enum class Outcome : std::uint8_t { row, end, malformed, failed };

  virtual ~CsvRows() = default;
  /// The next row that is not empty; its text lives until the next call. `malformed`: too long, or a quote that does not close; `row.line`
  /// says where, and reading can go on. `failed`: `problem` says why.
  virtual Outcome next(CsvRow& row) = 0;
  virtual std::uint64_t bytes_read() const = 0;
  virtual std::string problem() const = 0;
};

/// Those of a file.
class FileRows final : public CsvRows {
 public:
  explicit FileRows(LineReader lines) : lines_(std::move(lines)) {}
  Outcome next(CsvRow& row) override;
  std::uint64_t bytes_read() const override { return lines_.bytes_read(); }
  std::string problem() const override { return lines_.problem(); }

 private:
  LineReader lines_;
  std::string joined_;  // a row with quotes
};

/// The cells of a row.
class CsvCells {
 public:
  explicit CsvCells(char separator) : separator_(separator) {}
  /// The cells live as long as the row's text, and until the next call. False: a quote stands in the middle of a cell.
  bool split(const CsvRow& row, std::vector<std::string_view>& cells);

 private:
  bool split_quoted(std::string_view left, std::vector<std::string_view>& cells);

  char separator_;
  std::string unquoted_;  // cells, one after the other
};

class CsvReader {
 public:
  using Outcome = CsvRows::Outcome;
  CsvReader(LineReader lines, char separator) : CsvReader(std::make_unique<FileRows>(std::move(lines)), separator) {}
  CsvReader(std::unique_ptr<CsvRows> rows, char separator) : rows_(std::move(rows)), cells_(separator) {}

  /// The next row that is not empty; cells live until the next call. `malformed`: too long, or a quote that does not
  /// close or stands in the middle; reading can go on. `failed`: `problem` says why.
  Outcome next(std::vector<std::string_view>& cells);
  std::uint64_t bytes_read() const { return rows_->bytes_read(); }
  std::uint64_t line_number() const { return row_.line; }  ///< where the last row began
  std::string problem() const { return rows_->problem(); }

 private:
  std::unique_ptr<CsvRows> rows_;
  CsvCells cells_;
  CsvRow row_;
};

}  // namespace lacuna::streaming
