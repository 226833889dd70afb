#include "daemon/pipeline/identity.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "state/records/person_key.h"

namespace lacuna::daemon {

namespace {

constexpr const char* kSplit =
    "what is known of a patient is split between partitions. The producer has to set the patient_id as key and to place keys by murmur2: "
    "partitioner=murmur2_random for librdkafka, the default of the Java client. Counted in lacuna_identity_wrong_keys_total; not said "
    "again";
constexpr const char* kOfAnotherSite =
    "are of another site than the one their patient was last at, and no transfer (stay.site) said so. Where sites number their patients "
    "independently, different persons are taken for one: set identity.namespace: site. Counted in lacuna_identity_site_changes_total; "
    "not said again";

}  // namespace

IdentityCounts& IdentityCounts::operator+=(const IdentityCounts& other) {
  wrong_keys += other.wrong_keys;
  wrong_partitions += other.wrong_partitions;
  site_changes += other.site_changes;
  return *this;
}

bool is_misplaced(const streaming::Record& record, std::string_view patient_id, const PartitionCounts& partitions) {
  const auto count = partitions.find(record.position.topic);
  return count != partitions.end() && streaming::partition_for(patient_id, count->second) != record.position.partition;
}

bool check_placement(const streaming::Record& record, std::string_view patient_id, const PartitionCounts& partitions,
                     IdentityFindings& findings) {
  const SourcePosition& at = record.position;
  if (record.key != patient_id) findings[at.topic].wrong_keys += 1;
  const bool misplaced = is_misplaced(record, patient_id, partitions);
  if (misplaced) findings[at.topic].wrong_partitions += 1;
  return misplaced;
}

std::optional<std::string> name_person(NamespaceSource source, const std::string& topic, Event& event) {
  const std::string name_space = source == NamespaceSource::topic ? topic : source == NamespaceSource::site ? event.site : std::string();
  if (!name_space.empty() && !is_namespace(name_space)) {
    return std::string(source == NamespaceSource::topic ? "topic" : "site") +
           ": cannot be a namespace (identity.namespace), which is made of letters, digits, '.', '_' and '-'";
  }
  event.patient_id = person_key(name_space, event.patient_id);
  if (!event.merged_into.empty()) event.merged_into = person_key(name_space, event.merged_into);
  return std::nullopt;
}

bool changes_site(const Snapshot& before, const Event& event) {
  if (before.site.empty() || event.site.empty() || event.time < before.last_time) return false;
  return event.site != before.site && event.site != event.stay_site;
}

void IdentityWatch::add(const IdentityFindings& found, Time now) {
  for (const auto& [topic, counts] : found) {
    counts_[topic] += counts;
    if (counts.site_changes > 0 && !std::exchange(warned_of_sites_, true)) {
      spdlog::warn("topic {}: {} events {}", topic, counts.site_changes, kOfAnotherSite);
    }
    if (counts.wrong_keys + counts.wrong_partitions == 0) continue;
    wrong_.notice(now);
    if (!warned_.insert(topic).second) continue;
    spdlog::warn("topic {}: {} records whose key is not their patient's id, {} that do not lie in the partition of that id: {}", topic,
                 counts.wrong_keys, counts.wrong_partitions, kSplit);
  }
}

}  // namespace lacuna::daemon
