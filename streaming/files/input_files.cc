#include "streaming/files/input_files.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "state/records/hash.h"
#include "streaming/files/csv_files.h"
#include "streaming/files/file_list.h"
#include "streaming/files/patient_order.h"
#include "streaming/messages/event_decoder.h"

namespace lacuna::streaming {

namespace {

using Sink = std::function<Status(std::vector<Event>)>;
using Progress = std::function<void(std::uint64_t, std::uint64_t)>;

constexpr std::size_t kChunkEvents = 1000;  // of ndjson in file order, per call of the sink

/// Hands over what it is given in the same order, a chunk at a time.
class InFileOrder {
 public:
  explicit InFileOrder(const Sink& sink) : sink_(sink) {}
  Status add(Event event) {
    chunk_.push_back(std::move(event));
    return chunk_.size() < kChunkEvents ? Status() : finish();
  }
  Status finish() {
    if (chunk_.empty()) return {};
    std::vector<Event> events;
    events.swap(chunk_);
    return sink_(std::move(events));
  }

 private:
  const Sink& sink_;
  std::vector<Event> chunk_;
};

/// Hands over one patient at a time, by first appearance. Lines of a patient need not stand together, so that only the last
/// line tells that a patient is complete: everything is held until then.
class ByPatient {
 public:
  explicit ByPatient(const Sink& sink) : sink_(sink) {}
  Status add(Event event) {
    const auto [place, is_new] = places_.try_emplace(event.patient_id, patients_.size());
    if (is_new) patients_.emplace_back();
    patients_[place->second].push_back(std::move(event));
    return {};
  }
  Status finish() {
    for (std::vector<Event>& events : patients_) {
      // Stable: what was measured twice at one time keeps the file's order, by which the later one counts.
      std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.time < b.time; });
      LACUNA_RETURN_IF_ERROR(sink_(std::move(events)));
    }
    return {};
  }

 private:
  const Sink& sink_;
  std::unordered_map<std::string, std::size_t> places_;  // in patients_, by patient id
  std::vector<std::vector<Event>> patients_;
};

/// Lines of files, one file after the other. `Order` is one of the two above.
template <typename Order>
class NdjsonFiles {
 public:
  NdjsonFiles(const Schema& schema, const FileMapping& mapping, std::size_t limit_patients, const Sink& sink, FileReport& report)
      : schema_(schema),
        decoder_(schema, limits_of(mapping)),
        limit_(limit_patients),
        order_(sink),
        report_(report),
        taken_(schema.features().size()) {}

  Status read_file(const std::string& path, const std::function<void(std::uint64_t)>& progress) {
    auto lines = LineReader::open(path);
    if (!lines.ok()) return lines.status();
    std::string_view line;
    std::uint64_t told = 0;
    for (;;) {
      const LineReader::Outcome outcome = lines->next(line);
      if (lines->bytes_read() != told) progress(told = lines->bytes_read());
      if (outcome == LineReader::Outcome::end) return {};
      if (outcome == LineReader::Outcome::failed) return {Code::unavailable, "cannot read " + path + ": " + lines->problem()};
      if (outcome == LineReader::Outcome::too_long) {
        ++report_.rows;
        unreadable(path, lines->line_number(), "the line is too long");
      } else if (line.find_first_not_of(" \t") != std::string_view::npos) {
        ++report_.rows;
        LACUNA_RETURN_IF_ERROR(take_line(line, path, lines->line_number()));
      }
    }
  }
  Status finish() {
    for (const Feature& feature : schema_.features()) {
      const std::uint64_t taken = taken_[static_cast<std::size_t>(&feature - schema_.features().data())];
      if (taken > 0) report_.told[schema_.modalities()[feature.modality].name + "." + feature.name] += taken;
    }
    return order_.finish();
  }

 private:
  // What lies in a file has happened: reading must not depend on the day, so no time is in the future.
  static constexpr Time kEndOfTime = std::chrono::sys_days(std::chrono::year(2300) / 1 / 1);
  static CodecLimits limits_of(const FileMapping& mapping) {
    CodecLimits limits;
    limits.past_max = mapping.earliest == Time::min() ? Millis::max() : kEndOfTime - mapping.earliest;
    return limits;
  }

  void unreadable(const std::string& path, std::uint64_t line, const std::string& what) { count(path, line, Refusal::malformed, "", what); }
  void count(const std::string& path, std::uint64_t line, Refusal reason, const std::string& what, const std::string& message) {
    Losses& losses = reason == Refusal::out_of_range      ? report_.out_of_range
                     : reason == Refusal::unit            ? report_.units
                     : reason == Refusal::unknown_feature ? report_.unmapped
                                                          : report_.unreadable;
    Loss& loss = losses[what];
    if (loss.count++ == 0) loss.first = path + ":" + std::to_string(line) + ": " + message;
  }

  Status take_line(std::string_view line, const std::string& path, std::uint64_t number) {
    EventDecoder::Outcome outcome = decoder_.decode(line, kEndOfTime);
    if (outcome.refused) {
      count(path, number, outcome.refused->reason == Refusal::unknown_feature ? Refusal::malformed : outcome.refused->reason, "",
            outcome.refused->message);
      return {};
    }
    Event& event = outcome.decoded->event;
    if (limit_ > 0) {
      const std::uint64_t patient = hash64(event.patient_id);
      if (!patients_.contains(patient)) {
        if (patients_.size() >= limit_) return {};
        patients_.insert(patient);
      }
    }
    for (const RefusedPart& part : outcome.decoded->refused) count(path, number, part.reason, part.what, part.message);
    for (const RefusedPart& part : outcome.decoded->refused) report_.told[part.what] += 1;
    for (const FeatureValue& v : event.values) {
      report_.censored += is_censored(v.comparator) ? 1 : 0;
      ++taken_[v.feature];
    }
    report_.values += event.values.size() + event.attributes.size() + (event.payload ? 1 : 0);
    return order_.add(std::move(event));
  }

  const Schema& schema_;
  EventDecoder decoder_;
  const std::size_t limit_;
  Order order_;
  FileReport& report_;
  std::vector<std::uint64_t> taken_;            // values of each feature
  std::unordered_set<std::uint64_t> patients_;  // at most limit_
};

/// How far the passes over the files are, told as a share of their bytes.
class Passes {
 public:
  Passes(const std::vector<InputFile>& files, const Progress& progress) : progress_(progress) {
    for (const InputFile& file : files) total_ += file.bytes;
  }
  /// So many bytes lie behind, and so many passes over all of them are to come.
  void plan(std::uint64_t behind, std::uint64_t passes) {
    behind_ = behind;
    whole_ = behind + passes * total_;
  }
  void tell(std::uint64_t bytes) {
    done_ = bytes;
    if (!progress_ || whole_ == 0) return;
    const double share = static_cast<double>(std::min(behind_ + bytes, whole_)) / static_cast<double>(whole_);
    progress_(static_cast<std::uint64_t>(share * static_cast<double>(total_)), total_);
  }
  std::uint64_t done() const { return done_; }
  std::uint64_t total() const { return total_; }

 private:
  const Progress& progress_;
  std::uint64_t total_ = 0, behind_ = 0, whole_ = 0, done_ = 0;
};

template <typename Order>
Status read_files(const Schema& schema, const FileMapping& mapping, const std::string& path, std::size_t limit_patients, const Sink& sink,
                  const Progress& progress, FileReport& report, const RowSink& rows, const std::function<bool()>& stopped) {
  auto files = list_files(path);
  if (!files.ok()) return files.status();
  Passes passes(*files, progress);
  passes.plan(0, 1);
  std::uint64_t before = 0;
  const auto tell = [&](std::uint64_t bytes) { passes.tell(before + bytes); };
  if (mapping.format == FileFormat::ndjson) {
    NdjsonFiles<Order> reader(schema, mapping, limit_patients, sink, report);
    for (const InputFile& file : *files) {
      LACUNA_RETURN_IF_ERROR(reader.read_file(file.path, tell));
      before += file.bytes;
    }
    return reader.finish();
  }
  CsvPatients reader(schema, mapping, limit_patients, sink, report, rows);
  LACUNA_RETURN_IF_ERROR(reader.check());
  if (mapping.patient_column) {
    const PatientColumn patients{*files, *mapping.patient_column, mapping.separator};
    const GoOn go_on = [&](std::uint64_t bytes) {
      passes.tell(bytes);
      return !stopped || !stopped();
    };
    passes.plan(0, 2);
    const bool together = patients_stand_together(patients, go_on);
    if (stopped && stopped()) return {Code::aborted, "stopped"};
    if (!together) {
      passes.plan(passes.done(), 2);
      bool sorted = false;
      const auto read = [&](std::uint64_t bytes) {
        if (!std::exchange(sorted, true)) passes.plan(passes.done() + passes.total(), 1);
        tell(bytes);
      };
      LACUNA_RETURN_IF_ERROR(read_by_patient(patients, limit_patients, reader, read, go_on));
      return reader.finish();
    }
    passes.plan(passes.total(), 1);
  }
  for (const InputFile& file : *files) {
    if (reader.done()) break;
    LACUNA_RETURN_IF_ERROR(reader.read_file(file.path, file.name, file.stem, tell));
    before += file.bytes;
  }
  return reader.finish();
}

}  // namespace

std::uint64_t total(const Losses& losses) {
  std::uint64_t sum = 0;
  for (const auto& [name, loss] : losses) sum += loss.count;
  return sum;
}

bool FileReport::lossless() const {
  return out_of_range.empty() && units.empty() && unreadable.empty() && unmapped.empty() && repeated.empty();
}

void FileReport::add(const FileReport& part) {
  rows += part.rows;
  values += part.values;
  missing += part.missing;
  duplicates += part.duplicates;
  censored += part.censored;
  for (const auto& [name, count] : part.told) told[name] += count;
  for (Losses FileReport::*const kind : {&FileReport::twice, &FileReport::clocks, &FileReport::out_of_range, &FileReport::units,
                                         &FileReport::unreadable, &FileReport::unmapped, &FileReport::repeated}) {
    for (const auto& [name, loss] : part.*kind) {
      Loss& sum = (this->*kind)[name];
      if (sum.count == 0) sum.first = loss.first;
      sum.count += loss.count;
    }
  }
}

Status read_patients(const Schema& schema, const FileMapping& mapping, const std::string& path, std::size_t limit_patients,
                     const std::function<Status(std::vector<Event>)>& sink,
                     const std::function<void(std::uint64_t, std::uint64_t)>& progress, FileReport& report, const RowSink& rows) {
  return read_files<ByPatient>(schema, mapping, path, limit_patients, sink, progress, report, rows, {});
}

Status read_events(const Schema& schema, const FileMapping& mapping, const std::string& path, std::size_t limit_patients,
                   const std::function<Status(std::vector<Event>)>& sink, const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                   FileReport& report, const std::function<bool()>& stopped) {
  return read_files<InFileOrder>(schema, mapping, path, limit_patients, sink, progress, report, {}, stopped);
}

}  // namespace lacuna::streaming
