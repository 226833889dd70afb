#include "tests/support/simulated_log.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "tests/support/simulated_broker.h"

namespace lacuna::streaming {

namespace {

using simulated::Broker;
using simulated::Group;
using simulated::index_of;
using simulated::Partition;

class Reader final : public TopicReader {
 public:
  explicit Reader(Broker& broker) : broker_(broker) {}
  Result<std::int32_t> partition_count(const std::string& topic) override {
    const std::lock_guard lock(broker_.mutex);
    const auto found = broker_.topics.find(topic);
    if (found == broker_.topics.end()) return Status(Code::not_found, "no topic " + topic);
    return static_cast<std::int32_t>(found->second.partitions.size());
  }
  Result<std::pair<std::int64_t, std::int64_t>> bounds(const TopicPartition& partition) override {
    const std::lock_guard lock(broker_.mutex);
    broker_.take_time();
    if (broker_.draw(Fault::bounds_unavailable)) return Status(Code::unavailable, "bounds");
    const Partition* found = broker_.find(partition);
    if (!found) return Status(Code::not_found, "no topic " + partition.topic);
    return std::pair<std::int64_t, std::int64_t>(0, found->visible.empty() ? 0 : found->visible.back().position.offset + 1);
  }
  Result<std::int64_t> end(const TopicPartition& partition) override {
    const std::lock_guard lock(broker_.mutex);
    broker_.take_time();
    if (broker_.draw(Fault::bounds_unavailable)) return Status(Code::unavailable, "end");
    const Partition* found = broker_.find(partition);
    return found ? Result<std::int64_t>(found->next) : Status(Code::not_found, "no topic " + partition.topic);
  }
  Result<std::vector<Record>> read(const TopicPartition& partition, std::int64_t from, std::size_t max_records, Millis max_wait) override {
    const std::lock_guard lock(broker_.mutex);
    broker_.take_time();
    if (broker_.draw(Fault::read_unavailable)) return Status(Code::unavailable, "read");
    const Partition* found = broker_.find(partition);
    if (!found) return Status(Code::not_found, "no topic " + partition.topic);
    const std::size_t begin = index_of(*found, from);
    std::size_t count = std::min(max_records, found->visible.size() - begin);
    if (count > 0 && broker_.draw(Fault::short_read)) count = broker_.below(count);
    if (count == 0) broker_.clock.advance(max_wait);
    const auto first = found->visible.begin() + static_cast<std::ptrdiff_t>(begin);
    return std::vector<Record>(first, first + static_cast<std::ptrdiff_t>(count));
  }

 private:
  Broker& broker_;
};

class DirectAppender final : public Appender {
 public:
  explicit DirectAppender(Broker& broker) : broker_(broker) {}
  Status append(OutputRecord record) override {
    const std::lock_guard lock(broker_.mutex);
    const auto to = broker_.place(record);
    if (!to) return {Code::invalid, "no such partition of topic " + record.topic};
    broker_.append(record, *to, true);
    return {};
  }
  Status flush() override { return {}; }

 private:
  Broker& broker_;
};

}  // namespace

std::string_view to_string(Fault fault) {
  static constexpr std::array<std::string_view, kFaultCount> kNames{
      "commit_aborted",   "commit_torn",        "commit_unknown_applied", "commit_unknown_lost", "commit_delayed",
      "fenced",           "partition_moved",    "member_put_out",         "poll_unavailable",    "committed_unavailable",
      "read_unavailable", "bounds_unavailable", "open_unavailable",       "topics_unavailable",  "short_poll",
      "short_read",       "slow_call",          "rewind_refused",         "news_delayed",        "output_too_large",
      "stale_commit",     "taken_over",         "session_over",           "failed_in_poll",      "failed_in_paused_poll"};
  return kNames[static_cast<std::size_t>(fault)];
}

SimulatedLog::SimulatedLog(SimulatedClock& clock, std::mt19937_64& random) : broker_(std::make_unique<simulated::Broker>(clock, random)) {}
SimulatedLog::~SimulatedLog() = default;

Status SimulatedLog::ensure_topics(const std::vector<TopicSpec>& topics) {
  const std::lock_guard lock(broker_->mutex);
  broker_->take_time();
  if (broker_->draw(Fault::topics_unavailable)) return {Code::unavailable, "topics"};
  for (const TopicSpec& spec : topics) {
    const auto [topic, made] = broker_->topics.try_emplace(spec.name);
    if (made) topic->second.partitions.resize(static_cast<std::size_t>(spec.partitions));
  }
  return {};
}

Result<std::unique_ptr<EventLog>> SimulatedLog::open(const std::string& group, const std::string& transactional_id) {
  const std::lock_guard lock(broker_->mutex);
  broker_->take_time();
  if (broker_->draw(Fault::open_unavailable, transactional_id)) return Status(Code::unavailable, "open");
  if (const auto older = broker_->producers.find(transactional_id); older != broker_->producers.end()) {
    if (const auto client = broker_->clients.find(older->second); client != broker_->clients.end()) client->second->taken_over();
  }
  return simulated::make_client(*broker_, group, transactional_id);
}

Result<std::unique_ptr<TopicReader>> SimulatedLog::reader() { return std::unique_ptr<TopicReader>(std::make_unique<Reader>(*broker_)); }

Result<std::unique_ptr<Appender>> SimulatedLog::appender() { return std::unique_ptr<Appender>(std::make_unique<DirectAppender>(*broker_)); }

void SimulatedLog::set_probability(Fault fault, double probability) { broker_->probability[static_cast<std::size_t>(fault)] = probability; }
void SimulatedLog::calm() { broker_->probability.fill(0); }
void SimulatedLog::set_crashing(bool crashing) { broker_->crashing = crashing; }
void SimulatedLog::limit_records(const std::string& topic, std::size_t bytes_max) {
  broker_->topics.at(topic).record_bytes_max = bytes_max;
}
void SimulatedLog::set_trace(std::function<void(const std::string&)> trace) { broker_->trace = std::move(trace); }
const std::array<std::uint64_t, kFaultCount>& SimulatedLog::counts() const { return broker_->counts; }
std::uint64_t SimulatedLog::failed_commits() const { return broker_->failed_commits; }

void SimulatedLog::compact(const std::string& topic) {
  const auto found = broker_->topics.find(topic);
  if (found == broker_->topics.end()) return;
  for (Partition& partition : found->second.partitions) {
    std::map<std::string, std::int64_t> newest;
    for (const Record& r : partition.visible) newest[r.key] = r.position.offset;
    std::erase_if(partition.visible, [&](const Record& r) { return newest[r.key] != r.position.offset; });
  }
}

std::string SimulatedLog::owner(const std::string& group, const TopicPartition& partition) const {
  const Group& g = broker_->groups[group];
  const auto owner = g.owner.find(partition);
  if (owner == g.owner.end()) return "";
  return g.members.at(owner->second).transactional_id;
}

}  // namespace lacuna::streaming
