#include "streaming/mllp/record_writer.h"

#include <pthread.h>

#include <string>

#include "streaming/log/log_sink.h"

namespace lacuna::streaming::mllp {

namespace {

constexpr int kWarning = 4, kInfo = 6;
/// After a failure that is no record's own: not to ask a log that refuses as fast as senders send.
constexpr Millis kPause{200};

}  // namespace

Result<std::unique_ptr<RecordWriter>> RecordWriter::start(LogFactory& log, Done done) {
  auto appender = log.appender();
  if (!appender.ok()) return appender.status();
  return std::unique_ptr<RecordWriter>(new RecordWriter(log, std::move(*appender), std::move(done)));
}

RecordWriter::RecordWriter(LogFactory& log, std::unique_ptr<Appender> appender, Done done)
    : log_(log), done_(std::move(done)), appender_(std::move(appender)) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "lacuna-append");
    run();
  });
}

RecordWriter::~RecordWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void RecordWriter::write(Job job) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(job));
  }
  wake_.notify_one();
}

Status RecordWriter::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void RecordWriter::set_status(const Status& status) {
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    changed = status_.ok() != status.ok();
    status_ = status;
  }
  if (!changed) return;
  if (status.ok()) log_line(kInfo, "mllp: the log takes messages again");
  else log_line(kWarning, "mllp: the log does not take messages, and senders wait: " + status.message());
}

void RecordWriter::run() {
  std::vector<Job> jobs;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      jobs.swap(waiting_);
    }
    write_all(jobs);
    jobs.clear();
  }
}

/// A client that failed may never do anything again: the next try has a new one.
Status RecordWriter::renew() {
  if (appender_) return {};
  auto made = log_.appender();
  if (!made.ok()) return made.status();
  appender_ = std::move(*made);
  return {};
}

Status RecordWriter::flush() {
  for (;;) {
    Status status = appender_->flush();
    if (status.code() != Code::unavailable) return status;
    set_status(status);
  }
}

Status RecordWriter::append(const Job& job) {
  for (const OutputRecord& record : job.records) {
    for (;;) {
      Status status = appender_->append(record);
      if (status.ok()) break;
      if (status.code() != Code::unavailable) return status;
      LACUNA_RETURN_IF_ERROR(flush());  // full: what is there goes first
      status = appender_->append(record);
      if (status.ok()) break;
      if (status.code() != Code::unavailable) return status;
      set_status(status);
      std::this_thread::sleep_for(kPause);
    }
  }
  return {};
}

void RecordWriter::write_all(std::vector<Job>& jobs) {
  std::vector<Outcome> outcomes;
  for (const Job& job : jobs) outcomes.push_back({job.id, {}});
  Status together = renew();
  for (std::size_t i = 0; together.ok() && i < jobs.size(); ++i) {
    Status status = append(jobs[i]);
    if (status.code() == Code::invalid) outcomes[i].status = std::move(status);  // its own fault
    else together = std::move(status);
  }
  if (together.ok()) together = flush();
  if (together.ok()) {
    set_status({});
    return done_(std::move(outcomes));
  }
  // Some of them were not written, and nobody says which: each by itself tells. Those that were are there twice then.
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (outcomes[i].status.ok()) outcomes[i].status = write_alone(jobs[i]);
  }
  done_(std::move(outcomes));
}

Status RecordWriter::write_alone(const Job& job) {
  appender_.reset();
  Status status = renew();
  if (status.ok()) status = append(job);
  if (status.ok()) status = flush();
  if (!status.ok()) appender_.reset();
  const bool taken_or_refused = status.ok() || status.code() == Code::invalid;
  set_status(taken_or_refused ? Status() : status);
  if (!taken_or_refused) std::this_thread::sleep_for(kPause);
  return status;
}

}  // namespace lacuna::streaming::mllp
