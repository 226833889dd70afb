// A schema that changes between two starts, through the whole loop.
//
// Goal: every number after a change of the schema is right, whether the disk is kept or lost and the model was published or not: states are
// those of before, by name, in the new unit; learning, detectors and scores of what stays go on; what cannot be carried is refused, and
// the way back is open. Method: a matrix of changes; patients' values differ by feature by orders of magnitude, so that a value
// under another's name is seen.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "state/schema_book.h"
#include "tests/support/schema_growth.h"

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;

TEST_P(SchemaGrowth, IsARestart) { is_a_restart(GetParam()); }

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const Change& change : changes()) {
    for (const bool disk_kept : {true, false}) {
      for (const bool published : {true, false}) out.push_back({change, disk_kept, published});
    }
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(Matrix, SchemaGrowth, ::testing::ValuesIn(cases()), [](const auto& tested) { return name_of(tested.param); });

class SchemaRefused : public SchemaGrowth {
 protected:
  /// Patients, and a schema with a modality that nothing leads to; what was told is the answer to its start, and the way back is open.
  void refuse(bool published, bool disk_kept, const std::string& topic, const std::string& key) {
    ASSERT_TRUE(start().ok());
    for (int patient = 0; patient < kPatients; ++patient) send(patient, 0);
    work(published);
    pipeline_.reset();
    const auto old = config_.schema;
    Declared declared = before();
    declared.modality("ecg").features.clear();
    declared.modality("ecg").modality.kind = ModalityKind::signal;
    declared.modality("ecg").modality.payload.channels = 1;
    declared.modality("ecg").modality.payload.length = 16;
    config_.schema = std::make_shared<Schema>(declared.make());
    if (!disk_kept) fs::remove_all(config_.store.path);
    Status told = start();
    if (told.ok()) told = pipeline_->run(true);
    ASSERT_EQ(told.code(), Code::unsupported) << told.to_string();
    for (const std::string& part : {std::string("'ecg'"), std::string("another name"), topic, key})
      EXPECT_THAT(told.message(), HasSubstr(part));
    pipeline_.reset();

    config_.schema = old;
    const Status back = start();
    ASSERT_TRUE(back.ok()) << back.to_string();
    work(true);
    for (int patient = 0; patient < kPatients; ++patient) EXPECT_EQ(pipeline_->patient(id_of(patient))->features[0].count, 1u);
  }
};

TEST_F(SchemaRefused, ByTheStore) { refuse(true, true, config_.store.path, ""); }
TEST_F(SchemaRefused, ByThePublishedModel) { refuse(true, false, config_.topics.model, config_.instance); }
TEST_F(SchemaRefused, ByTheChangelog) { refuse(false, false, config_.topics.state, state::schema_key(config_.schema->fingerprint())); }

}  // namespace
}  // namespace lacuna::daemon
