#include "streaming/files/patient_order.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "state/records/hash.h"
#include "streaming/files/cell_text.h"
#include "streaming/files/row_sort.h"
#include "streaming/messages/event_decoder.h"
#include "streaming/messages/json_writer.h"

namespace lacuna::streaming {

namespace {

using Outcome = CsvRows::Outcome;

bool is_usable(std::string_view patient) {
  return !patient.empty() && is_utf8(patient) && !check_id("patient", patient, CodecLimits{}.id_bytes_max);
}

/// Rows of a file with their patients.
class PatientRows {
 public:
  /// Nothing where there is no header with the column.
  static std::unique_ptr<PatientRows> open(const std::string& path, const PatientColumn& column) {
    auto lines = LineReader::open(path);
    if (!lines.ok()) return nullptr;
    auto out = std::make_unique<PatientRows>(std::move(*lines), column.separator);
    CsvRow row;
    if (out->rows_.next(row) != Outcome::row || !out->cells_.split(row, out->split_)) return nullptr;
    const auto found = std::find_if(out->split_.begin(), out->split_.end(), [&](std::string_view c) { return trim(c) == column.name; });
    if (found == out->split_.end()) return nullptr;
    out->position_ = static_cast<std::size_t>(found - out->split_.begin());
    out->columns_ = out->split_.size();
    out->name_ = column.name;
    out->header_ = row.text;
    out->header_quoted_ = row.quoted;
    return out;
  }
  PatientRows(LineReader lines, char separator) : rows_(std::move(lines)), cells_(separator), separator_(separator) {}

  Outcome next(CsvRow& row) { return rows_.next(row); }
  /// The header again, as where files were put behind one another.
  bool is_header(const CsvRow& row, std::string_view patient) const { return patient == name_ && row.text.ends_with(header_); }
  /// Of a row that came last; empty: it has none. Does not look at the cells behind it where there are no quotes.
  std::string_view patient(const CsvRow& row) {
    if (row.quoted) return cells_.split(row, split_) && position_ < split_.size() ? trim(split_[position_]) : std::string_view();
    std::string_view left = row.text;
    for (std::size_t i = 0; i < position_; ++i) {
      const std::size_t end = left.find(separator_);
      if (end == std::string_view::npos) return {};
      left.remove_prefix(end + 1);
    }
    return trim(left.substr(0, left.find(separator_)));
  }
  /// Nothing where the reader will not take the row for one of a patient.
  std::optional<std::string_view> patient_of_whole(const CsvRow& row) {
    if (!cells_.split(row, split_) || !is_whole_row(split_, columns_)) return std::nullopt;
    const std::string_view patient = trim(split_[position_]);
    return is_usable(patient) && !is_header(row, patient) ? std::optional(patient) : std::nullopt;
  }
  CsvRow header() const { return {header_, header_quoted_, 1}; }
  std::string problem() const { return rows_.problem(); }
  std::uint64_t bytes_read() const { return rows_.bytes_read(); }

 private:
  FileRows rows_;
  CsvCells cells_;
  const char separator_;
  std::vector<std::string_view> split_;
  std::size_t position_ = 0, columns_ = 0;
  std::string name_, header_;
  bool header_quoted_ = false;
};

/// Asks once in so many rows.
class Asker {
 public:
  explicit Asker(const GoOn& go_on) : go_on_(go_on) {}
  void next_file(std::uint64_t bytes) { before_ += bytes; }
  /// False: nobody waits.
  bool goes_on(const PatientRows& rows) {
    constexpr std::uint64_t kRows = 4096;
    return !go_on_ || ++rows_ % kRows != 0 || go_on_(before_ + rows.bytes_read());
  }

 private:
  const GoOn& go_on_;
  std::uint64_t before_ = 0, rows_ = 0;
};

/// Of hashes that spread all their bits: one look at the memory where std::unordered_set takes three, which a patient a row would feel.
class HashSet {
 public:
  /// False: it was in.
  bool insert(std::uint64_t hash) {
    if (hash == kNone) hash = 1;
    if (2 * (count_ + 1) > slots_.size()) grow();
    std::uint64_t& slot = slots_[find(hash)];
    if (slot == hash) return false;
    slot = hash;
    ++count_;
    return true;
  }

 private:
  static constexpr std::uint64_t kNone = 0;
  std::size_t find(std::uint64_t hash) const {
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at] != kNone && slots_[at] != hash) at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  void grow() {
    std::vector<std::uint64_t> before(std::max<std::size_t>(1024, 2 * slots_.size()), kNone);
    before.swap(slots_);
    for (const std::uint64_t hash : before) {
      if (hash != kNone) slots_[find(hash)] = hash;
    }
  }
  std::vector<std::uint64_t> slots_;  // a power of two
  std::size_t count_ = 0;
};

struct Header {
  std::string text;
  bool quoted = false;
};

/// What was sorted, one row ahead.
struct Feed {
  RowSort sort;
  SortedRow row;
  bool left = false;  // `row` is one
  Status status;      // of the sort
  std::uint64_t given = 0, bytes = 0;

  void advance() {
    const Result<bool> more = sort.next(row);
    status = more.status();
    left = more.ok() && *more;
    ++given;
  }
};

/// A header, and the sorted rows that are of its file until one of another file comes.
class SortedRows final : public CsvRows {
 public:
  SortedRows(const Header& header, std::uint32_t file, Feed& feed) : header_(header), file_(file), feed_(feed) {}
  Outcome next(CsvRow& row) override {
    if (!std::exchange(began_, true)) {
      row = {header_.text, header_.quoted, 1};
      return Outcome::row;
    }
    if (std::exchange(taken_, false)) feed_.advance();
    if (!feed_.status.ok()) return Outcome::failed;
    if (!feed_.left || feed_.row.file != file_) return Outcome::end;
    taken_ = true;
    row = {feed_.row.text, feed_.row.quoted, feed_.row.line};
    return feed_.row.malformed ? Outcome::malformed : Outcome::row;
  }
  // As a share of the files, in steps: each one is told to a person.
  std::uint64_t bytes_read() const override {
    constexpr std::uint64_t kSteps = 1000;
    return feed_.bytes * (feed_.given * kSteps / std::max<std::uint64_t>(1, feed_.sort.rows())) / kSteps;
  }
  std::string problem() const override { return feed_.status.message(); }

 private:
  const Header& header_;
  const std::uint32_t file_;
  Feed& feed_;
  bool began_ = false, taken_ = false;
};

/// Puts rows into a sort, by the number of their patient.
class Numbering {
 public:
  Numbering(std::size_t limit_patients, RowSort& sort) : limit_(limit_patients), sort_(sort) {}

  /// Not ok: the rows cannot be sorted, or nobody waits.
  Status add_file(std::uint32_t file, const std::string& path, PatientRows& rows, Asker& asker) {
    CsvRow row;
    for (;;) {
      if (!asker.goes_on(rows)) return {Code::aborted, "stopped"};
      const Outcome outcome = rows.next(row);
      if (outcome == Outcome::end) return {};
      if (outcome == Outcome::failed) {
        cut_off_ = {Code::unavailable, "cannot read " + path + ": " + rows.problem()};
        return {};
      }
      const bool malformed = outcome == Outcome::malformed;
      if (!malformed) follow(rows.patient_of_whole(row));
      if (left_out_) continue;
      const std::string_view text = malformed ? std::string_view() : row.text;
      LACUNA_RETURN_IF_ERROR(sort_.add({number_, file, row.line, row.quoted, malformed, text}));
    }
  }
  /// Of the file that could not be read to its end.
  const Status& cut_off() const { return cut_off_; }

 private:
  // A row that is no patient's stays behind the one before it.
  void follow(std::optional<std::string_view> patient) {
    if (!patient || *patient == patient_) return;
    patient_ = *patient;
    const std::uint64_t hash = hash64(patient_);
    const auto found = numbers_.find(hash);
    left_out_ = found == numbers_.end() && limit_ > 0 && numbers_.size() >= limit_;
    if (left_out_) return;
    number_ = found != numbers_.end() ? found->second : static_cast<std::uint32_t>(numbers_.size());
    if (found == numbers_.end()) numbers_.emplace(hash, number_);
  }

  const std::size_t limit_;
  RowSort& sort_;
  Status cut_off_;
  std::unordered_map<std::uint64_t, std::uint32_t> numbers_;  // by hash of the patient
  std::string patient_;                                       // of the last row
  std::uint32_t number_ = 0;
  bool left_out_ = false;
};

}  // namespace

bool patients_stand_together(const PatientColumn& column, const GoOn& go_on) {
  HashSet seen;
  Asker asker(go_on);
  std::string last;
  for (const InputFile& file : column.files) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file.path, ignored)) return true;
    const auto rows = PatientRows::open(file.path, column);
    if (!rows) return true;
    CsvRow row;
    for (Outcome outcome = rows->next(row); outcome != Outcome::end; outcome = rows->next(row)) {
      if (outcome == Outcome::failed || !asker.goes_on(*rows)) return true;
      if (outcome == Outcome::malformed) continue;
      const std::string_view patient = rows->patient(row);
      if (patient == last || patient.empty() || rows->is_header(row, patient)) continue;
      if (seen.insert(hash64(patient))) last = patient;
      else if (is_usable(patient)) return false;
    }
    asker.next_file(file.bytes);
  }
  return true;
}

Status read_by_patient(const PatientColumn& column, std::size_t limit_patients, CsvPatients& reader,
                       const std::function<void(std::uint64_t)>& progress, const GoOn& go_on) {
  Feed feed;
  std::vector<Header> headers;
  Status whole;
  {
    Numbering numbering(limit_patients, feed.sort);
    Asker asker(go_on);
    for (const InputFile& file : column.files) {
      feed.bytes += file.bytes;
      const auto rows = PatientRows::open(file.path, column);
      if (!rows) return reader.read_file(file.path, file.name, file.stem, progress);  // it says what is wrong
      const auto number = static_cast<std::uint32_t>(headers.size());
      headers.push_back({std::string(rows->header().text), rows->header().quoted});
      LACUNA_RETURN_IF_ERROR(numbering.add_file(number, file.path, *rows, asker));
      asker.next_file(file.bytes);
      whole = numbering.cut_off();
      if (!whole.ok()) break;
    }
  }
  LACUNA_RETURN_IF_ERROR(feed.sort.finish());
  const auto read = [&](std::uint32_t file) {
    const InputFile& f = column.files[file];
    return reader.read_rows(CsvReader(std::make_unique<SortedRows>(headers[file], file, feed), column.separator), f.path, f.name, f.stem,
                            progress);
  };
  // Each header alone, before the first row: what is wrong with it is said before anything is taken.
  for (std::uint32_t file = 0; file < headers.size(); ++file) LACUNA_RETURN_IF_ERROR(read(file));
  feed.advance();
  feed.given = 0;
  while (feed.left && !reader.done()) LACUNA_RETURN_IF_ERROR(read(feed.row.file));
  LACUNA_RETURN_IF_ERROR(feed.status);
  return whole;
}

}  // namespace lacuna::streaming
