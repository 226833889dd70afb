#include <algorithm>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include "tests/support/simulated_broker.h"

namespace lacuna::streaming::simulated {

namespace {

using Outcome = Result<std::map<TopicPartition, std::int64_t>>;

std::size_t bytes_of(const OutputRecord& record) {
  std::size_t bytes = record.key.size() + (record.value ? record.value->size() : 0);
  for (const auto& [name, value] : record.headers) bytes += name.size() + value.size();
  return bytes;
}

class Client final : public EventLog, public Participant {
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
    if (must_put_back_ && !step_) {
      if (broker_.draw(Fault::rewind_refused, transactional_id_)) return Status(Code::unavailable, "putting back");
      put_back();
    }
    disturb_group();
    polling_ = true;
    take_part();
    polling_ = false;
    std::vector<Record> records = gather(max_records);
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
    if (must_put_back_ && !partitions().empty()) {
      step_->outcome = Status(Code::aborted, "the read positions have to be put back first");
      return;
    }
    for (const Fault f :
         {Fault::commit_aborted, Fault::commit_torn, Fault::commit_unknown_applied, Fault::commit_unknown_lost, Fault::fenced}) {
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
    // What was polled since the step began goes back with it, in the next poll().
    if (outcome.code() == Code::aborted || outcome.code() == Code::invalid) {
      must_put_back_ = true;
      if (polling_) broker_.happened(all_paused() ? Fault::failed_in_paused_poll : Fault::failed_in_poll, transactional_id_);
    }
    return outcome;
  }

  Result<Committed> committed(const TopicPartition& partition, Millis limit) override {
    const std::lock_guard lock(broker_.mutex);
    broker_.take_time();
    if (broker_.draw(Fault::committed_unavailable)) {
      broker_.clock.advance(limit);
      return Status(Code::unavailable, "committed");
    }
    return broker_.committed(group(), partition);
  }

  std::int64_t marker_offsets() const override { return 1; }
  std::vector<TopicPartition> assignment() const override {
    const std::lock_guard lock(broker_.mutex);
    std::vector<TopicPartition> out;
    for (const auto& [partition, input] : inputs_) out.push_back(partition);
    return out;
  }

  using EventLog::lag;
  std::int64_t lag(const TopicPartition& p) const override {
    const std::lock_guard lock(broker_.mutex);
    const auto input = inputs_.find(p);
    if (input == inputs_.end()) return 0;
    const Partition& partition = *broker_.find(p);
    return static_cast<std::int64_t>(partition.visible.size() - index_of(partition, input->second.position));
  }

  void decide(const TopicPartition& partition) override {
    if (step_ && step_->sent && moves(partition)) resolve();
  }
  void taken_over() override {
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

  bool moves(const TopicPartition& p) const {
    return step_->transaction.next_offsets.contains(p) || step_->transaction.unmoved.contains(p);
  }
  std::vector<TopicPartition> partitions() const {
    std::vector<TopicPartition> out(step_->transaction.unmoved.begin(), step_->transaction.unmoved.end());
    for (const auto& [p, next] : step_->transaction.next_offsets) out.push_back(p);
    return out;
  }
  bool may_move() const {
    const Group& g = group();
    const auto me = g.members.find(id_);
    const std::vector<TopicPartition> moved = partitions();
    if (moved.empty()) return true;
    if (me == g.members.end() || me->second.generation != g.generation) return false;
    return std::all_of(moved.begin(), moved.end(), [&](const TopicPartition& p) {
      const auto owner = g.owner.find(p);
      return inputs_.contains(p) && owner != g.owner.end() && owner->second == id_;
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
    for (const TopicPartition& p : partitions()) {
      Committed& committed = group().committed[p];
      if (const auto next = t.next_offsets.find(p); next != t.next_offsets.end()) committed.next_offset = next->second;
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
    must_put_back_ = false;
  }
  bool all_paused() const {
    return std::all_of(inputs_.begin(), inputs_.end(), [](const auto& input) { return input.second.paused; });
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
    if (const auto me = g.members.find(id_);
        me != g.members.end() && broker_.clock.now() - me->second.seen <= SimulatedLog::kSessionTimeout) {
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
      if (step_ && moves(p)) resolve();
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
  bool must_put_back_ = false;  ///< a step failed, and no poll() has begun since
  bool polling_ = false;        ///< the listener may be called
};

}  // namespace

std::unique_ptr<EventLog> make_client(Broker& broker, std::string group, std::string transactional_id) {
  return std::make_unique<Client>(broker, std::move(group), std::move(transactional_id));
}

}  // namespace lacuna::streaming::simulated
