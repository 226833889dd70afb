#include "daemon/tables/model_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kServed = R"({"version":"000412-9f3c21aa","steps":412,"parameters":12345,"examples":9000,"replayed":3000,
  "objective":"stratified","fusion":"mopoe","latent_dim":16,"schema":{"fingerprint":"00aa","modalities":1,"features":2},
  "learned":{"vitals.hr":{"observations":800,"patients":40,"warming_up":false},"vitals.bp":{"observations":1,"patients":1,"warming_up":true}}})";

TEST(ModelTable, TellsWhatTheModelIsAndWhatItHasLearnedFrom) {
  const auto table = model_table(kServed);
  ASSERT_TRUE(table.ok());
  for (const char* part : {"000412-9f3c21aa", "9000, and 3000 replayed", "stratified, fused by mopoe", "1 modality, 2 features"}) {
    EXPECT_THAT(*table, HasSubstr(part));
  }
  EXPECT_THAT(*table, HasSubstr("vitals.bp             1         1  warming up\n"));
  EXPECT_THAT(*table, Not(HasSubstr("checkpoint"))) << "a served one is in no file";
}

TEST(ModelTable, RefusesWhatIsNoSuchAnswer) {
  EXPECT_EQ(model_table("{}").code(), Code::invalid);
  EXPECT_EQ(model_table("<html>").code(), Code::invalid);
}

}  // namespace
}  // namespace lacuna::daemon
