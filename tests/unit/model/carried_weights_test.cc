// Protects what a network learned under a schema that has grown. Each weight is given a name, made of the schema's; a weight has to come
// from where the same name lay, and from nowhere when there was none. Every change, every shape of network.

#include "model/carried_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "model/network.h"
#include "tests/unit/model/growing_schema.h"
#include "tests/unit/model/weight_names.h"

namespace lacuna::model {
namespace {

using testing::Change;
using testing::changes;
using testing::declared;
using testing::weight_names;

void expect_carried_by_name(const Change& change, const ModelOptions& options, const Schema& from, const Schema& to) {
  const auto mapping = SchemaMapping::make(from, to);
  ASSERT_TRUE(mapping.ok()) << change.name;
  const auto before = weight_names(from, options, change.anew), now = weight_names(to, options);
  std::map<std::string, std::int64_t> known;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i].empty()) continue;
    ASSERT_TRUE(known.emplace(before[i], static_cast<std::int64_t>(i)).second) << "given twice: " << before[i];
  }
  const auto carried = carried_weights(from, to, *mapping, options);
  ASSERT_EQ(carried.size(), static_cast<std::size_t>(Network::parameter_count(InputLayout(to, options.two_sided), options)));
  ASSERT_EQ(carried.size(), now.size());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (now[i].empty()) continue;
    const auto it = known.find(now[i]);
    ASSERT_EQ(carried[i], it == known.end() ? -1 : it->second) << change.name << ": " << now[i];
    kept += it == known.end() ? 0 : 1;
  }
  EXPECT_GT(kept, now.size() / 4) << change.name;
}

ModelOptions small(Fusion fusion) {
  ModelOptions options;
  options.latent_dim = 3;
  options.hidden_dim = 16;
  options.fusion = fusion;
  return options;
}

TEST(CarriedWeights, ComeFromWhereTheirNameLay) {
  const Schema from = declared().schema();
  for (const Fusion fusion : {Fusion::mopoe, Fusion::attention}) {
    ModelOptions options = small(fusion);
    options.two_sided = options.mnar = fusion == Fusion::attention;
    for (const Change& change : changes()) {
      testing::Declared d = declared();
      change.make(d);
      expect_carried_by_name(change, options, from, d.schema());
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

// What a change took away comes back untrained: the other way round holds as well.
TEST(CarriedWeights, TheWayBackToo) {
  const Schema to = declared().schema();
  for (const Change& change : changes()) {
    testing::Declared d = declared();
    change.make(d);
    expect_carried_by_name(change, small(Fusion::mopoe), d.schema(), to);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

// A network that does not read yet how fresh values are over hours: every weight of it has its place, and nothing that is read anew says
// anything of what it knows.
TEST(CarriedWeights, ColumnsThatWereNotReadBeforeBeginAtZero) {
  const Schema schema = declared().schema();
  const auto mapping = SchemaMapping::make(schema, schema);
  ASSERT_TRUE(mapping.ok());
  for (const bool two_sided : {false, true}) {
    ModelOptions options = small(Fusion::mopoe);
    options.two_sided = two_sided;
    const InputLayout layout(schema, two_sided), before(schema, two_sided, kPastColumnsBefore);
    const auto carried = carried_weights(schema, schema, *mapping, options, kPastColumnsBefore);
    ASSERT_EQ(carried.size(), static_cast<std::size_t>(Network::parameter_count(layout, options)));
    std::vector<int> used(static_cast<std::size_t>(Network::parameter_count(before, options)));
    std::int64_t zeros = 0;
    for (const std::int64_t position : carried) {
      if (position >= 0) ++used.at(static_cast<std::size_t>(position));
      zeros += position == kZeroWeight ? 1 : 0;
    }
    const NetworkWeights weights(layout, options);
    const auto names = weight_names(schema, options);
    for (std::size_t i = 0; i < names.size(); ++i) ASSERT_EQ(carried[i] == kNewWeight, names[i].empty()) << names[i];
    EXPECT_EQ(*std::max_element(used.begin(), used.end()), 1);
    const std::int64_t fresh = kPastColumns - kPastColumnsBefore, readers = weights.embed + kFeatureWidth + 1;
    EXPECT_EQ(zeros, layout.features * fresh * (two_sided ? 2 : 1) * readers);
  }
}

}  // namespace
}  // namespace lacuna::model
