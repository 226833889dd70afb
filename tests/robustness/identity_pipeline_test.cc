// Whose events they are, through the whole loop on the embedded log.
//
// Goal: two persons are never taken for one where the configuration says how to tell them apart, not in a state, an imputation or after a
// disk was lost; where it does not, that is told. Producers that place a patient's records wrongly are told of, each record under its topic
// and fault, once in the log and for as long as it lasts in /readyz, while everything is still taken; right ones never are. Method: each
// way of being wrong that producers and numberings are known for, with the counts worked out beside the daemon.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

#include "daemon/pipeline/pipeline.h"
#include "state/records/hash.h"
#include "streaming/messages/encoders.h"
#include "tests/robustness/pipeline_fixture.h"

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kPatients = 20;
constexpr int kHours = 4;

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

/// librdkafka's own choice where none is made: CRC-32 of the key.
std::int32_t crc_partition(std::string_view key, std::int32_t partitions) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : key) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
  }
  return static_cast<std::int32_t>((crc ^ 0xffffffff) % static_cast<std::uint32_t>(partitions));
}

Feature number(std::string name, double high) {
  Feature f;
  f.name = std::move(name);
  f.low = 0;
  f.high = high;
  return f;
}

enum : ModalityId { kVitals, kChemistry };
enum : FeatureId { kHr, kCreatinine, kGlucose };

class IdentityPipeline : public ::testing::Test {
 protected:
  IdentityPipeline() : folder_(scratch("identity")), config_(small_config(folder_)) {
    Schema::ModalitySpec vitals, chemistry;
    vitals.modality.name = "vitals";
    vitals.features = {number("hr", 300)};
    chemistry.modality.name = "chemistry";
    chemistry.features = {number("creatinine", 30), number("glucose", 1000)};
    config_.schema = std::make_shared<Schema>(Schema::make({vitals, chemistry}, {}).value());
    log_ = open_log(config_);
    before_ = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("identity", std::make_shared<spdlog::sinks::ostream_sink_mt>(said_)));
  }
  ~IdentityPipeline() override {
    spdlog::set_default_logger(before_);
    pipeline_.reset();
    log_.reset();
    fs::remove_all(folder_);
  }

  static Time at(int minute) { return *parse_rfc3339("2026-01-01T00:00:00Z") + std::chrono::minutes(minute); }
  static std::string id_of(int patient) { return "x" + std::to_string(patient); }
  static Event event(const std::string& id, const std::string& patient, int minute, ModalityId modality, std::vector<FeatureValue> values) {
    Event e;
    e.event_id = id;
    e.patient_id = patient;
    e.modality = modality;
    e.time = at(minute);
    e.values = std::move(values);
    return e;
  }
  static Event vitals(const std::string& patient, int hour) {
    return event("v" + std::to_string(hour), patient, 60 * hour, kVitals, {{kHr, 80}});
  }
  static Event results(const std::string& patient, int hour) {
    return event("g" + std::to_string(hour), patient, 60 * hour, kChemistry, {{kGlucose, 99}});
  }

  void make_topics(const std::vector<streaming::TopicSpec>& topics) {
    config_.topics.events.clear();
    for (const auto& topic : topics) config_.topics.events.push_back(topic.name);
    ASSERT_TRUE(log_->ensure_topics(topics).ok());
  }
  void append(streaming::OutputRecord record) {
    auto appender = log_->appender();
    ASSERT_TRUE(appender.ok());
    ASSERT_TRUE((*appender)->append(std::move(record)).ok());
    ASSERT_TRUE((*appender)->flush().ok());
  }
  void send(const Event& e, const std::string& key, std::optional<std::int32_t> partition = {}, std::string topic = {}) {
    if (topic.empty()) topic = config_.topics.events.front();
    append({topic, partition, key, streaming::encode_event(*config_.schema, e), {}});
  }
  /// As a producer that is set up rightly does.
  void send(const Event& e) { send(e, e.patient_id); }

  void start() {
    pipeline_.reset();
    auto made = Pipeline::make(config_, *log_, [this] { return now_; }, {});
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    pipeline_ = std::move(*made);
  }
  /// To the end of what there is; the daemon goes on.
  Progress work() {
    for (int idle = 0; idle < 5;) {
      const auto worked = pipeline_->turn();
      EXPECT_TRUE(worked.ok()) << worked.status().to_string();
      if (!worked.ok()) break;
      idle = !*worked && pipeline_->progress().lag == 0 ? idle + 1 : 0;
    }
    EXPECT_TRUE(pipeline_->ready().ok()) << pipeline_->ready().to_string();
    return pipeline_->progress();
  }
  Progress start_and_work() {
    start();
    return pipeline_ ? work() : Progress();
  }

  const fs::path folder_;
  Config config_;
  std::unique_ptr<streaming::LogFactory> log_;
  std::unique_ptr<Pipeline> pipeline_;
  Time now_ = *parse_rfc3339("2026-01-02T00:00:00Z");
  std::ostringstream said_;
  std::shared_ptr<spdlog::logger> before_;
};

// Vitals come from a producer that places keys as Java does, results from one with librdkafka's default.
TEST_F(IdentityPipeline, TwoPartitionersAreCountedWarnedOfAndDegraded) {
  make_topics({{"events", kPartitions, {}}});
  std::uint64_t elsewhere = 0;
  for (int hour = 0; hour < kHours; ++hour) {
    for (int q = 0; q < kPatients; ++q) {
      const std::int32_t partition = crc_partition(id_of(q), kPartitions);
      send(vitals(id_of(q), hour));
      send(results(id_of(q), hour), id_of(q), partition);
      elsewhere += partition != streaming::partition_for(id_of(q), kPartitions) ? 1 : 0;
    }
  }
  ASSERT_GT(elsewhere, 0u);
  const Progress p = start_and_work();
  EXPECT_EQ(p.identity, (IdentityFindings{{"events", {0, elsewhere}}}));
  EXPECT_EQ(p.counts.applied, 2u * kHours * kPatients) << "all of it is taken";
  EXPECT_EQ(degraded(p), (std::vector<Degradation>{{"wrong_keys", now_}}));
  EXPECT_EQ(times(said_.str(), "partitioner=murmur2_random"), 1u) << said_.str();
  EXPECT_THAT(said_.str(), HasSubstr("topic events:"));
  EXPECT_THAT(said_.str(), Not(HasSubstr("x1")));

  // The producer is mended; an hour later nothing is left but the count.
  now_ += DegradedSpell::kMemory + Millis(1);
  send(results(id_of(0), kHours));
  const Progress later = work();
  EXPECT_EQ(later.identity, p.identity);
  EXPECT_TRUE(degraded(later).empty());
}

TEST_F(IdentityPipeline, RightKeysAreNeverToldOf) {
  make_topics({{"events", kPartitions, {}}});
  for (int q = 0; q < kPatients; ++q) send(vitals(id_of(q), 0));
  const Progress p = start_and_work();
  EXPECT_EQ(p.counts.applied, static_cast<std::uint64_t>(kPatients));
  EXPECT_TRUE(p.identity.empty());
  EXPECT_TRUE(degraded(p).empty());
  EXPECT_THAT(said_.str(), Not(HasSubstr("murmur2")));
}

// A connector that was never given a key: a round robin over the partitions.
TEST_F(IdentityPipeline, RecordsWithoutAKey) {
  make_topics({{"events", kPartitions, {}}});
  std::uint64_t elsewhere = 0, sent = 0;
  for (int hour = 0; hour < kHours; ++hour) {
    for (int q = 0; q < kPatients; ++q) {
      const auto partition = static_cast<std::int32_t>(sent++ % kPartitions);
      send(vitals(id_of(q), hour), "", partition);
      elsewhere += partition != streaming::partition_for(id_of(q), kPartitions) ? 1 : 0;
    }
  }
  const Progress p = start_and_work();
  EXPECT_EQ(p.identity, (IdentityFindings{{"events", {sent, elsewhere}}}));
  EXPECT_EQ(degraded(p).size(), 1u);
  EXPECT_EQ(times(said_.str(), "partitioner=murmur2_random"), 1u);
}

// Keyed by the message and not by the patient, in a topic of one partition: nothing is split yet, until somebody adds partitions.
TEST_F(IdentityPipeline, AKeyOfAnotherKindInATopicOfOnePartition) {
  make_topics({{"events", 1, {}}});
  for (int hour = 0; hour < kHours; ++hour) {
    const Event e = vitals(id_of(1), hour);
    send(e, e.event_id);
  }
  const Progress p = start_and_work();
  EXPECT_EQ(p.identity, (IdentityFindings{{"events", {kHours, 0}}}));
  EXPECT_EQ(degraded(p).size(), 1u);
  EXPECT_EQ(pipeline_->patient(id_of(1))->event_count, static_cast<std::uint64_t>(kHours));
}

// Of two topics one is right, and they differ in their number of partitions; what is refused has no patient whose key it could be.
TEST_F(IdentityPipeline, TopicsAreToldApart) {
  make_topics({{"monitors", 3, {}}, {"laboratory", 2, {}}});
  std::uint64_t wrong = 0;
  for (int q = 0; q < kPatients; ++q) {
    send(vitals(id_of(q), 0), id_of(q), {}, "monitors");
    send(results(id_of(q), 0), id_of(q), 0, "laboratory");
    wrong += streaming::partition_for(id_of(q), 2) != 0 ? 1 : 0;
  }
  append({"monitors", 2, "whose", "no JSON", {}});
  const Progress p = start_and_work();
  EXPECT_EQ(p.identity, (IdentityFindings{{"laboratory", {0, wrong}}}));
  EXPECT_EQ(p.counts.refused, 1u);
  EXPECT_THAT(said_.str(), HasSubstr("topic laboratory:"));
  EXPECT_THAT(said_.str(), Not(HasSubstr("topic monitors:")));
}

// Two hospitals number their patients and their results alike.
class TwoSites : public IdentityPipeline {
 protected:
  static Event of(const std::string& site, Event e) {
    e.site = site;
    return e;
  }
  void send_both() {
    make_topics({{"events", kPartitions, {}}});
    send(of("north", event("lab-1", "1001", 0, kChemistry, {{kCreatinine, 0.8}})));
    send(of("south", event("lab-1", "1001", 5, kChemistry, {{kCreatinine, 4.1}})));
    send(of("south", event("lab-2", "1001", 6, kChemistry, {{kGlucose, 240}})));
  }
  void expect_two_persons() {
    EXPECT_EQ(pipeline_->patient("1001").code(), Code::not_found);
    const auto north = pipeline_->patient("north|1001"), south = pipeline_->patient("south|1001");
    ASSERT_TRUE(north.ok() && south.ok());
    EXPECT_EQ(north->event_count, 1u);
    EXPECT_EQ(north->features[kCreatinine].last, 0.8);
    EXPECT_EQ(north->features[kGlucose].count, 0u);
    EXPECT_EQ(south->event_count, 2u);
    EXPECT_EQ(south->features[kCreatinine].last, 4.1);
  }
};

TEST_F(TwoSites, WithoutANamespaceAreCountedAndWarnedOf) {
  send_both();
  const Progress p = start_and_work();
  // "lab-1" of the south is taken for the north's and is not applied.
  EXPECT_EQ(p.counts.applied, 2u);
  EXPECT_EQ(p.identity, (IdentityFindings{{"events", {0, 0, 1}}}));
  EXPECT_EQ(times(said_.str(), "identity.namespace: site"), 1u) << said_.str();
  EXPECT_THAT(said_.str(), Not(HasSubstr("1001")));
  EXPECT_TRUE(degraded(p).empty());

  // And it is said once, however often it happens.
  for (int i = 1; i < 5; ++i) {
    send(of(i % 2 == 0 ? "south" : "north", vitals("1001", i)));
    work();
  }
  EXPECT_EQ(pipeline_->progress().identity.at("events").site_changes, p.identity.at("events").site_changes + 4);
  EXPECT_EQ(times(said_.str(), "identity.namespace: site"), 1u);
}

TEST_F(TwoSites, WithTheSiteAsNamespaceAreTwoPersons) {
  config_.identity_namespace = NamespaceSource::site;
  send_both();
  const Progress p = start_and_work();
  EXPECT_EQ(p.counts.applied, 3u);
  EXPECT_EQ(p.counts.duplicate, 0u) << "each site has a lab-1 of its own";
  EXPECT_TRUE(p.identity.empty()) << "keys are those of the plain ids, and nobody moved";
  expect_two_persons();

  std::map<std::string, std::string> newest;
  for (const auto& r : read_all(*log_, config_.topics.imputations)) {
    EXPECT_EQ(r.position.partition, streaming::partition_for("1001", kPartitions));
    newest[r.key] = *r.value;
  }
  ASSERT_EQ(newest.size(), 2u);
  EXPECT_THAT(newest["north|1001"], HasSubstr(R"("patient_id":"1001","namespace":"north","time":"2026-01-01T00:00:00Z")"));
  EXPECT_THAT(newest["south|1001"], HasSubstr(R"("patient_id":"1001","namespace":"south","time":"2026-01-01T00:06:00Z")"));

  // The disk is lost: the changelog has them apart as well.
  pipeline_.reset();
  fs::remove_all(config_.store.path);
  start_and_work();
  expect_two_persons();
}

// Registration and laboratory number on their own, each through a topic of its own.
TEST_F(TwoSites, WithTheTopicAsNamespaceAreTwoPersons) {
  config_.identity_namespace = NamespaceSource::topic;
  make_topics({{"ward", kPartitions, {}}, {"clinic", 2, {}}});
  for (int hour = 0; hour < 3; ++hour) {
    send(vitals("1001", hour), "1001", {}, "ward");
    send(vitals("1001", hour), "1001", {}, "clinic");
  }
  const Progress p = start_and_work();
  EXPECT_EQ(p.counts.applied, 6u);
  EXPECT_TRUE(p.identity.empty());
  EXPECT_EQ(pipeline_->patient("ward|1001")->event_count, 3u);
  EXPECT_EQ(pipeline_->patient("clinic|1001")->event_count, 3u);
}

// An id may hold what keys are taken apart by; one that reads like another person's key is still its own.
TEST_F(TwoSites, AnIdThatLooksLikeAKeyIsNobodyElse) {
  config_.identity_namespace = NamespaceSource::site;
  make_topics({{"events", kPartitions, {}}});
  send(of("north", vitals("1001", 0)));
  send(vitals("north|1001", 1));
  send(of("north", vitals("|1001", 2)));
  const Progress p = start_and_work();
  EXPECT_TRUE(p.identity.empty());
  EXPECT_EQ(pipeline_->patient("north|1001")->last_time, at(0));
  EXPECT_EQ(pipeline_->patient("|north|1001")->last_time, at(60));
  EXPECT_EQ(pipeline_->patient("north||1001")->last_time, at(120));
  std::map<std::string, std::int32_t> partitions;
  for (const auto& r : read_all(*log_, config_.topics.imputations)) partitions[r.key] = r.position.partition;
  EXPECT_EQ(partitions, (std::map<std::string, std::int32_t>{{"north|1001", streaming::partition_for("1001", kPartitions)},
                                                             {"|north|1001", streaming::partition_for("north|1001", kPartitions)},
                                                             {"north||1001", streaming::partition_for("|1001", kPartitions)}}));
}

// A site that can be no namespace is refused as a whole: mapped to another name it could be taken for that one.
TEST_F(TwoSites, ASiteThatCannotBeANamespaceIsRefused) {
  config_.identity_namespace = NamespaceSource::site;
  make_topics({{"events", kPartitions, {}}});
  send(of("ward 3", vitals("1001", 0)));
  send(of("ward_3", vitals("1001", 1)));
  const Progress p = start_and_work();
  EXPECT_EQ(p.counts.applied, 1u);
  EXPECT_EQ(p.counts.refused_by[static_cast<std::size_t>(streaming::Refusal::malformed)], 1u);
  const auto letters = read_all(*log_, config_.topics.dead_letters);
  ASSERT_EQ(letters.size(), 1u);
  std::string reason;
  for (const auto& [name, value] : letters[0].headers) reason += name == "__connect.errors.exception.message" ? value : "";
  EXPECT_THAT(reason, HasSubstr("site: cannot be a namespace"));
  EXPECT_THAT(reason, Not(HasSubstr("ward")));
  EXPECT_EQ(pipeline_->patient("ward_3|1001")->event_count, 1u);
}

// A transfer that was told of moves a patient; so does one whose telling is of the new site. What comes late from the old one is no move.
TEST_F(TwoSites, ATransferIsNoSecondPerson) {
  make_topics({{"events", kPartitions, {}}});
  const auto transfer = [](const std::string& id, int minute, const std::string& to) {
    Event e = event(id, "1001", minute, kNoModality, {});
    e.stay_site = to;
    return e;
  };
  send(of("north", vitals("1001", 0)));
  send(of("north", transfer("t1", 90, "south")));
  send(of("south", vitals("1001", 2)));
  send(of("west", transfer("t2", 150, "west")));
  send(of("west", vitals("1001", 3)));
  start_and_work();
  send(of("north", results("1001", 1)));
  const Progress p = work();
  EXPECT_EQ(p.counts.applied, 6u);
  EXPECT_TRUE(p.identity.empty());
  EXPECT_EQ(pipeline_->patient("1001")->site, "west");
  EXPECT_THAT(said_.str(), Not(HasSubstr("identity.namespace")));
}

// Protects: whoever makes topics by hand is told which one is missing, what it takes, and what would make it.
TEST_F(IdentityPipeline, AMissingTopicEndsTheStartWithTheWayOut) {
  config_.log.create_topics = false;
  make_topics({{"events", kPartitions, {}},
               {config_.topics.imputations, kPartitions, {}},
               {config_.topics.alerts, 1, {}},
               {config_.topics.dead_letters, 1, {}},
               {config_.topics.model, 1, {}}});
  config_.topics.events = {"events"};
  const auto ends_with = [this] {
    start();
    Status ended;
    for (int turns = 0; turns < 100 && ended.ok(); ++turns) ended = pipeline_->turn().status();
    EXPECT_EQ(ended.code(), Code::not_found);
    return ended.message();
  };
  EXPECT_THAT(ends_with(), HasSubstr("there is no topic " + config_.topics.control +
                                     " (topics.control), and log.create_topics is off: make it with one"));
  ASSERT_TRUE(log_->ensure_topics({{config_.topics.control, 1, {}}}).ok());
  EXPECT_THAT(ends_with(), HasSubstr("there is no topic " + config_.topics.state + " (topics.state)"));
  ASSERT_TRUE(log_->ensure_topics({{config_.topics.state, kPartitions, {}}}).ok());
  const std::string message = ends_with(), partitions = std::to_string(kPartitions);
  EXPECT_THAT(message, HasSubstr("there is no topic " + config_.topics.transfers + " (topics.transfers), and log.create_topics is off"));
  EXPECT_THAT(message, HasSubstr("make it with " + partitions + " partitions, as many as events has"));
  EXPECT_THAT(message, HasSubstr("kafka-topics.sh --create --topic " + config_.topics.transfers + " --partitions " + partitions));
  EXPECT_THAT(message, HasSubstr("--config cleanup.policy=delete --replication-factor 1 --config retention.ms=16416000000"));
  EXPECT_THAT(message, HasSubstr("or set log.create_topics to true"));
  ASSERT_TRUE(log_->ensure_topics({{config_.topics.transfers, kPartitions, {}}}).ok());
  send(vitals("p", 1));
  EXPECT_EQ(start_and_work().counts.applied, 1u);
}

// A ward with a day clinic in it: on the fourth day most are at home for a shift. Without a word that is an outage of the vitals.
TEST_F(IdentityPipeline, WhoIsDischargedIsNotWaitedFor) {
  constexpr int kBeds = 60, kLeft = 54, kLeave = 80, kBack = 89, kEnd = 92;
  for (const bool told : {false, true}) {
    SCOPED_TRACE(told ? "told" : "not told");
    config_.topics.state = told ? "state-told" : "state";
    config_.topics.alerts = told ? "alerts-told" : "alerts";
    config_.log.group = config_.topics.state;
    config_.data_dir = (folder_ / config_.log.group).string();
    config_.store.path = config_.data_dir + "/state";
    make_topics({{told ? "events-told" : "events", kPartitions, {}}});
    auto appender = log_->appender();
    ASSERT_TRUE(appender.ok());
    std::uint64_t sent = 0;
    const auto tell = [&](const Event& e) {
      ASSERT_TRUE((*appender)->append({config_.topics.events[0], {}, e.patient_id, streaming::encode_event(*config_.schema, e), {}}).ok());
      sent += 1;
    };
    for (int hour = 0; hour < kEnd; ++hour) {
      for (int q = 0; q < kBeds; ++q) {
        Event discharge = event("d", id_of(q), 60 * hour, kNoModality, {});
        discharge.stay_ends = true;
        if (told && hour == kLeave && q < kLeft) tell(discharge);
        const bool away = q < kLeft && hour >= kLeave && hour < kBack;
        const bool skipped = hash64(std::to_string(hour), static_cast<std::uint64_t>(q)) % 5 == 0 && hour != kBack;
        if (!away && !skipped) tell(vitals(id_of(q), hour));
      }
    }
    ASSERT_TRUE((*appender)->flush().ok());
    now_ = at(60 * kEnd);
    EXPECT_EQ(start_and_work().counts.applied, sent);
    std::size_t raised = 0;
    for (const auto& alert : read_all(*log_, config_.topics.alerts)) raised += times(*alert.value, "\"kind\":\"missingness\"");
    if (told) EXPECT_EQ(raised, 0u);
    else EXPECT_GT(raised, 0u);
  }
}

}  // namespace
}  // namespace lacuna::daemon
