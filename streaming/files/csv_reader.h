#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/status.h"

// Lines and CSV rows of a file, in one pass and bounded memory. RFC 4180: quotes may hold separators, doubled quotes and
// line ends; both line ends; a byte order mark is passed over. Private to streaming/.

namespace lacuna::streaming {

/// A longer line or row is refused: a file that is no text must not fill the memory.
inline constexpr std::size_t kLineBytesMax = 1 << 20;

class LineReader {
 public:
  static Result<LineReader> open(const std::string& path);

  enum class Outcome : std::uint8_t { line, end, too_long, failed };
  /// The next line without its end; the view lives until the next call. `too_long`: the rest of that line is passed over
  /// and reading can go on. `failed`: the disk said no.
  Outcome next(std::string_view& line);
  std::uint64_t bytes_read() const { return bytes_read_; }
  std::uint64_t line_number() const { return line_number_; }  ///< of the last line, 1-based

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  explicit LineReader(std::FILE* file);
  bool refill();

  std::unique_ptr<std::FILE, Closer> file_;
  std::vector<char> block_;
  std::size_t begin_ = 0, end_ = 0;  // of what is unread in block_
  std::string joined_;               // a line that spans blocks
  std::uint64_t bytes_read_ = 0;
  std::uint64_t line_number_ = 0;
};

class CsvReader {
 public:
  CsvReader(LineReader lines, char separator) : lines_(std::move(lines)), separator_(separator) {}

  enum class Outcome : std::uint8_t { row, end, malformed, failed };
  /// The next row that is not empty; cells live until the next call. `malformed`: too long, or a quote that does not
  /// close or stands in the middle; reading can go on.
  Outcome next(std::vector<std::string_view>& cells);
  std::uint64_t bytes_read() const { return lines_.bytes_read(); }
  std::uint64_t line_number() const { return first_line_; }  ///< where the last row began

 private:
  Outcome split_quoted(std::vector<std::string_view>& cells);

  LineReader lines_;
  char separator_;
  std::uint64_t first_line_ = 0;
  std::string row_;       // a row with quotes, line ends included
  std::string unquoted_;  // its cells, one after the other
};

}  // namespace lacuna::streaming
