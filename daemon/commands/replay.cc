#include "daemon/commands/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>
#include <unordered_set>

#include "daemon/tables/screen.h"
#include "state/records/hash.h"
#include "streaming/files/file_lines.h"
#include "streaming/files/file_list.h"
#include "streaming/files/file_look.h"
#include "streaming/messages/encoders.h"

namespace lacuna::daemon {

namespace {

using Seconds = ReplayWorld::Seconds;

/// Ahead of the schedule by less than this, events go out at once: sleeping for each would cost more than it
/// paces.
constexpr Seconds kSlack{0.005};
/// A sleep is cut into pieces, so that Ctrl-C is heard.
constexpr Seconds kSleepMax{0.1};
constexpr std::uint64_t kProgressEvery = 256;  ///< events

struct Message {
  Time time{};
  std::string key, value;
  std::size_t bytes() const { return sizeof(Message) + value.capacity() + (key.capacity() > 15 ? key.capacity() : 0); }
};

/// The stop request on its way through readers that know only Status.
const Status kStopped(Code::aborted, "stopped");

/// Puts messages to the log no sooner than they are due.
class Sender {
 public:
  Sender(const ReplayOptions& options, streaming::Appender* appender, const ReplayWorld& world, ReplayReport& report)
      : options_(options), appender_(appender), world_(world), report_(report) {}

  Status send(Message message, std::uint64_t total) {
    if (world_.stopped()) return kStopped;
    if (appender_ == nullptr) return {};
    LACUNA_RETURN_IF_ERROR(wait_until_due(message.time));
    LACUNA_RETURN_IF_ERROR(appender_->append({options_.topic, std::nullopt, std::move(message.key), std::move(message.value), {}}));
    report_.sent += 1;
    if (report_.sent % kProgressEvery == 0 && total > 0) world_.progress("sending", report_.sent, total);
    return {};
  }

  Status flush() { return appender_ == nullptr ? Status() : appender_->flush(); }

 private:
  Status wait_until_due(Time time) {
    if (options_.rate <= 0 && options_.speed_up <= 0) return {};
    const Seconds now = world_.now();
    if (!started_) {
      started_ = now;
      first_ = time;
    }
    Seconds due = *started_;
    if (options_.rate > 0) due += Seconds(static_cast<double>(report_.sent) / options_.rate);
    if (options_.speed_up > 0 && time != Time{}) {
      if (first_ == Time{}) first_ = time;
      due = std::max(due, *started_ + std::chrono::duration_cast<Seconds>(time - first_) / options_.speed_up);
    }
    if (due - now <= kSlack) return {};
    // What was sent so far must not wait with us.
    LACUNA_RETURN_IF_ERROR(appender_->flush());
    for (Seconds left = due - world_.now(); left > Seconds(0); left = due - world_.now()) {
      if (world_.stopped()) return kStopped;
      world_.sleep(std::min(left, kSleepMax));
      world_.progress("sending", report_.sent, 0);
    }
    return {};
  }

  const ReplayOptions& options_;
  streaming::Appender* appender_;
  const ReplayWorld& world_;
  ReplayReport& report_;
  std::optional<Seconds> started_;
  Time first_{};
};

bool is_ndjson(const std::string& path) {
  const std::string extension = std::filesystem::path(streaming::without_packing(path)).extension();
  return extension == ".ndjson" || extension == ".jsonl";
}

streaming::FileMapping mapping_of(const ReplayOptions& options, const std::string& path) {
  streaming::FileMapping mapping = options.mapping;
  if (is_ndjson(path)) mapping.format = streaming::FileFormat::ndjson;
  return mapping;
}

/// Reads all paths; a patient limit holds over all of them only when each patient is in one path, as file
/// readers give them.
Status read_all(const Schema& schema, const ReplayOptions& options, const ReplayWorld& world,
                const std::function<Status(std::vector<Event>)>& sink, streaming::FileReport& total) {
  std::unordered_set<std::uint64_t> patients;
  for (const std::string& path : options.paths) {
    const streaming::FileMapping mapping = mapping_of(options, path);
    std::size_t left = 0;
    if (options.patients_max > 0) {
      if (patients.size() >= options.patients_max) break;
      left = options.patients_max - patients.size();
    }
    streaming::FileReport report;
    const Status read = streaming::read_events(
        schema, mapping, path, left,
        [&](std::vector<Event> events) -> Status {
          if (world.stopped()) return kStopped;
          for (const Event& e : events) patients.insert(hash64(e.patient_id));
          return sink(std::move(events));
        },
        [&](std::uint64_t done, std::uint64_t all) { world.progress("reading", done, all); }, report, world.stopped);
    total.add(report);
    LACUNA_RETURN_IF_ERROR(read);
  }
  return {};
}

/// How far clinical times have to move for the newest to be now.
Result<Millis> shift_of(const Schema& schema, const ReplayOptions& options, const ReplayWorld& world) {
  Time newest = Time::min();
  streaming::FileReport ignored;  // the second pass meets the same and counts it
  const Status read = read_all(
      schema, options, world,
      [&](std::vector<Event> events) -> Status {
        for (const Event& e : events) newest = std::max(newest, e.time);
        return {};
      },
      ignored);
  if (!read.ok()) return read;
  return newest == Time::min() ? Millis(0) : world.clock() - newest;
}

Status replay_events(const Schema& schema, const ReplayOptions& options, const ReplayWorld& world, Sender& sender, ReplayReport& report) {
  Millis shift{0};
  if (options.shift_to_now) {
    const Result<Millis> found = shift_of(schema, options, world);
    if (!found.ok()) return found.status();
    shift = *found;
  }
  const Time latest = options.future_max == Millis::max() ? Time::max() : world.clock() + options.future_max;
  std::unordered_set<std::uint64_t> patients;
  std::vector<Message> held;
  std::size_t bytes = 0;
  const Status read = read_all(
      schema, options, world,
      [&](std::vector<Event> events) -> Status {
        for (Event& event : events) {
          event.time += shift;
          report.future += event.time > latest ? 1 : 0;
          patients.insert(hash64(event.patient_id));
          report.patients = patients.size();
          report.events += 1;
          Message message{event.time, std::move(event.patient_id), {}};
          event.patient_id = message.key;
          message.value = streaming::encode_event(schema, event);
          if (options.by_patient) {
            LACUNA_RETURN_IF_ERROR(sender.send(std::move(message), 0));
            continue;
          }
          bytes += message.bytes();
          if (bytes > options.memory_max) {
            return {Code::invalid, fmt::format("more than {} MB of events for --order time: use --order patient, or "
                                               "--limit-patients",
                                               options.memory_max >> 20)};
          }
          held.push_back(std::move(message));
        }
        return {};
      },
      report.files);
  LACUNA_RETURN_IF_ERROR(read);
  // Stable: a patient's events of one time keep the file's order.
  std::stable_sort(held.begin(), held.end(), [](const Message& a, const Message& b) { return a.time < b.time; });
  for (Message& message : held) LACUNA_RETURN_IF_ERROR(sender.send(std::move(message), held.size()));
  return {};
}

/// What the mapping names and none of the paths has.
std::set<std::string> absent_of(const ReplayOptions& options) {
  std::optional<std::set<std::string>> out;
  for (const std::string& path : options.paths) {
    const streaming::FileMapping mapping = mapping_of(options, path);
    if (mapping.format != streaming::FileFormat::wide_csv) continue;
    std::set<std::string> absent = streaming::absent_columns(path, mapping);
    if (out) std::erase_if(absent, [&](const std::string& name) { return !out->contains(name); });
    out = std::move(absent);
  }
  return out.value_or(std::set<std::string>());
}

/// Lines as they are, wrong ones too: what reads the topic decides. Only key and time are looked at.
Status replay_raw(const ReplayOptions& options, const ReplayWorld& world, Sender& sender, ReplayReport& report) {
  std::unordered_set<std::uint64_t> patients;
  const auto take = [&](std::string_view line) -> Status {
    if (line.empty()) return {};
    const nlohmann::json parsed = nlohmann::json::parse(line, nullptr, false);
    const auto text = [&parsed](const char* name) -> std::string {
      const auto found = parsed.is_object() ? parsed.find(name) : parsed.end();
      return found != parsed.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    Message message{parse_rfc3339(text("time")).value_or(Time{}), text("patient_id"), std::string(line)};
    if (message.key.empty()) {
      report.keyless += 1;
    } else {
      const std::uint64_t patient = hash64(message.key);
      if (options.patients_max > 0 && patients.size() >= options.patients_max && !patients.contains(patient)) return {};
      patients.insert(patient);
    }
    report.patients = patients.size();
    report.events += 1;
    return sender.send(std::move(message), 0);
  };
  for (const std::string& path : options.paths) {
    std::error_code error;
    const std::uint64_t size = std::filesystem::file_size(path, error);
    if (error) return {Code::not_found, "cannot read " + path};
    LACUNA_RETURN_IF_ERROR(streaming::read_lines(path, take, [&](std::uint64_t done) {
      if (report.events % kProgressEvery == 0) world.progress("reading", done, size);
    }));
  }
  return {};
}

}  // namespace

ReplayWorld real_replay_world() {
  ReplayWorld world;
  world.now = [] { return std::chrono::duration_cast<Seconds>(std::chrono::steady_clock::now().time_since_epoch()); };
  world.sleep = [](Seconds duration) { std::this_thread::sleep_for(duration); };
  world.clock = system_clock();
  world.stopped = [] { return false; };
  world.progress = [](const char*, std::uint64_t, std::uint64_t) {};
  return world;
}

Status replay(const Schema& schema, const ReplayOptions& options, streaming::Appender* appender, const ReplayWorld& world,
              ReplayReport& report) {
  if (options.speed_up > 0 && options.by_patient) {
    return {Code::invalid, "--speed-up needs --order time: patient after patient, clinical time jumps back"};
  }
  if (options.raw && options.shift_to_now) return {Code::invalid, "--raw sends lines as they are: no --shift-to-now"};
  const Seconds start = world.now();
  Sender sender(options, options.dry_run ? nullptr : appender, world, report);
  Status outcome = options.raw ? replay_raw(options, world, sender, report) : replay_events(schema, options, world, sender, report);
  if (!options.raw && outcome.ok()) report.absent = absent_of(options);
  if (outcome.code() == kStopped.code() && outcome.message() == kStopped.message()) outcome = Status();
  // Also after a failure: what was taken should arrive, and the first reason is the one to tell.
  const Status flushed = sender.flush();
  report.seconds = (world.now() - start).count();
  return outcome.ok() ? flushed : outcome;
}

std::string explain_nothing(const ReplayOptions& options, const ReplayReport& report) {
  const streaming::FileReport& f = report.files;
  const bool all_lost = !options.raw && f.values == 0 && !f.lossless();
  if (report.events > 0 && !all_lost) return "";
  std::string out = "nothing could be read\n";
  for (const std::string& path : options.paths) {
    const std::string look = streaming::look_at(path, mapping_of(options, path));
    if (!look.empty()) out += look + "\n";
  }
  return out;
}

std::string format_report(const ReplayReport& report, const std::string& topic) {
  const streaming::FileReport& f = report.files;
  std::string out;
  if (topic.empty()) {
    out += fmt::format("{}, {}; nothing was sent (dry run)", counted(report.patients, "patient", "patients"),
                       counted(report.events, "event", "events"));
  } else {
    out += fmt::format("{}, {}, {} sent to {} in {:.1f} s", counted(report.patients, "patient", "patients"),
                       counted(report.events, "event", "events"), report.sent, topic, report.seconds);
    if (report.seconds > 0) out += fmt::format(": {:.0f} events/s", static_cast<double>(report.sent) / report.seconds);
  }
  out += "\n";
  if (f.rows > 0) out += fmt::format("  {} with {} read\n", counted(f.rows, "row", "rows"), counted(f.values, "value", "values"));
  if (f.missing > 0) out += fmt::format("  {} said \"not measured\"\n", counted(f.missing, "cell", "cells"));
  if (f.censored > 0) out += fmt::format("  {} told as a limit (\"<5\"), and taken as one\n", counted(f.censored, "value", "values"));
  if (f.duplicates > 0) out += fmt::format("  {} said again what was there\n", counted(f.duplicates, "value", "values"));
  // "3 of 120": whether a few values of a column are wrong, or the column.
  const auto share = [&f](const std::string& name, const streaming::Loss& loss) {
    const auto told = f.told.find(name);
    return told == f.told.end() || told->second < loss.count
               ? counted(loss.count, "value", "values")
               : fmt::format("{} of {}", loss.count, counted(told->second, "value", "values"));
  };
  const auto tell = [&](const streaming::Losses& losses, const char* one, const char* many, const char* what) {
    for (const auto& [name, loss] : losses) {
      const bool values = one == std::string_view("value");
      out += fmt::format("  {}{}{}", values ? share(name, loss) : counted(loss.count, one, many),
                         name.empty() ? "" : " of \"" + name + "\"", what);
      if (!loss.first.empty()) out += fmt::format(" ({}{})", loss.count == 1 ? "" : "first ", loss.first);
      out += "\n";
    }
  };
  tell(f.twice, "value", "values", " beside another one of the same time: kept, as events of their own");
  tell(f.clocks, "time", "times", " that the clock shows twice or never");
  tell(f.out_of_range, "value", "values", " left out: not in the schema's range or classes");
  tell(f.units, "value", "values", " left out: its unit does not convert");
  tell(f.unreadable, "row or cell", "rows or cells", " could not be read");
  tell(f.unmapped, "cell", "cells", " left out: no mapping");
  tell(f.repeated, "cell", "cells", " left out: named twice");
  if (report.future > 0) {
    out +=
        fmt::format("  {} further in the future than limits.future_max: whoever reads the topic refuses them (--shift-to-now moves all)\n",
                    counted(report.future, "event", "events"));
  }
  for (const std::string& name : report.absent) out += fmt::format("  no file has the column \"{}\" that the mapping names\n", name);
  if (report.keyless > 0) out += fmt::format("  {} lines have no readable patient_id: sent without a key\n", report.keyless);
  return out;
}

}  // namespace lacuna::daemon
