#include "streaming/files/csv_reader.h"

#include <algorithm>
#include <cstring>

namespace lacuna::streaming {

namespace {

constexpr std::size_t kBlockBytes = 64 * 1024;

}  // namespace

LineReader::LineReader(OpenedBytes opened)
    : source_(std::move(opened.source)), block_(std::move(opened.first)), end_(block_.size()), bytes_read_(source_->bytes_read()) {
  block_.resize(kBlockBytes);
}

Result<LineReader> LineReader::open(const std::string& path) {
  auto opened = open_bytes(path);
  if (!opened.ok()) return opened.status();
  return LineReader(std::move(*opened));
}

bool LineReader::refill() {
  begin_ = 0;
  end_ = source_->read(block_.data(), block_.size());
  bytes_read_ = source_->bytes_read();
  return end_ > 0;
}

LineReader::Outcome LineReader::next(std::string_view& line) {
  joined_.clear();
  bool too_long = false;
  bool spans = false;
  for (;;) {
    if (begin_ == end_ && !refill()) {
      if (!source_->problem().empty()) return Outcome::failed;
      if (!spans) return Outcome::end;
      line = joined_;  // the last line has no end
      break;
    }
    const char* start = block_.data() + begin_;
    const auto* found = static_cast<const char*>(std::memchr(start, '\n', end_ - begin_));
    const std::size_t size = found != nullptr ? static_cast<std::size_t>(found - start) : end_ - begin_;
    begin_ += size + (found != nullptr ? 1 : 0);
    if (found != nullptr && !spans) {
      line = {start, size};
      break;
    }
    spans = true;
    too_long = too_long || joined_.size() + size > kLineBytesMax;
    if (!too_long) joined_.append(start, size);
    if (found == nullptr) continue;
    line = joined_;
    break;
  }
  ++line_number_;
  if (too_long) return Outcome::too_long;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return Outcome::line;
}

FileRows::Outcome FileRows::next(CsvRow& row) {
  std::string_view line;
  LineReader::Outcome outcome;
  do {
    outcome = lines_.next(line);
  } while (outcome == LineReader::Outcome::line && line.empty());
  row = {line, line.find('"') != std::string_view::npos, lines_.line_number()};
  if (outcome == LineReader::Outcome::end) return Outcome::end;
  if (outcome == LineReader::Outcome::failed) return Outcome::failed;
  if (outcome == LineReader::Outcome::too_long) return Outcome::malformed;
  if (!row.quoted) return Outcome::row;
  const auto flips = [](std::string_view text) { return std::count(text.begin(), text.end(), '"') % 2 != 0; };
  if (!flips(line)) return Outcome::row;
  joined_ = line;
  for (bool inside = true; inside; inside = inside != flips(line)) {
    outcome = lines_.next(line);
    if (outcome == LineReader::Outcome::failed) return Outcome::failed;
    if (outcome != LineReader::Outcome::line || joined_.size() + line.size() > kLineBytesMax) return Outcome::malformed;
    joined_ += '\n';
    joined_ += line;
  }
  row.text = joined_;
  return Outcome::row;
}

bool CsvCells::split(const CsvRow& row, std::vector<std::string_view>& cells) {
  cells.clear();
  std::string_view left = row.text;
  if (row.quoted) return split_quoted(left, cells);
  for (;;) {
    const std::size_t size = std::min(left.find(separator_), left.size());
    cells.push_back(left.substr(0, size));
    if (size == left.size()) return true;
    left.remove_prefix(size + 1);
  }
}

bool CsvCells::split_quoted(std::string_view left, std::vector<std::string_view>& cells) {
  unquoted_.clear();
  unquoted_.reserve(left.size());  // it never grows past that, so the views into it stay good
  for (;;) {
    const std::size_t start = unquoted_.size();
    if (left.starts_with('"')) {
      left.remove_prefix(1);
      for (;;) {
        const std::size_t quote = left.find('"');
        if (quote == std::string_view::npos) return false;
        unquoted_.append(left.substr(0, quote));
        left.remove_prefix(quote + 1);
        if (!left.starts_with('"')) break;
        unquoted_ += '"';
        left.remove_prefix(1);
      }
    } else {
      const std::string_view cell = left.substr(0, left.find(separator_));
      if (cell.find('"') != std::string_view::npos) return false;
      unquoted_.append(cell);
      left.remove_prefix(cell.size());
    }
    cells.emplace_back(unquoted_.data() + start, unquoted_.size() - start);
    if (left.empty()) return true;
    if (left.front() != separator_) return false;
    left.remove_prefix(1);
  }
}

CsvReader::Outcome CsvReader::next(std::vector<std::string_view>& cells) {
  cells.clear();
  const Outcome outcome = rows_->next(row_);
  if (outcome != Outcome::row) return outcome;
  return cells_.split(row_, cells) ? Outcome::row : Outcome::malformed;
}

}  // namespace lacuna::streaming
