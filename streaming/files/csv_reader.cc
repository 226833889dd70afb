#include "streaming/files/csv_reader.h"

#include <algorithm>
#include <cstring>

namespace lacuna::streaming {

namespace {

constexpr std::size_t kBlockBytes = 64 * 1024;

}  // namespace

LineReader::LineReader(std::FILE* file) : file_(file), block_(kBlockBytes) {
  std::setvbuf(file, nullptr, _IONBF, 0);  // block_ is the buffer
}

Result<LineReader> LineReader::open(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return {Code::not_found, "cannot open " + path};
  LineReader reader(file);
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (reader.refill() && std::string_view(reader.block_.data(), reader.end_).starts_with(kMark)) {
    reader.begin_ = kMark.size();
  }
  return reader;
}

bool LineReader::refill() {
  begin_ = 0;
  end_ = std::fread(block_.data(), 1, block_.size(), file_.get());
  bytes_read_ += end_;
  return end_ > 0;
}

LineReader::Outcome LineReader::next(std::string_view& line) {
  joined_.clear();
  bool too_long = false;
  bool spans = false;
  for (;;) {
    if (begin_ == end_ && !refill()) {
      if (std::ferror(file_.get()) != 0) return Outcome::failed;
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

CsvReader::Outcome CsvReader::next(std::vector<std::string_view>& cells) {
  cells.clear();
  std::string_view line;
  LineReader::Outcome outcome;
  do {
    outcome = lines_.next(line);
  } while (outcome == LineReader::Outcome::line && line.empty());
  first_line_ = lines_.line_number();
  if (outcome == LineReader::Outcome::end) return Outcome::end;
  if (outcome == LineReader::Outcome::failed) return Outcome::failed;
  if (outcome == LineReader::Outcome::too_long) return Outcome::malformed;
  if (line.find('"') == std::string_view::npos) {
    for (;;) {
      const std::size_t size = std::min(line.find(separator_), line.size());
      cells.push_back(line.substr(0, size));
      if (size == line.size()) return Outcome::row;
      line.remove_prefix(size + 1);
    }
  }
  row_ = line;
  const auto flips = [](std::string_view text) { return std::count(text.begin(), text.end(), '"') % 2 != 0; };
  for (bool inside = flips(row_); inside; inside = inside != flips(line)) {
    outcome = lines_.next(line);
    if (outcome == LineReader::Outcome::failed) return Outcome::failed;
    if (outcome != LineReader::Outcome::line || row_.size() + line.size() > kLineBytesMax) return Outcome::malformed;
    row_ += '\n';
    row_ += line;
  }
  return split_quoted(cells);
}

CsvReader::Outcome CsvReader::split_quoted(std::vector<std::string_view>& cells) {
  unquoted_.clear();
  unquoted_.reserve(row_.size());  // it never grows past that, so the views into it stay good
  std::string_view left = row_;
  for (;;) {
    const std::size_t start = unquoted_.size();
    if (left.starts_with('"')) {
      left.remove_prefix(1);
      for (;;) {
        const std::size_t quote = left.find('"');
        if (quote == std::string_view::npos) return Outcome::malformed;
        unquoted_.append(left.substr(0, quote));
        left.remove_prefix(quote + 1);
        if (!left.starts_with('"')) break;
        unquoted_ += '"';
        left.remove_prefix(1);
      }
    } else {
      const std::string_view cell = left.substr(0, left.find(separator_));
      if (cell.find('"') != std::string_view::npos) return Outcome::malformed;
      unquoted_.append(cell);
      left.remove_prefix(cell.size());
    }
    cells.emplace_back(unquoted_.data() + start, unquoted_.size() - start);
    if (left.empty()) return Outcome::row;
    if (left.front() != separator_) return Outcome::malformed;
    left.remove_prefix(1);
  }
}

}  // namespace lacuna::streaming
