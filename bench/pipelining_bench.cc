// What it brings to work on the next batch while one commits: events per second of the whole loop, with commits that take
// 0, 10 and 60 ms, waited for at once and overlapped. Embedded log, simulated ward, hardly any learning, no HTTP; each figure
// is a run over the same events from an empty store. Usage: pipelining_bench [EVENTS_PER_BATCH]

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
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
  c.train.queue_examples_max = 100'000;
  c.http.enabled = false;
  return c;
}

double events_per_second(const Config& config, streaming::LogFactory& log, Time now, Millis delay, bool overlapped) {
  static int run = 0;
  Config c = config;
  c.log.group = c.instance = "bench-" + std::to_string(++run);
  c.data_dir += "/" + c.instance;
  SlowFactory slow(log, delay, overlapped);
  steady_clock::time_point end;
  Pipeline::Hooks hooks;
  std::uint64_t consumed = 0;
  hooks.after_batch = [&](const Progress& p) {
    if (p.counts.consumed == consumed) return;
    consumed = p.counts.consumed;
    end = steady_clock::now();
  };
  auto pipeline = Pipeline::make(
      c, slow, [now] { return now; }, hooks);
  require(pipeline.status());
  const auto start = steady_clock::now();
  require((*pipeline)->run(true));
  return static_cast<double>(consumed) / std::chrono::duration<double>(end - start).count();
}

int bench(std::size_t batch) {
  const lacuna::testing::ScratchFolder folder;
  const Config config = bench_config(folder.path(), batch);
  streaming::EmbeddedOptions options = config.log.embedded;
  options.default_partitions = config.log.partitions;
  auto log = streaming::make_embedded_log(options);
  require(log.status());
  WardOptions ward;
  ward.beds = 100;
  ward.duration = std::chrono::hours(72);
  {
    auto appender = (*log)->appender();
    require(appender.status());
    simulate_ward(ward, [&](const Event& event, const WardTruth&) {
      require(
          (*appender)->append({config.topics.events.front(), {}, event.patient_id, streaming::encode_event(*config.schema, event), {}}));
      return true;
    });
    require((*appender)->flush());
  }
  std::printf("%zu events a batch; events per second\n%10s %12s %12s %8s\n", batch, "commit", "waited for", "overlapped", "ratio");
  const Time now = ward.start + ward.duration;
  events_per_second(config, **log, now, Millis(0), true);  // warms caches; not counted
  for (const int ms : {0, 10, 60}) {
    const double serial = events_per_second(config, **log, now, Millis(ms), false);
    const double overlapped = events_per_second(config, **log, now, Millis(ms), true);
    std::printf("%7d ms %12.0f %12.0f %8.2f\n", ms, serial, overlapped, overlapped / serial);
  }
  return 0;
}

}  // namespace
}  // namespace lacuna::daemon

int main(int argc, char** argv) {
  const long batch = argc > 1 ? std::atol(argv[1]) : 200;
  if (batch <= 0) {
    std::fprintf(stderr, "usage: %s [EVENTS_PER_BATCH]\n", argv[0]);
    return 2;
  }
  return lacuna::daemon::bench(static_cast<std::size_t>(batch));
}
