#include "daemon/tables/patient_table.h"

#include <gmock/gmock.h>

#include <cmath>
#include <string>

#include "daemon/http/person_json.h"
#include "state/patient.h"
#include "tests/unit/daemon/http/fixtures.h"

// What people read of one patient: what is known, how old it is, and how much is kept.

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string told(const Snapshot& snapshot) {
  return person_json(testing::small_schema(), snapshot, {12, 2, 7, 5}, testing::at("2026-01-01T02:00:00Z"));
}

Snapshot known() {
  Snapshot s = state::new_snapshot(testing::small_schema(), "north|1001");
  s.site = "icu-1";
  s.event_count = 3;
  s.first_time = testing::at("2025-12-31T23:00:00Z");
  s.last_time = testing::at("2026-01-01T00:30:00Z");
  s.attributes[0] = 54;
  s.features[0] = {73, s.last_time, 3, 71.5F, 70.25F, 0, 72};
  s.features[2] = {99, s.last_time, 1, std::log1p(99.0F), std::log1p(99.0F), 0, std::log1p(99.0F)};
  s.features[3] = {1, s.last_time, 1, 1, 1, 0, 1};
  return s;
}

TEST(PatientTable, shows_each_value_with_unit_time_count_and_means) {
  const std::string table = patient_table(told(known())).value();
  for (const char* part :
       {"patient  1001", "namespace  north", "site  icu-1", "events  3 from 2025-12-31T23:00:00Z to 2026-01-01T00:30:00Z", "age  54",
        "vitals.hr", "/min", "2026-01-01T00:30:00Z", "1.5", "71.5", "70.25"}) {
    EXPECT_THAT(table, HasSubstr(part));
  }
  EXPECT_THAT(table, HasSubstr("neuro.acvpu  voice"));
  EXPECT_THAT(table, HasSubstr("liver.alt       99  U/L")) << "means are told in the unit";
  EXPECT_THAT(table, Not(HasSubstr("resp_rate"))) << "never measured";
  EXPECT_THAT(table, Not(HasSubstr("merged")));
}

TEST(PatientTable, a_limit_is_shown_as_one) {
  Snapshot s = known();
  s.features[2] = {12, s.last_time, 1, std::log1p(12.0F), std::log1p(12.0F), 0, std::log1p(12.0F), Comparator::less, true};
  const std::string table = patient_table(told(s)).value();
  EXPECT_THAT(table, HasSubstr("liver.alt      <12  U/L"));
}

TEST(PatientTable, says_how_much_is_kept_and_with_whom_a_person_was_merged) {
  Snapshot s = known();
  s.merged_from = {"north|7", "north|8"};
  const std::string lines = kept_lines(told(s)).value();
  for (const char* part : {"events  ", "3\n", "12\n", "2\n", "7\n", "5\n", "merged from", "north|7", "north|8"}) {
    EXPECT_THAT(lines, HasSubstr(part));
  }
  Snapshot link = state::new_snapshot(testing::small_schema(), "north|7");
  link.merged_into = "north|1001";
  const std::string table = patient_table(told(link)).value();
  EXPECT_THAT(table, HasSubstr("merged into"));
  EXPECT_THAT(table, HasSubstr("north|1001"));
  EXPECT_THAT(table, Not(HasSubstr("1970"))) << "no events, no times";
}

TEST(PatientTable, what_is_no_such_answer_is_said) {
  for (const char* bytes : {"", "{}", "[]", "null", R"({"patient_id":1})",
                            R"({"patient_id":"x","values":{"vitals":3},"attributes":{},"kept":{}})", R"({"error":"no"})"}) {
    EXPECT_EQ(patient_table(bytes).code(), Code::invalid) << bytes;
    EXPECT_EQ(kept_lines(bytes).code(), Code::invalid) << bytes;
  }
}

}  // namespace
}  // namespace lacuna::daemon
