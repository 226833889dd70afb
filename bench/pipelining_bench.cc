// What it brings to work on the next batch while one commits: events per second of the whole loop, with commits that take
// 0, 10 and 60 ms, waited for at once and overlapped. Embedded log, simulated ward, hardly any learning, no HTTP; each figure
// is a run over the same events from an empty store. With COMMIT_MS that one alone, so that two builds can be run in turn: wall clock
// and processor time of the process, and what the changelog took, by kind of record.
// Usage: pipelining_bench [EVENTS_PER_BATCH [COMMIT_MS]]

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/pipeline.h"
#include "daemon/simulator/ward.h"
#include "daemon/simulator/ward_schema.h"
#include "streaming/messages/encoders.h"
#include "tests/support/scratch_folder.h"

namespace lacuna::daemon {
namespace {

using std::chrono::steady_clock;

/// The log beneath, except that a commit takes as long as a broker's would.
class SlowLog final : public streaming::EventLog {
 public:
  SlowLog(std::unique_ptr<streaming::EventLog> inner, Millis delay, bool overlapped)
      : inner_(std::move(inner)), delay_(delay), overlapped_(overlapped) {}
  Status subscribe(const std::vector<std::string>& topics, streaming::AssignmentListener listener) override {
    return inner_->subscribe(topics, std::move(listener));
  }
  Result<std::vector<streaming::Record>> poll(std::size_t n, Millis wait) override { return inner_->poll(n, wait); }
  Status pause(const std::vector<streaming::TopicPartition>& p) override { return inner_->pause(p); }
  Status resume(const std::vector<streaming::TopicPartition>& p) override { return inner_->resume(p); }
  void start_commit(streaming::Transaction transaction) override {
    done_ = steady_clock::now() + delay_;
    inner_->start_commit(std::move(transaction));
    if (!overlapped_) std::this_thread::sleep_until(done_);
  }
  Result<std::map<streaming::TopicPartition, std::int64_t>> finish_commit() override {
    std::this_thread::sleep_until(done_);
    return inner_->finish_commit();
  }
  Result<streaming::Committed> committed(const streaming::TopicPartition& p, Millis limit) override { return inner_->committed(p, limit); }
  std::vector<streaming::TopicPartition> assignment() const override { return inner_->assignment(); }
  std::int64_t lag(const streaming::TopicPartition& p) const override { return inner_->lag(p); }

 private:
  std::unique_ptr<streaming::EventLog> inner_;
  Millis delay_;
  bool overlapped_;
  steady_clock::time_point done_;
};

class SlowFactory final : public streaming::LogFactory {
 public:
  SlowFactory(streaming::LogFactory& inner, Millis delay, bool overlapped) : inner_(inner), delay_(delay), overlapped_(overlapped) {}
  Status ensure_topics(const std::vector<streaming::TopicSpec>& t) override { return inner_.ensure_topics(t); }
  Result<std::unique_ptr<streaming::TopicReader>> reader() override { return inner_.reader(); }
  Result<std::unique_ptr<streaming::Appender>> appender() override { return inner_.appender(); }
  Result<std::unique_ptr<streaming::EventLog>> open(const std::string& group, const std::string& id) override {
    auto opened = inner_.open(group, id);
    if (!opened.ok()) return opened.status();
    return std::unique_ptr<streaming::EventLog>(std::make_unique<SlowLog>(std::move(*opened), delay_, overlapped_));
  }

 private:
  streaming::LogFactory& inner_;
  Millis delay_;
  bool overlapped_;
};

void require(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.to_string().c_str());
  std::exit(1);
}

Config bench_config(const std::string& folder, std::size_t batch) {
  Config c;
  c.data_dir = folder;
  c.store.path = c.data_dir + "/state";
  c.schema = std::make_shared<Schema>(ward_schema());
  c.log.embedded.path = folder + "/log";
  c.batch.max_events = batch;
  c.batch.max_delay = Millis(20);
  c.train.examples_per_step = 10'000;
  c.train.young_pace = 1;
  c.train.queue_examples_max = 100'000;
  c.http.enabled = false;
  return c;
}

double processor_seconds(int whose) {
  rusage used{};
  ::getrusage(whose, &used);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct Speed {
  double events_per_second = 0;
  double processor_us = 0;  ///< an event, of the whole process
  double loop_us = 0;       ///< of it, the loop's thread
};

Speed run(const Config& config, streaming::LogFactory& log, Time now, Millis delay, bool overlapped) {
  static int run = 0;
  Config c = config;
  c.log.group = c.instance = "bench-" + std::to_string(++run);
  c.data_dir += "/" + c.instance;
  SlowFactory slow(log, delay, overlapped);
  steady_clock::time_point end;
  double processor_end = 0, loop_end = 0;
  Pipeline::Hooks hooks;
  std::uint64_t consumed = 0;
  hooks.after_batch = [&](const Progress& p) {
    if (p.counts.consumed == consumed) return;
    consumed = p.counts.consumed;
    end = steady_clock::now();
    processor_end = processor_seconds(RUSAGE_SELF);
    loop_end = processor_seconds(RUSAGE_THREAD);
  };
  auto pipeline = Pipeline::make(
      c, slow, [now] { return now; }, hooks);
  require(pipeline.status());
  const auto start = steady_clock::now();
  const double processor_start = processor_seconds(RUSAGE_SELF), loop_start = processor_seconds(RUSAGE_THREAD);
  require((*pipeline)->run(true));
  const auto events = static_cast<double>(consumed);
  return {events / std::chrono::duration<double>(end - start).count(), 1e6 * (processor_end - processor_start) / events,
          1e6 * (loop_end - loop_start) / events};
}

/// `132539/journal-3` is a `journal`, `lacuna.events#partition` a `partition`.
std::string kind_of(const std::string& key) {
  const std::size_t at = key.find_last_of("/#");
  const std::string kind = at == std::string::npos ? key : key.substr(at + 1);
  return kind.substr(0, kind.find('-'));
}

/// Of a topic that one run has written.
void print_changelog(streaming::LogFactory& log, const std::string& topic) {
  struct Sum {
    double records = 0, keys = 0, values = 0;
  };
  std::map<std::string, Sum> by_kind;
  auto reader = log.reader();
  require(reader.status());
  const auto partitions = (*reader)->partition_count(topic);
  require(partitions.status());
  for (std::int32_t p = 0; p < *partitions; ++p) {
    const streaming::TopicPartition partition{topic, p};
    const auto bounds = (*reader)->bounds(partition);
    require(bounds.status());
    for (std::int64_t next = bounds->first; next < bounds->second;) {
      const auto records = (*reader)->read(partition, next, 1000, Millis(0));
      require(records.status());
      if (records->empty()) break;
      for (const streaming::Record& r : *records) {
        Sum& sum = by_kind[kind_of(r.key)];
        sum.records += 1;
        sum.keys += static_cast<double>(r.key.size());
        sum.values += r.value ? static_cast<double>(r.value->size()) : 0;
      }
      next = records->back().position.offset + 1;
    }
  }
  const double snapshots = by_kind["tabular"].records;
  std::printf("%12s %9s %9s %9s   bytes a patient and batch\n", "changelog", "records", "key", "value");
  for (const auto& [kind, sum] : by_kind) {
    std::printf("%12s %9.0f %9.1f %9.1f %9.1f\n", kind.c_str(), sum.records, sum.keys / sum.records, sum.values / sum.records,
                (sum.keys + sum.values) / snapshots);
  }
}

Status fill(streaming::LogFactory& log, const Config& config, const WardOptions& ward) {
  auto appender = log.appender();
  LACUNA_RETURN_IF_ERROR(appender.status());
  simulate_ward(ward, [&](const Event& event, const WardTruth&) {
    require((*appender)->append({config.topics.events.front(), {}, event.patient_id, streaming::encode_event(*config.schema, event), {}}));
    return true;
  });
  return (*appender)->flush();
}

int bench(std::size_t batch, int only_ms) {
  const lacuna::testing::ScratchFolder folder;
  const Config config = bench_config(folder.path(), batch);
  streaming::EmbeddedOptions options = config.log.embedded;
  options.default_partitions = config.log.partitions;
  auto log = streaming::make_embedded_log(options);
  require(log.status());
  WardOptions ward;
  ward.beds = 100;
  ward.duration = std::chrono::hours(72);
  require(fill(**log, config, ward));
  const Time now = ward.start + ward.duration;
  if (only_ms >= 0) {
    const Speed speed = run(config, **log, now, Millis(only_ms), true);
    std::printf("%d ms: %.0f events a second; processor time an event %.1f us, of it %.1f us in the loop\n", only_ms,
                speed.events_per_second, speed.processor_us, speed.loop_us);
    print_changelog(**log, config.topics.state);
    return 0;
  }
  std::printf("%zu events a batch; events per second\n%10s %12s %12s %8s\n", batch, "commit", "waited for", "overlapped", "ratio");
  run(config, **log, now, Millis(0), true);  // warms caches; not counted
  for (const int ms : {0, 10, 60}) {
    const double serial = run(config, **log, now, Millis(ms), false).events_per_second;
    const double overlapped = run(config, **log, now, Millis(ms), true).events_per_second;
    std::printf("%7d ms %12.0f %12.0f %8.2f\n", ms, serial, overlapped, overlapped / serial);
  }
  return 0;
}

}  // namespace
}  // namespace lacuna::daemon

int main(int argc, char** argv) {
  const long batch = argc > 1 ? std::atol(argv[1]) : 200;
  const int only_ms = argc > 2 ? std::atoi(argv[2]) : -1;
  if (batch <= 0) {
    std::fprintf(stderr, "usage: %s [EVENTS_PER_BATCH [COMMIT_MS]]\n", argv[0]);
    return 2;
  }
  return lacuna::daemon::bench(static_cast<std::size_t>(batch), only_ms);
}
