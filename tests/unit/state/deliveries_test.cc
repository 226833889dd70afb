// Protects: what a delivery does depends on what was taken before under its id and its result, and on the revisions alone. Examples of each
// verdict; then random reports of one result in random order, where the highest revision has to hold in the end.

#include "state/deliveries.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using testing::at_minutes;
using testing::Random;

constexpr PartKey kHr = 17;

Revision number(double value) { return {Revision::Kind::number, value}; }
Revision time(std::int64_t minute) { return {Revision::Kind::time, static_cast<double>(at_minutes(minute).time_since_epoch().count())}; }

// One patient's ids; answers as the daemon asks.
class Ids {
 public:
  Verdict deliver(const std::string& event, const std::string& result, double value, Revision revision = {}, bool withdraws = false) {
    const Claim claim{kHr, value_tag(value, at_minutes(0)), revision, withdraws};
    const Verdict verdict = judge(find(events_, event), find(results_, result), !result.empty(), claim);
    if (verdict == Verdict::duplicate || verdict == Verdict::conflict || verdict == Verdict::mixed) return verdict;
    if (!withdraws) record(events_[event], claim);
    if (verdict == Verdict::superseded) return verdict;
    if (!result.empty()) record(results_[result], claim);
    else if (withdraws) record(events_[event], claim);
    return verdict;
  }

 private:
  using Map = std::map<std::string, Delivery>;
  static const Delivery* find(const Map& map, const std::string& id) {
    const auto at = map.find(id);
    return at == map.end() ? nullptr : &at->second;
  }
  Map events_, results_;
};

TEST(Deliveries, AnEventIsAFactOfItsOwn) {
  Ids ids;
  EXPECT_EQ(ids.deliver("a", "", 70), Verdict::fresh);
  EXPECT_EQ(ids.deliver("a", "", 70), Verdict::duplicate);
  EXPECT_EQ(ids.deliver("a", "", 71), Verdict::conflict);
  EXPECT_EQ(ids.deliver("b", "", 71), Verdict::fresh);
  EXPECT_EQ(ids.deliver("a", "", 0, {}, true), Verdict::correction);
  EXPECT_EQ(ids.deliver("a", "", 0, {}, true), Verdict::duplicate);
  EXPECT_EQ(ids.deliver("a", "", 70), Verdict::duplicate) << "a second delivery does not bring back what was withdrawn";
  EXPECT_EQ(ids.deliver("c", "", 0, {}, true), Verdict::fresh) << "before what it withdraws";
}

TEST(Deliveries, TheHighestRevisionHolds) {
  Ids ids;
  EXPECT_EQ(ids.deliver("a", "r", 70, number(2)), Verdict::fresh);
  EXPECT_EQ(ids.deliver("b", "r", 71, number(1)), Verdict::superseded);
  EXPECT_EQ(ids.deliver("b", "r", 71, number(1)), Verdict::duplicate);
  EXPECT_EQ(ids.deliver("c", "r", 72, number(3)), Verdict::correction);
  EXPECT_EQ(ids.deliver("d", "r", 73, number(3)), Verdict::correction) << "equal: the later in the partition";
  EXPECT_EQ(ids.deliver("e", "r", 74), Verdict::correction) << "absent: the later in the partition";
  EXPECT_EQ(ids.deliver("f", "r", 75, number(2)), Verdict::superseded) << "the highest revision is remembered";
  EXPECT_EQ(ids.deliver("a", "r", 99, number(2)), Verdict::conflict);
  EXPECT_EQ(ids.deliver("a", "r", 99, number(4)), Verdict::correction) << "the same event id with a higher revision";
  EXPECT_EQ(ids.deliver("g", "r", 75, time(5)), Verdict::mixed);
  EXPECT_EQ(ids.deliver("h", "other", 75, time(5)), Verdict::fresh);
}

TEST(Deliveries, WithdrawnAndRestored) {
  Ids ids;
  EXPECT_EQ(ids.deliver("w", "r", 0, number(2), true), Verdict::fresh);
  EXPECT_EQ(ids.deliver("a", "r", 70, number(1)), Verdict::superseded) << "withdrawn before it came";
  EXPECT_EQ(ids.deliver("b", "r", 71, number(3)), Verdict::restored);
  EXPECT_EQ(ids.deliver("v", "r", 0, number(2), true), Verdict::superseded);
  EXPECT_EQ(ids.deliver("x", "r", 0, number(4), true), Verdict::correction);
}

TEST(Deliveries, WithdrawnAsAWholeBeforeAnyPartCame) {
  Delivery result;
  record(result, {PartKeys::kAll, 0, number(2), true});
  const Claim older{kHr, 1, number(1), false}, newer{kHr, 1, number(3), false};
  EXPECT_EQ(judge(nullptr, &result, true, older), Verdict::superseded);
  EXPECT_EQ(judge(nullptr, &result, true, newer), Verdict::fresh);
}

TEST(Deliveries, RevisionsOfAResultAreOfOneKindInAllItsParts) {
  Delivery result;
  record(result, {kHr, 1, number(2), false});
  EXPECT_EQ(judge(nullptr, &result, true, {kHr + 1, 1, time(5), false}), Verdict::mixed);
  EXPECT_EQ(judge(nullptr, &result, true, {PartKeys::kAll, 0, time(5), true}), Verdict::mixed);
  EXPECT_EQ(judge(nullptr, &result, true, {kHr + 1, 1, number(1), false}), Verdict::fresh);
}

TEST(Deliveries, InWhateverOrderTheyCome) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::vector<int> revisions(2 + random.below(6));
    for (std::size_t i = 0; i < revisions.size(); ++i) revisions[i] = static_cast<int>(i);
    for (std::size_t i = revisions.size(); i > 1; --i) std::swap(revisions[i - 1], revisions[random.below(i)]);
    Ids ids;
    int holds = -1;
    for (const int revision : revisions) {
      const Verdict verdict = ids.deliver("e" + std::to_string(revision), "r", revision, number(revision));
      if (verdict == Verdict::fresh || verdict == Verdict::correction) holds = revision;
      else ASSERT_EQ(verdict, Verdict::superseded);
      ASSERT_EQ(ids.deliver("e" + std::to_string(revision), "r", revision, number(revision)), Verdict::duplicate);
    }
    ASSERT_EQ(holds, static_cast<int>(revisions.size()) - 1);
  }
}

TEST(Deliveries, KeysAreOfNames) {
  const Schema small = testing::test_schema(2, 2), large = testing::test_schema(5, 40);
  const PartKeys a(small), b(large);
  std::set<PartKey> keys;
  for (FeatureId f = 0; f < large.feature_count(); ++f) {
    EXPECT_TRUE(keys.insert(b.feature(f)).second);
    EXPECT_EQ(b.find_feature(b.feature(f)), f);
    EXPECT_FALSE(b.find_payload(b.feature(f)));
    EXPECT_LT(b.feature(f), PartKeys::kEnd);
    EXPECT_GT(b.feature(f), PartKeys::kAll);
  }
  for (ModalityId m = 0; m < large.modality_count(); ++m) {
    EXPECT_TRUE(keys.insert(b.payload(m)).second);
    EXPECT_EQ(b.find_payload(b.payload(m)), m);
  }
  EXPECT_EQ(a.feature(2), b.feature(5)) << "m1.f0 of both";
  EXPECT_FALSE(a.find_feature(b.feature(4)));
}

// Protects: payloads are told apart by their tags alone, and what an earlier build noted of one is known again.
TEST(Deliveries, TagsOfPayloadsAreWide) {
  std::set<Tag> tags;
  Payload payload;
  for (int i = 0; i < 20'000; ++i) {
    payload.text = "report " + std::to_string(i);
    const Tag tag = payload_tag(payload, at_minutes(0)), noted = std::max<Tag>(tag >> 48, 1);
    ASSERT_TRUE(is_wide(tag));
    ASSERT_TRUE(tags.insert(tag).second);
    ASSERT_TRUE(same_tag(noted, tag) && same_tag(tag, noted) && same_tag(tag, tag));
    ASSERT_FALSE(same_tag(noted ^ 1, tag) || same_tag(tag + 1, tag));
  }
  EXPECT_FALSE(is_wide(value_tag(1, at_minutes(0))));
  Delivery noted;
  const Tag tag = payload_tag(payload, at_minutes(0));
  record(noted, {7, std::max<Tag>(tag >> 48, 1), {}, false});
  EXPECT_EQ(judge(&noted, nullptr, false, {7, tag, {}, false}), Verdict::duplicate);
  payload.text = "another";
  EXPECT_EQ(judge(&noted, nullptr, false, {7, payload_tag(payload, at_minutes(0)), {}, false}), Verdict::conflict);
}

TEST(Deliveries, TagsTellContentsApart) {
  std::set<Tag> tags;
  for (int i = 0; i < 100; ++i) tags.insert(value_tag(70 + i, at_minutes(0)));
  for (int i = 1; i < 100; ++i) tags.insert(value_tag(70, at_minutes(i)));
  EXPECT_GT(tags.size(), 190U);
  const auto tags_with = [](std::vector<std::string> categories, std::vector<Attribute> attributes) {
    Feature rhythm;
    rhythm.name = "rhythm";
    rhythm.likelihood = Likelihood::categorical;
    rhythm.categories = categories;
    Schema::ModalitySpec ecg;
    ecg.modality.name = "ecg";
    ecg.features = {rhythm};
    const Schema schema = Schema::make({ecg}, attributes).value();
    const auto index_of = [](const std::vector<std::string>& names, const char* name) {
      return static_cast<double>(std::find(names.begin(), names.end(), name) - names.begin());
    };
    std::set<Tag> told;
    for (const Attribute& a : attributes) {
      if (a.name == "age") told.insert(attribute_tag(a, 54));
      if (a.name == "sex") told.insert(attribute_tag(a, index_of(a.categories, "male")));
    }
    return std::pair(value_tag(schema.features()[0], index_of(categories, "afib"), at_minutes(0)), told);
  };
  Attribute age, sex, weight;
  age.name = "age";
  sex.name = "sex";
  sex.categories = {"female", "male"};
  weight.name = "weight";
  Attribute more = sex;
  more.categories = {"unknown", "female", "male"};
  const auto before = tags_with({"sinus", "afib"}, {age, sex});
  EXPECT_EQ(before, tags_with({"block", "afib", "sinus"}, {weight, more, age})) << "of names, whatever their places";
  EXPECT_EQ(hour_of(Time(Millis(-5))), 0U);
  EXPECT_EQ(hour_of(at_minutes(60)), hour_of(at_minutes(0)) + 1);
}

}  // namespace
}  // namespace lacuna::state
