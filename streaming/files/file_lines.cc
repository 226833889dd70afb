#include "streaming/files/file_lines.h"

#include "streaming/files/csv_reader.h"

namespace lacuna::streaming {

Status read_lines(const std::string& path, const std::function<Status(std::string_view)>& sink,
                  const std::function<void(std::uint64_t)>& progress) {
  auto lines = LineReader::open(path);
  if (!lines.ok()) return lines.status();
  std::string_view line;
  for (;;) {
    const LineReader::Outcome outcome = lines->next(line);
    if (outcome == LineReader::Outcome::end) return {};
    if (outcome == LineReader::Outcome::failed) return {Code::unavailable, "cannot read " + path + ": " + lines->problem()};
    if (outcome == LineReader::Outcome::too_long) {
      return {Code::invalid, path + ":" + std::to_string(lines->line_number()) + ": the line is longer than 1 MiB"};
    }
    LACUNA_RETURN_IF_ERROR(sink(line));
    progress(lines->bytes_read());
  }
}

}  // namespace lacuna::streaming
