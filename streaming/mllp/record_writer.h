#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "state/records/status.h"
#include "streaming/log/event_log.h"

namespace lacuna::streaming::mllp {

/// Writes the records of messages to the log, in the order in which they are given, on a thread of its own, and says of each message what
/// came of it: what waits while one flush is under way goes into the next. While the log is out of reach it tries on and says nothing. What
/// goes on waiting is bounded by whoever gives it. Any thread may call.
class RecordWriter {
 public:
  /// A message's: they are one after the other on the log.
  struct Job {
    std::uint64_t id = 0;
    std::vector<OutputRecord> records;
  };
  /// Ok: the log has all of them. `invalid`: it never takes them, since they are too large. Else: it did not take them now; some may be
  /// there.
  struct Outcome {
    std::uint64_t id = 0;
    Status status;
  };
  /// Called on the writer's thread, in the order of the jobs.
  using Done = std::function<void(std::vector<Outcome>)>;

  /// The log must outlive it.
  static Result<std::unique_ptr<RecordWriter>> start(LogFactory& log, Done done);
  ~RecordWriter();  ///< writes what is there, and joins

  void write(Job job);
  /// `unavailable` while a flush goes on for longer than the log's request time-out, or after one that failed.
  Status status() const;

 private:
  RecordWriter(LogFactory& log, std::unique_ptr<Appender> appender, Done done);
  void run();
  void write_all(std::vector<Job>& jobs);
  Status write_alone(const Job& job);
  Status append(const Job& job);
  Status flush();
  Status renew();
  void set_status(const Status& status);

  LogFactory& log_;
  const Done done_;
  std::unique_ptr<Appender> appender_;  // the thread's; null: to be made anew

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Job> waiting_;  // guarded by mutex_, as all below
  bool stopping_ = false;
  Status status_;
  std::thread thread_;
};

}  // namespace lacuna::streaming::mllp
