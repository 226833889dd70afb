#include "streaming/files/file_look.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "streaming/files/cell_text.h"
#include "streaming/files/csv_reader.h"
#include "streaming/files/file_list.h"
#include "streaming/messages/foreign_format.h"

namespace lacuna::streaming {

namespace {

using namespace std::string_view_literals;

struct Sign {
  std::size_t at;
  std::string_view bytes;
  std::string_view format;
};

constexpr Sign kSigns[] = {
    {30, "[Content_Types].xml"sv, "an Excel workbook (.xlsx): export it as CSV"},
    {0, "PK\x03\x04"sv, "a ZIP archive or an Excel workbook (.xlsx): unpack it, or export it as CSV"},
    {0, "\xD0\xCF\x11\xE0"sv, "an old Excel workbook (.xls): export it as CSV"},
    {0, "PAR1"sv, "a Parquet file: export it as CSV"},
    {0, "SQLite format 3\0"sv, "an SQLite database: export its tables as CSV"},
    {0, "$FL2"sv, "an SPSS file: export it as CSV"},
    {0, "$FL3"sv, "an SPSS file: export it as CSV"},
    {0, "\x89HDF"sv, "an HDF5 file"},
    {0, "%PDF-"sv, "a PDF"},
    {0, "7z\xBC\xAF\x27\x1C"sv, "a 7-Zip archive: unpack it"},
    {257, "ustar"sv, "a tar archive: unpack it into a folder"},
};

std::string_view kind_of(std::string_view bytes) {
  for (const Sign& sign : kSigns) {
    if (bytes.substr(std::min(sign.at, bytes.size())).starts_with(sign.bytes)) return sign.format;
  }
  const auto zeros = static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '\0'));
  if (zeros > bytes.size() / 3) return "text in UTF-16 without its byte-order mark, or no text at all";
  if (zeros > 0) return "no text";
  return foreign_format(bytes);
}

std::size_t columns_of(std::string_view line, char separator) {
  std::vector<std::string_view> cells;
  return CsvCells(separator).split({line, line.find('"') != std::string_view::npos, 1}, cells) ? cells.size() : 1;
}

std::string name_of(char separator) { return separator == '\t' ? "a tab (\"\\t\")" : "'" + std::string(1, separator) + "'"; }

std::string look_at_header(std::string_view line, const FileMapping& mapping) {
  char best = mapping.separator;
  const bool is_csv = mapping.format != FileFormat::ndjson;
  const std::size_t columns = is_csv ? columns_of(line, best) : 1;
  std::size_t most = columns;
  for (const char separator : {',', ';', '\t', '|'}) {
    if (const std::size_t count = columns_of(line, separator); count > most) {
      most = count;
      best = separator;
    }
  }
  const std::string with_best = "separated by " + name_of(best);
  if (!is_csv && line.starts_with('{')) return "";
  if (!is_csv) return most > 1 ? " looks like CSV, " + std::to_string(most) + " columns " + with_best + "; read as ndjson" : "";
  if (line.starts_with('{')) return " looks like NDJSON; read as CSV";
  if (columns > 1) return "";
  return ": the header has one column" + (most > 1 ? "; " + with_best + " it would have " + std::to_string(most) : "");
}

}  // namespace

std::string look_at(const std::string& path, const FileMapping& mapping) {
  const auto files = list_files(path);
  if (!files.ok()) return "";
  const std::string& file = files->front().path;
  const auto opened = open_bytes(file);
  if (!opened.ok() || !opened->source->problem().empty()) return "";
  const std::string_view first = opened->first;
  const std::string packed = opened->packing.empty() ? "" : ", unpacked (" + std::string(opened->packing) + "),";
  if (first.empty()) return file + packed + " is empty";
  if (const std::string_view kind = kind_of(first); !kind.empty()) return file + packed + " looks like " + std::string(kind);
  std::string_view line = first.substr(0, first.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::string header = look_at_header(line, mapping);
  return header.empty() ? "" : file + packed + header;
}

std::set<std::string> absent_columns(const std::string& path, const FileMapping& mapping) {
  std::set<std::string> absent;
  const auto files = list_files(path);
  if (!files.ok() || mapping.format != FileFormat::wide_csv) return absent;
  for (const auto& [name, target] : mapping.columns) absent.insert(name);
  for (const InputFile& file : *files) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file.path, ignored)) return {};
    auto lines = LineReader::open(file.path);
    if (!lines.ok()) return {};
    CsvReader reader(std::move(*lines), mapping.separator);
    std::vector<std::string_view> header;
    if (reader.next(header) != CsvReader::Outcome::row) continue;
    for (const std::string_view cell : header) absent.erase(std::string(trim(cell)));
    if (absent.empty()) break;
  }
  return absent;
}

}  // namespace lacuna::streaming
