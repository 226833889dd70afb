// Goal: an event's persons get the keys that the configuration says, or a reason that quotes nothing. A record with a wrong key, or in a
// wrong partition, is counted under its topic and its fault and under no other; one that is right never is. The daemon is degraded from the
// first of them until an hour after the last. Method: records with one fault each, random ones in topics of several sizes, a clock that the
// test moves.

#include "daemon/pipeline/identity.h"

#include <gtest/gtest.h>

#include <random>

namespace lacuna::daemon {
namespace {

Time minute(int m) { return *parse_rfc3339("2026-01-01T00:00:00Z") + std::chrono::minutes(m); }

streaming::Record record(const std::string& topic, std::int32_t partition, const std::string& key) {
  streaming::Record r;
  r.position = {topic, partition, 0};
  r.key = key;
  return r;
}

TEST(Placement, ASingleFaultIsCountedAsWhatItIs) {
  const PartitionCounts partitions{{"in", 4}, {"alone", 1}};
  const std::int32_t own = streaming::partition_for("1001", 4), other = (own + 1) % 4;
  const auto counted = [&](const streaming::Record& r) {
    IdentityFindings findings;
    check_placement(r, "1001", partitions, findings);
    return findings;
  };
  EXPECT_TRUE(counted(record("in", own, "1001")).empty());
  EXPECT_EQ(counted(record("in", own, "lab-1")), (IdentityFindings{{"in", {1, 0}}}));
  EXPECT_EQ(counted(record("in", own, "")), (IdentityFindings{{"in", {1, 0}}})) << "without a key";
  EXPECT_EQ(counted(record("in", other, "1001")), (IdentityFindings{{"in", {0, 1}}}));
  EXPECT_EQ(counted(record("in", other, "1001 ")), (IdentityFindings{{"in", {1, 1}}}));
  EXPECT_TRUE(counted(record("alone", 0, "1001")).empty());
  EXPECT_TRUE(counted(record("not-known", 3, "1001")).empty()) << "how many partitions it has is not known";
  EXPECT_EQ(counted(record("not-known", 3, "1002")), (IdentityFindings{{"not-known", {1, 0}}}));
}

TEST(Placement, EachTopicIsHeldAgainstItsOwnNumberOfPartitions) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const PartitionCounts partitions{{"a", 2}, {"b", 3}, {"c", 7}};
  IdentityFindings findings, expected;
  for (int i = 0; i < 3000; ++i) {
    auto topic = partitions.begin();
    std::advance(topic, random() % 3);
    const std::string id = std::to_string(random() % 500);
    const auto partition = static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(topic->second));
    check_placement(record(topic->first, partition, id), id, partitions, findings);
    if (partition != streaming::partition_for(id, topic->second)) expected[topic->first].wrong_partitions += 1;
  }
  EXPECT_EQ(findings, expected);
  EXPECT_EQ(findings.size(), 3u);
}

Event event(const std::string& site, int time) {
  Event e;
  e.patient_id = "1001";
  e.site = site;
  e.time = minute(time);
  return e;
}

TEST(Namespaces, AreNoneTheTopicOrTheSite) {
  const auto named = [](NamespaceSource source, const std::string& topic, Event e) {
    e.merged_into = "1002";
    EXPECT_FALSE(name_person(source, topic, e));
    return e.patient_id + " " + e.merged_into;
  };
  EXPECT_EQ(named(NamespaceSource::none, "adt", event("north", 0)), "1001 1002");
  EXPECT_EQ(named(NamespaceSource::topic, "adt", event("north", 0)), "adt|1001 adt|1002");
  EXPECT_EQ(named(NamespaceSource::site, "adt", event("north", 0)), "north|1001 north|1002");
  EXPECT_EQ(named(NamespaceSource::site, "adt", event("", 0)), "1001 1002") << "without a site: the default namespace";
  Event odd = event("", 0);
  odd.patient_id = "a|b";
  EXPECT_EQ(named(NamespaceSource::site, "adt", odd), "|a|b 1002");
  Event none = event("north", 0);
  EXPECT_FALSE(name_person(NamespaceSource::site, "adt", none));
  EXPECT_EQ(none.merged_into, "");
}

TEST(Namespaces, OfOtherCharactersAreRefusedWithoutQuotingThem) {
  for (const char* site : {"ward 3", "north|1001", "K\xc3\xb6ln", "a/b"}) {
    Event e = event(site, 0);
    const auto wrong = name_person(NamespaceSource::site, "adt", e);
    ASSERT_TRUE(wrong) << site;
    EXPECT_TRUE(wrong->starts_with("site: cannot be a namespace")) << *wrong;
    EXPECT_EQ(wrong->find(site), std::string::npos);
    EXPECT_FALSE(name_person(NamespaceSource::none, "adt", e)) << "where it is none it may be anything";
  }
}

TEST(Sites, ChangeWhereNobodySaidSo) {
  Snapshot before;
  before.site = "north";
  before.last_time = minute(10);
  before.event_count = 1;
  EXPECT_FALSE(changes_site(before, event("north", 11)));
  EXPECT_TRUE(changes_site(before, event("south", 11)));
  EXPECT_TRUE(changes_site(before, event("south", 10)));
  EXPECT_FALSE(changes_site(before, event("south", 9))) << "what comes late may be from before a transfer";
  EXPECT_FALSE(changes_site(before, event("", 11)));
  Event transfer = event("south", 11);
  transfer.stay_site = "south";
  EXPECT_FALSE(changes_site(before, transfer)) << "told by where the patient goes to";
  transfer.stay_site = "west";
  EXPECT_TRUE(changes_site(before, transfer));
  before.site.clear();
  EXPECT_FALSE(changes_site(before, event("south", 11)));
}

TEST(IdentityWatch, SitesDegradeNothing) {
  IdentityWatch watch;
  watch.add({{"a", {0, 0, 7}}}, minute(0));
  EXPECT_TRUE(watch.degraded(minute(0)).empty());
  EXPECT_EQ(watch.counts(), (IdentityFindings{{"a", {0, 0, 7}}}));
}

TEST(IdentityWatch, IsDegradedFromTheFirstUntilAnHourAfterTheLast) {
  IdentityWatch watch;
  const IdentityFindings wrong{{"in", {0, 1}}};
  EXPECT_TRUE(watch.degraded(minute(0)).empty());
  watch.add({}, minute(1));
  EXPECT_TRUE(watch.degraded(minute(1)).empty());
  watch.add(wrong, minute(2));
  watch.add({}, minute(3));
  EXPECT_EQ(watch.degraded(minute(3)), (std::vector<Degradation>{{"wrong_keys", minute(2)}}));
  watch.add(wrong, minute(50));
  EXPECT_EQ(watch.degraded(minute(110)), (std::vector<Degradation>{{"wrong_keys", minute(2)}})) << "an hour after the last";
  EXPECT_TRUE(watch.degraded(minute(111)).empty());
  watch.add(wrong, minute(200));
  EXPECT_EQ(watch.degraded(minute(201)), (std::vector<Degradation>{{"wrong_keys", minute(200)}})) << "it begins anew";
  EXPECT_EQ(watch.counts(), (IdentityFindings{{"in", {0, 3}}}));
}

TEST(IdentityWatch, TopicsAreCountedApart) {
  IdentityWatch watch;
  watch.add({{"a", {1, 2}}}, minute(0));
  watch.add({{"b", {0, 5}}, {"a", {2, 0}}}, minute(1));
  EXPECT_EQ(watch.counts(), (IdentityFindings{{"a", {3, 2}}, {"b", {0, 5}}}));
}

}  // namespace
}  // namespace lacuna::daemon
