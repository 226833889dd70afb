#include "tests/support/simulated_broker.h"

#include <algorithm>
#include <regex>
#include <utility>

namespace lacuna::streaming::simulated {

std::size_t index_of(const Partition& partition, std::int64_t offset) {
  const auto at = std::lower_bound(partition.visible.begin(), partition.visible.end(), offset,
                                   [](const Record& r, std::int64_t o) { return r.position.offset < o; });
  return static_cast<std::size_t>(at - partition.visible.begin());
}

bool wants(const std::vector<std::string>& subscription, const std::string& topic) {
  return std::any_of(subscription.begin(), subscription.end(), [&](const std::string& name) {
    return name.starts_with('^') ? std::regex_search(topic, std::regex(name, std::regex::extended)) : name == topic;
  });
}

Partition* Broker::find(const TopicPartition& p) {
  const auto topic = topics.find(p.topic);
  if (topic == topics.end() || p.partition < 0 || static_cast<std::size_t>(p.partition) >= topic->second.partitions.size()) {
    return nullptr;
  }
  return &topic->second.partitions[static_cast<std::size_t>(p.partition)];
}

std::optional<TopicPartition> Broker::place(const OutputRecord& record) const {
  const auto topic = topics.find(record.topic);
  if (topic == topics.end()) return std::nullopt;
  const auto count = static_cast<std::int32_t>(topic->second.partitions.size());
  const std::int32_t number = partition_for(record, count);
  if (number < 0 || number >= count) return std::nullopt;
  return TopicPartition{record.topic, number};
}

std::int64_t Broker::append(const OutputRecord& record, const TopicPartition& to, bool visible) {
  Partition& partition = *find(to);
  const std::int64_t offset = partition.next++;
  if (visible) {
    partition.visible.push_back(
        {{to.topic, to.partition, offset}, record.timestamp.value_or(clock.now()), record.key, record.value, record.headers});
  }
  return offset;
}

void Broker::retarget(Group& group) {
  group.generation += 1;
  std::map<std::uint64_t, std::size_t> load;
  for (const auto& [id, member] : group.members) load[id];
  std::vector<TopicPartition> all;
  for (const auto& [name, topic] : topics) {
    for (std::size_t p = 0; p < topic.partitions.size(); ++p) all.push_back({name, static_cast<std::int32_t>(p)});
  }
  std::erase_if(all, [&](const TopicPartition& p) {
    return std::none_of(group.members.begin(), group.members.end(), [&](const auto& m) { return wants(m.second.subscription, p.topic); });
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

void Broker::remove(Group& group, std::uint64_t id) {
  if (group.members.erase(id) == 0) return;
  std::erase_if(group.owner, [id](const auto& o) { return o.second == id; });
  retarget(group);
}

void Broker::end_sessions(Group& group) {
  std::vector<std::uint64_t> over;
  for (const auto& [id, member] : group.members) {
    if (clock.now() - member.seen > SimulatedLog::kSessionTimeout) over.push_back(id);
  }
  for (const std::uint64_t id : over) {
    happened(Fault::session_over, group.members[id].transactional_id);
    remove(group, id);
  }
}

Committed Broker::committed(Group& group, const TopicPartition& partition) {
  for (const auto& [id, client] : clients) client->decide(partition);
  const auto found = group.committed.find(partition);
  return found == group.committed.end() ? Committed{} : found->second;
}

}  // namespace lacuna::streaming::simulated
