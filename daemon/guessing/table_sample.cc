#include "daemon/guessing/table_sample.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string_view>

#include "daemon/guessing/column_profile.h"
#include "streaming/files/cell_text.h"
#include "streaming/files/csv_reader.h"
#include "streaming/files/file_look.h"
#include "streaming/messages/json_writer.h"

namespace lacuna::daemon {

namespace {

using streaming::CsvReader;
using streaming::LineReader;
using streaming::trim;

constexpr std::size_t kRowsMax = 20'000, kBytesMax = std::size_t{32} << 20, kFilesMax = 200, kColumnsMax = 10'000;
constexpr std::size_t kLinesForSeparator = 50;

/// The first lines of a file that are not empty.
Result<std::vector<std::string>> first_lines(const std::string& path) {
  auto reader = LineReader::open(path);
  if (!reader.ok()) return reader.status();
  std::vector<std::string> lines;
  std::string_view line;
  while (lines.size() < kLinesForSeparator && reader->next(line) == LineReader::Outcome::line) {
    if (!trim(line).empty()) lines.emplace_back(line);
  }
  return lines;
}

std::size_t columns_of(const std::string& line, char separator) {
  std::vector<std::string_view> cells;
  const bool quoted = line.find('"') != std::string::npos;
  return streaming::CsvCells(separator).split({line, quoted, 1}, cells) ? cells.size() : 1;
}

/// The one that gives most columns, the same number in most lines.
char choose_separator(const std::vector<std::string>& lines) {
  char best = ',';
  double most = 1;
  for (const char separator : {',', ';', '\t', '|'}) {
    const std::size_t columns = columns_of(lines.front(), separator);
    if (columns < 2) continue;
    const auto same = std::ranges::count_if(lines, [&](const std::string& line) { return columns_of(line, separator) == columns; });
    const double score = static_cast<double>(columns) * static_cast<double>(same) / static_cast<double>(lines.size());
    if (score > most) {
      most = score;
      best = separator;
    }
  }
  return best;
}

/// A comma where more cells are numbers with one than with a point.
char choose_decimal(const TableSample& table) {
  std::size_t commas = 0, points = 0;
  double value = 0;
  for (const TableSample::Row& row : table.rows) {
    for (const std::string& text : row.cells) {
      std::string_view cell = text;
      (void)unit_behind(text, cell.find(',') == std::string_view::npos ? '.' : ',', cell);
      if (streaming::read_number(cell, '.', value)) points += cell.find('.') != std::string_view::npos ? 1 : 0;
      else if (streaming::read_number(cell, ',', value)) ++commas;
    }
  }
  return commas > points ? ',' : '.';
}

bool is_ndjson(const std::string& name) { return name.ends_with(".ndjson") || name.ends_with(".jsonl"); }

Status sample_file(TableSample& table, std::uint32_t file, std::size_t rows_max, std::size_t& bytes) {
  const std::string& path = table.files[file].path;
  auto lines = LineReader::open(path);
  if (!lines.ok()) return lines.status();
  CsvReader reader(std::move(*lines), table.separator);
  std::vector<std::string_view> cells;
  if (reader.next(cells) != CsvReader::Outcome::row || cells.size() > kColumnsMax) {
    return {Code::invalid, path + ": no header line that can be read"};
  }
  std::vector<std::string> header;
  for (const std::string_view cell : cells) header.emplace_back(trim(cell));
  if (table.header.empty()) table.header = header;
  if (table.header != header) {
    return {Code::invalid, path + ": another header than " + table.files.front().path +
                               ": one configuration reads one kind of table, so "
                               "give each kind a call of its own"};
  }
  for (std::size_t rows = 0; rows < rows_max && table.rows.size() < kRowsMax && bytes < kBytesMax;) {
    const CsvReader::Outcome outcome = reader.next(cells);
    if (outcome == CsvReader::Outcome::end) return {};
    if (outcome == CsvReader::Outcome::failed) return {Code::internal, "cannot read " + path + ": " + reader.problem()};
    if (outcome == CsvReader::Outcome::malformed || cells.size() != header.size()) continue;
    TableSample::Row& row = table.rows.emplace_back();
    row.file = file;
    for (const std::string_view cell : cells) {
      row.cells.emplace_back(trim(cell));
      bytes += sizeof(std::string) + cell.size();
    }
    ++rows;
  }
  return {};
}

/// Names and classes of another encoding could not be written down.
Status check_encoding(const TableSample& table) {
  bool good = std::ranges::all_of(table.header, streaming::is_utf8);
  for (const TableSample::Row& row : table.rows) good = good && std::ranges::all_of(row.cells, streaming::is_utf8);
  if (good) return {};
  return {Code::invalid, table.files.front().path + ": is not UTF-8; if it is Latin-1: iconv -f latin1 -t utf8 FILE > NEW"};
}

/// A table whose first line is data would lose it, and have columns called 63 and 145.
Status check_header(const TableSample& table) {
  const auto is_number = [&](const std::string& name) {
    double value = 0;
    return !name.empty() && streaming::read_number(name, table.decimal, value);
  };
  const auto numbers = static_cast<std::size_t>(std::ranges::count_if(table.header, is_number));
  if (2 * numbers < table.header.size() + 1) return {};
  return {Code::invalid,
          table.files.front().path + ": the first line looks like data, not like the names of columns: put a header before it"};
}

}  // namespace

Result<TableSample> sample_table(const std::vector<std::string>& paths) {
  TableSample table;
  for (const std::string& path : paths) {
    auto files = streaming::list_files(path);
    if (!files.ok()) return files.status();
    std::ranges::move(*files, std::back_inserter(table.files));
  }
  for (const streaming::InputFile& file : table.files) {
    if (!std::filesystem::is_regular_file(file.path)) return {Code::invalid, file.path + ": is read three times, so it has to be a file"};
  }
  const streaming::InputFile& first = table.files.front();
  const auto lines = first_lines(first.path);
  if (!lines.ok()) return lines.status();
  if (lines->empty()) return {Code::invalid, first.path + ": is empty, or no text"};
  table.ndjson = is_ndjson(first.name) || trim(lines->front()).starts_with('{');
  if (table.ndjson) return table;

  table.separator = choose_separator(*lines);
  streaming::FileMapping mapping;
  mapping.format = streaming::FileFormat::wide_csv;
  mapping.separator = table.separator;
  if (const std::string look = streaming::look_at(first.path, mapping); !look.empty()) return {Code::invalid, look};
  const std::size_t files = std::min(table.files.size(), kFilesMax);
  std::size_t bytes = 0;
  for (std::uint32_t file = 0; file < files; ++file) {
    LACUNA_RETURN_IF_ERROR(sample_file(table, file, std::max<std::size_t>(100, kRowsMax / files), bytes));
  }
  table.decimal = choose_decimal(table);
  LACUNA_RETURN_IF_ERROR(check_encoding(table));
  LACUNA_RETURN_IF_ERROR(check_header(table));
  if (table.rows.empty()) return {Code::invalid, first.path + ": has a header and no rows"};
  return table;
}

}  // namespace lacuna::daemon
