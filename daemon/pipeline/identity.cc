#include "daemon/pipeline/identity.h"

#include <spdlog/spdlog.h>

namespace lacuna::daemon {

namespace {

constexpr const char* kSplit =
    "what is known of a patient is split between partitions. The producer has to set the patient_id as key and to place keys by murmur2: "
    "partitioner=murmur2_random for librdkafka, the default of the Java client. Counted in lacuna_identity_wrong_keys_total; not said "
    "again";

}  // namespace

IdentityCounts& IdentityCounts::operator+=(const IdentityCounts& other) {
  wrong_keys += other.wrong_keys;
  wrong_partitions += other.wrong_partitions;
  return *this;
}

void check_placement(const streaming::Record& record, std::string_view patient_id, const PartitionCounts& partitions,
                     IdentityFindings& findings) {
  const SourcePosition& at = record.position;
  if (record.key != patient_id) findings[at.topic].wrong_keys += 1;
  const auto count = partitions.find(at.topic);
  if (count == partitions.end() || streaming::partition_for(patient_id, count->second) == at.partition) return;
  findings[at.topic].wrong_partitions += 1;
}

void IdentityWatch::add(const IdentityFindings& found, Time now) {
  for (const auto& [topic, counts] : found) {
    counts_[topic] += counts;
    if (counts.wrong_keys + counts.wrong_partitions == 0) continue;
    if (!wrong_ || now - wrong_->last > kMemory) wrong_ = Spell{now, now};
    wrong_->last = now;
    if (!warned_.insert(topic).second) continue;
    spdlog::warn("topic {}: {} records whose key is not their patient's id, {} that do not lie in the partition of that id: {}", topic,
                 counts.wrong_keys, counts.wrong_partitions, kSplit);
  }
}

std::vector<Degradation> IdentityWatch::degraded(Time now) const {
  if (!wrong_ || now - wrong_->last > kMemory) return {};
  return {{kDegradedReasons[0], wrong_->first}};
}

}  // namespace lacuna::daemon
