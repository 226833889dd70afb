#include "tests/support/simulated_log.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <regex>
#include <set>
#include <stdexcept>
#include <utility>

namespace lacuna::streaming {

namespace {

using Outcome = Result<std::map<TopicPartition, std::int64_t>>;

struct Partition {
  std::vector<Record> visible;  ///< by offset
  std::int64_t next = 0;
};
struct Topic {
  std::vector<Partition> partitions;
  std::size_t record_bytes_max = std::size_t{16} << 20;
};

std::size_t index_of(const Partition& partition, std::int64_t offset) {
  const auto at = std::lower_bound(partition.visible.begin(), partition.visible.end(), offset,
                                   [](const Record& r, std::int64_t o) { return r.position.offset < o; });
  return static_cast<std::size_t>(at - partition.visible.begin());
}

std::size_t bytes_of(const OutputRecord& record) {
  std::size_t bytes = record.key.size() + (record.value ? record.value->size() : 0);
  for (const auto& [name, value] : record.headers) bytes += name.size() + value.size();
  return bytes;
}

bool wants(const std::vector<std::string>& subscription, const std::string& topic) {
  return std::any_of(subscription.begin(), subscription.end(), [&](const std::string& name) {
    return name.starts_with('^') ? std::regex_search(topic, std::regex(name, std::regex::extended)) : name == topic;
  });
}

struct Member {
  std::string transactional_id;
  std::vector<std::string> subscription;
  Time seen{};
  std::uint64_t generation = 0;
};

struct Group {
  std::map<TopicPartition, Committed> committed;
  std::map<std::uint64_t, Member> members;
  std::map<TopicPartition, std::uint64_t> target;  ///< who should have it
  std::map<TopicPartition, std::uint64_t> owner;   ///< who may commit it
  std::set<TopicPartition> bounced;                ///< its owner has to give it up, even to get it back
  std::uint64_t generation = 0;
};

}  // namespace

std::string_view to_string(Fault fault) {
  static constexpr std::array<std::string_view, kFaultCount> kNames{
      "commit_aborted",   "commit_torn",           "commit_unknown_applied", "commit_unknown_lost", "commit_delayed",
      "fenced",           "partition_moved",       "member_put_out",         "poll_unavailable",    "committed_unavailable",
      "read_unavailable", "bounds_unavailable",    "open_unavailable",       "topics_unavailable",  "short_poll",
      "short_read",       "slow_call",             "news_delayed",           "output_too_large",    "stale_commit",
      "taken_over",       "session_over"};
  return kNames[static_cast<std::size_t>(fault)];
}

struct SimulatedLog::Broker {
  Broker(SimulatedClock& c, std::mt19937_64& r) : clock(c), random(r) {}

  SimulatedClock& clock;
  std::mt19937_64& random;
  /// Recursive: a listener calls its client from inside poll().
  mutable std::recursive_mutex mutex;
  std::map<std::string, Topic> topics;
  std::map<std::string, Group> groups;
  std::map<std::string, std::uint64_t> producers;  ///< the newest client of each transactional id
  std::map<std::uint64_t, Client*> clients;
  std::uint64_t clients_made = 0;
  bool crashing = false;
  std::array<double, kFaultCount> probability{};
  std::array<std::uint64_t, kFaultCount> counts{};
  std::uint64_t failed_commits = 0;
  std::function<void(const std::string&)> trace;

  void happened(Fault fault, const std::string& to = "") {
    counts[static_cast<std::size_t>(fault)] += 1;
    if (trace) trace(std::string(to_string(fault)) + (to.empty() ? "" : " " + to));
  }
  bool draw(Fault fault, const std::string& to = "") {
    const double p = probability[static_cast<std::size_t>(fault)];
    if (p <= 0 || static_cast<double>(random() >> 11) * 0x1.0p-53 >= p) return false;
    happened(fault, to);
    return true;
  }
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random() % bound); }
  void take_time() {
    if (draw(Fault::slow_call)) clock.advance(Millis(1 + static_cast<Millis::rep>(below(kSlowMax.count()))));
  }

  Partition* find(const TopicPartition& p) {
    const auto topic = topics.find(p.topic);
    if (topic == topics.end() || p.partition < 0 || static_cast<std::size_t>(p.partition) >= topic->second.partitions.size()) {
      return nullptr;
    }
    return &topic->second.partitions[static_cast<std::size_t>(p.partition)];
  }
  std::optional<TopicPartition> place(const OutputRecord& record) const {
    const auto topic = topics.find(record.topic);
    if (topic == topics.end()) return std::nullopt;
    const auto count = static_cast<std::int32_t>(topic->second.partitions.size());
    const std::int32_t number = record.partition ? *record.partition : partition_for(record.key, count);
    if (number < 0 || number >= count) return std::nullopt;
    return TopicPartition{record.topic, number};
  }
  std::int64_t append(const OutputRecord& record, const TopicPartition& to, bool visible) {
    Partition& partition = *find(to);
    const std::int64_t offset = partition.next++;
    if (visible) {
      partition.visible.push_back({{to.topic, to.partition, offset}, clock.now(), record.key, record.value, record.headers});
    }
    return offset;
  }

  /// Who should have which partition: those who have one keep it, as far as that is even.
  void retarget(Group& group) {
    group.generation += 1;
    std::map<std::uint64_t, std::size_t> load;
    for (const auto& [id, member] : group.members) load[id];
    std::vector<TopicPartition> all;
    for (const auto& [name, topic] : topics) {
      for (std::size_t p = 0; p < topic.partitions.size(); ++p) all.push_back({name, static_cast<std::int32_t>(p)});
    }
    std::erase_if(all, [&](const TopicPartition& p) {
      return std::none_of(group.members.begin(), group.members.end(),
                          [&](const auto& m) { return wants(m.second.subscription, p.topic); });
    });
    if (group.members.empty()) {
      group.target.clear();
      return;
    }
    const std::size_t even = (all.size() + group.members.size() - 1) / group.members.size();
    std::map<TopicPartition, std::uint64_t> next;
    for (const TopicPartition& p : all) {
      const auto before = group.target.find(p);
      if (before == group.target.end() || !load.contains(before->second) || load[before->second] >= even) continue;
      next[p] = before->second;
      load[before->second] += 1;
    }
    for (const TopicPartition& p : all) {
      if (next.contains(p)) continue;
      std::uint64_t least = 0;
      for (const auto& [id, count] : load) {
        if (wants(group.members[id].subscription, p.topic) && (least == 0 || count < load[least])) least = id;
      }
      next[p] = least;
      load[least] += 1;
    }
    group.target = std::move(next);
  }
  void remove(Group& group, std::uint64_t id) {
    if (group.members.erase(id) == 0) return;
    std::erase_if(group.owner, [id](const auto& o) { return o.second == id; });
    retarget(group);
  }
  void end_sessions(Group& group) {
    std::vector<std::uint64_t> over;
    for (const auto& [id, member] : group.members) {
      if (clock.now() - member.seen > kSessionTimeout) over.push_back(id);
    }
    for (const std::uint64_t id : over) {
      happened(Fault::session_over, group.members[id].transactional_id);
      remove(group, id);
    }
  }
  Committed committed(Group& group, const TopicPartition& partition);
};

class SimulatedLog::Client final : public EventLog {
 public:
  Client(Broker& broker, std::string group, std::string transactional_id)
      : broker_(broker), group_(std::move(group)), transactional_id_(std::move(transactional_id)), id_(++broker.clients_made) {
    broker_.clients[id_] = this;
    broker_.producers[transactional_id_] = id_;
  }
  ~Client() override {
    const std::lock_guard lock(broker_.mutex);
    if (step_ && step_->sent) resolve();
    broker_.clients.erase(id_);
    if (!broker_.crashing) broker_.remove(group(), id_);
  }

  Status subscribe(const std::vector<std::string>& topics, AssignmentListener listener) override {
    const std::lock_guard lock(broker_.mutex);
    if (!subscription_.empty() || topics.empty()) return {Code::invalid, "subscribe() once, to something"};
    subscription_ = topics;
    listener_ = std::move(listener);
    return {};
  }

  Result<std::vector<Record>> poll(std::size_t max_records, Millis max_wait) override {
    const std::lock_guard lock(broker_.mutex);
    if (subscription_.empty()) return Status(Code::invalid, "nothing is subscribed");
    broker_.take_time();
    if (fenced()) return Status(Code::fenced, "fenced");
    if (broker_.draw(Fault::fenced, transactional_id_)) {
      dead_ = true;
      return Status(Code::fenced, "fenced");
    }
    if (broker_.draw(Fault::poll_unavailable, transactional_id_)) return Status(Code::unavailable, "poll");
    disturb_group();
    put_back_ = false;
    take_part();
    std::vector<Record> records = gather(max_records);
    // A step failed inside the listener: these records come again.
    if (put_back_) put_back();
    if (records.empty()) broker_.clock.advance(max_wait);
    return records;
  }

  Status pause(const std::vector<TopicPartition>& partitions) override { return set_paused(partitions, true); }
  Status resume(const std::vector<TopicPartition>& partitions) override { return set_paused(partitions, false); }

  void start_commit(Transaction transaction) override {
    const std::lock_guard lock(broker_.mutex);
    if (step_) throw std::logic_error("start_commit() before finish_commit()");
    step_.emplace();
    step_->transaction = std::move(transaction);
    for (const Fault f : {Fault::commit_aborted, Fault::commit_torn, Fault::commit_unknown_applied, Fault::commit_unknown_lost,
                          Fault::fenced}) {
      if (!step_->fault && broker_.draw(f, transactional_id_)) step_->fault = f;
    }
    if (!broker_.draw(Fault::commit_delayed)) {
      resolve();
    } else if (broker_.below(2) == 0) {
      step_->sent = may_move();
    }
  }

  Outcome finish_commit() override {
    const std::lock_guard lock(broker_.mutex);
    if (!step_) return Status(Code::internal, "no commit was started");
    broker_.take_time();
    resolve();
    Outcome outcome = std::move(*step_->outcome);
    step_.reset();
    if (!outcome.ok()) broker_.failed_commits += 1;
    // What was polled since the step began goes back with it.
    if (outcome.code() == Code::aborted || outcome.code() == Code::invalid) put_back();
    return outcome;
  }

  Result<Committed> committed(const TopicPartition& partition) override {
    const std::lock_guard lock(broker_.mutex);
    broker_.take_time();
    if (broker_.draw(Fault::committed_unavailable)) return Status(Code::unavailable, "committed");
    return broker_.committed(group(), partition);
  }

  std::vector<TopicPartition> assignment() const override {
    const std::lock_guard lock(broker_.mutex);
    std::vector<TopicPartition> out;
    for (const auto& [partition, input] : inputs_) out.push_back(partition);
    return out;
  }

  std::int64_t lag() const override {
    const std::lock_guard lock(broker_.mutex);
    std::size_t lag = 0;
    for (const auto& [p, input] : inputs_) {
      const Partition& partition = *broker_.find(p);
      lag += partition.visible.size() - index_of(partition, input.position);
    }
    return static_cast<std::int64_t>(lag);
  }

  /// A step that reached the broker and moves this partition is decided before anybody may read its position.
  void decide(const TopicPartition& partition) {
    if (step_ && step_->sent && step_->transaction.next_offsets.contains(partition)) resolve();
  }
  /// Another client with this id begins: what reached the broker is decided, what did not never will be.
  void taken_over() {
    if (step_ && step_->sent) resolve();
    if (!dead_) broker_.happened(Fault::taken_over, transactional_id_);
  }

 private:
  struct Input {
    std::int64_t position = 0;
    bool paused = false;
  };
  struct Step {
    Transaction transaction;
    std::optional<Fault> fault;
    bool sent = false;  ///< with the generation and the partitions as they were then
    std::optional<Outcome> outcome;
  };

  Group& group() const { return broker_.groups[group_]; }
  bool fenced() const { return dead_ || broker_.producers.at(transactional_id_) != id_; }

  bool may_move() const {
    const Group& g = group();
    const auto me = g.members.find(id_);
    const auto& next = step_->transaction.next_offsets;
    if (next.empty()) return true;
    if (me == g.members.end() || me->second.generation != g.generation) return false;
    return std::all_of(next.begin(), next.end(), [&](const auto& moved) {
      const auto owner = g.owner.find(moved.first);
      return inputs_.contains(moved.first) && owner != g.owner.end() && owner->second == id_;
    });
  }

  /// Everything of the outputs, or a part, without being visible.
  void tear() {
    std::set<TopicPartition> touched;
    const auto& outputs = step_->transaction.outputs;
    const std::size_t count = outputs.empty() ? 0 : broker_.below(outputs.size() + 1);
    for (std::size_t i = 0; i < count; ++i) {
      const auto to = broker_.place(outputs[i]);
      if (!to) break;
      broker_.append(outputs[i], *to, false);
      touched.insert(*to);
    }
    for (const TopicPartition& p : touched) broker_.find(p)->next += 1;
  }

  Outcome apply() {
    const Transaction& t = step_->transaction;
    std::map<TopicPartition, std::int64_t> ends;
    for (const OutputRecord& out : t.outputs) {
      const TopicPartition to = *broker_.place(out);
      ends[to] = broker_.append(out, to, true) + 1;
    }
    for (const auto& [p, end] : ends) broker_.find(p)->next += 1;
    std::map<TopicPartition, std::int64_t> changelog;
    for (const auto& [p, next] : t.next_offsets) {
      Committed& committed = group().committed[p];
      committed.next_offset = next;
      if (t.changelog_topic.empty()) {
        committed.changelog_next.reset();
        continue;
      }
      const auto end = ends.find({t.changelog_topic, p.partition});
      changelog[p] = end != ends.end() ? end->second : committed.changelog_next.value_or(0);
      committed.changelog_next = changelog[p];
    }
    return changelog;
  }

  void resolve() {
    if (!step_->outcome) step_->outcome = decided();
  }
  Outcome decided() {
    if (fenced()) {
      if (broker_.below(2) == 0) tear();
      return Status(Code::fenced, "fenced");
    }
    for (const OutputRecord& out : step_->transaction.outputs) {
      if (broker_.place(out) && bytes_of(out) <= broker_.topics[out.topic].record_bytes_max) continue;
      broker_.happened(Fault::output_too_large);
      tear();
      return Status(Code::invalid, "an output of topic " + out.topic + " can never be written");
    }
    if (!step_->sent && !may_move()) {
      broker_.happened(Fault::stale_commit, transactional_id_);
      tear();
      return Status(Code::aborted, "not the group's generation, or not our partitions");
    }
    if (!step_->fault) return apply();
    switch (*step_->fault) {
      case Fault::commit_torn: tear(); [[fallthrough]];
      case Fault::commit_aborted: return Status(Code::aborted, "aborted by the broker");
      case Fault::commit_unknown_applied: (void)apply(); break;
      case Fault::commit_unknown_lost: tear(); break;
      default: dead_ = true; return Status(Code::fenced, "fenced");
    }
    dead_ = true;
    return Status(Code::internal, "outcome not known in time");
  }

  void put_back() {
    for (auto& [p, input] : inputs_) input.position = broker_.committed(group(), p).next_offset;
    put_back_ = true;
  }

  Status set_paused(const std::vector<TopicPartition>& partitions, bool paused) {
    const std::lock_guard lock(broker_.mutex);
    for (const TopicPartition& p : partitions) {
      if (!inputs_.contains(p)) return {Code::not_found, "not assigned: topic " + p.topic};
    }
    for (const TopicPartition& p : partitions) inputs_[p].paused = paused;
    return {};
  }

  void disturb_group() {
    Group& g = group();
    if (const auto me = g.members.find(id_); me != g.members.end() && broker_.clock.now() - me->second.seen <= kSessionTimeout) {
      me->second.seen = broker_.clock.now();
    }
    broker_.end_sessions(g);
    if (g.members.empty()) return;
    const auto some = [this](auto& map) { return std::next(map.begin(), static_cast<std::ptrdiff_t>(broker_.below(map.size()))); };
    if (!g.target.empty() && broker_.draw(Fault::partition_moved)) {
      const auto moved = some(g.target);
      const auto to = some(g.members);
      if (wants(to->second.subscription, moved->first.topic)) moved->second = to->first;
      g.bounced.insert(moved->first);
      g.generation += 1;
    }
    if (broker_.draw(Fault::member_put_out)) broker_.remove(g, some(g.members)->first);
  }

  /// The member's part in the group's life: hears that it was put out, joins, gives up one partition, takes what is free.
  void take_part() {
    Group& g = group();
    if (!inputs_.empty() && broker_.draw(Fault::news_delayed)) return;
    if (!g.members.contains(id_)) {
      give_up(assignment(), true);
      g.members[id_] = {transactional_id_, subscription_, broker_.clock.now(), 0};
      broker_.retarget(g);
    } else if (std::any_of(broker_.topics.begin(), broker_.topics.end(), [&](const auto& topic) {
                 return wants(subscription_, topic.first) && !g.target.contains({topic.first, 0});
               })) {
      broker_.retarget(g);  // a new topic
    }
    g.members[id_].generation = g.generation;
    for (const auto& [p, input] : inputs_) {
      if (g.target[p] == id_ && !g.bounced.contains(p)) continue;
      give_up({p}, false);
      break;
    }
    std::vector<TopicPartition> added;
    for (const auto& [p, to] : g.target) {
      if (to != id_ || g.owner.contains(p)) continue;
      g.owner[p] = id_;
      g.bounced.erase(p);
      inputs_[p] = {broker_.committed(g, p).next_offset, false};
      added.push_back(p);
    }
    if (!added.empty() && listener_.assigned) listener_.assigned(added);
  }

  void give_up(const std::vector<TopicPartition>& partitions, bool lost) {
    if (partitions.empty()) return;
    if (listener_.revoked) listener_.revoked(partitions, lost);
    for (const TopicPartition& p : partitions) {
      if (step_ && step_->transaction.next_offsets.contains(p)) resolve();
      inputs_.erase(p);
      if (!lost) group().owner.erase(p);
    }
  }

  /// In turn from each partition that has something, so that none starves.
  std::vector<Record> gather(std::size_t max_records) {
    if (max_records > 0 && broker_.draw(Fault::short_poll)) max_records = broker_.below(max_records);
    std::vector<std::pair<Partition*, Input*>> sources;
    for (auto& [p, input] : inputs_) {
      if (!input.paused) sources.emplace_back(broker_.find(p), &input);
    }
    std::vector<Record> records;
    for (bool more = true; more && records.size() < max_records;) {
      more = false;
      for (auto& [partition, input] : sources) {
        const std::size_t at = index_of(*partition, input->position);
        if (at == partition->visible.size() || records.size() == max_records) continue;
        records.push_back(partition->visible[at]);
        input->position = records.back().position.offset + 1;
        more = true;
      }
    }
    return records;
  }

  Broker& broker_;
  const std::string group_, transactional_id_;
  const std::uint64_t id_;
  std::vector<std::string> subscription_;
  AssignmentListener listener_;
  std::map<TopicPartition, Input> inputs_;  ///< as far as the client knows
  std::optional<Step> step_;
  bool dead_ = false;
  bool put_back_ = false;  ///< in this poll()
};

Committed SimulatedLog::Broker::committed(Group& group, const TopicPartition& partition) {
  for (const auto& [id, client] : clients) client->decide(partition);
  const auto found = group.committed.find(partition);
  return found == group.committed.end() ? Committed{} : found->second;
}

class SimulatedLog::Reader final : public TopicReader {
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
  Result<std::vector<Record>> read(const TopicPartition& partition, std::int64_t from, std::size_t max_records,
                                   Millis max_wait) override {
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

class SimulatedLog::DirectAppender final : public Appender {
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

SimulatedLog::SimulatedLog(SimulatedClock& clock, std::mt19937_64& random) : broker_(std::make_unique<Broker>(clock, random)) {}
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
  return std::unique_ptr<EventLog>(std::make_unique<Client>(*broker_, group, transactional_id));
}

Result<std::unique_ptr<TopicReader>> SimulatedLog::reader() {
  return std::unique_ptr<TopicReader>(std::make_unique<Reader>(*broker_));
}

Result<std::unique_ptr<Appender>> SimulatedLog::appender() {
  return std::unique_ptr<Appender>(std::make_unique<DirectAppender>(*broker_));
}

void SimulatedLog::set_probability(Fault fault, double probability) {
  broker_->probability[static_cast<std::size_t>(fault)] = probability;
}
void SimulatedLog::calm() { broker_->probability.fill(0); }
void SimulatedLog::set_crashing(bool crashing) { broker_->crashing = crashing; }
void SimulatedLog::limit_records(const std::string& topic, std::size_t bytes_max) {
  broker_->topics.at(topic).record_bytes_max = bytes_max;
}
void SimulatedLog::set_trace(std::function<void(const std::string&)> trace) { broker_->trace = std::move(trace); }
const std::array<std::uint64_t, kFaultCount>& SimulatedLog::counts() const { return broker_->counts; }
std::uint64_t SimulatedLog::failed_commits() const { return broker_->failed_commits; }

void SimulatedLog::compact(const std::string& topic) {
  for (Partition& partition : broker_->topics.at(topic).partitions) {
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
