// Goal: whatever stands in a table, init refuses it with a word or gives a configuration that is accepted, and what is lost under it is
// said. Method: tables of random columns, names, separators and damage; each seed is a table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "daemon/config/config.h"
#include "daemon/guessing/guess_configuration.h"
#include "tests/unit/daemon/guessing/made_up_tables.h"

namespace lacuna::daemon {
namespace {

using namespace lacuna::daemon::testing;
using ::testing::HasSubstr;

constexpr Time kNow = std::chrono::sys_days(std::chrono::year(2026) / 6 / 1);

class RandomTable {
 public:
  explicit RandomTable(std::uint64_t seed) : seed_(seed) {}

  std::string make() {
    const std::size_t columns = 2 + below(10), rows = pick({1, 3, 30, 200, 600}), patients = pick({1, 5, static_cast<int>(rows)});
    separator_ = std::string(1, ",,,;\t|"[below(6)]);
    std::vector<std::size_t> kinds;
    std::string out;
    for (std::size_t c = 0; c < columns; ++c) {
      kinds.push_back(below(15));
      header_.push_back(kNames[below(std::size(kNames))]);
      out += (c > 0 ? separator_ : "") + quoted(header_.back());
    }
    for (std::size_t r = 0; r < rows; ++r) {
      out += "\n";
      const bool short_row = below(300) == 0;
      for (std::size_t c = 0; c + (short_row ? 1 : 0) < columns; ++c) {
        out += (c > 0 ? separator_ : "") + quoted(below(10) == 0 ? "" : cell(kinds[c], r / std::max<std::size_t>(1, rows / patients)));
      }
    }
    if (below(20) == 0) std::ranges::replace(out, '5', static_cast<char>(below(256)));
    return out + "\n";
  }
  const std::vector<std::string>& header() const { return header_; }

 private:
  static constexpr const char* kNames[] = {
      "id",   "patient_id", "time", "day", "hr",    "pH",   "Temp",  "",     "a b", "Größe (cm)", "glucose", "value",
      "x.y",  "parameter",  "null", "no",  "1",     "site", "death", "sex",  "age", "Weight",     "K",       "unit",
      "date", "rownames",   "a: b", "#c",  "\"q\"", "ca",   "be",    "日本", "y",   "charttime",  "on",      "{z}"};
  std::uint64_t next() { return mix64(mix64(seed_) ^ ++drawn_); }
  std::size_t below(std::size_t bound) { return next() % bound; }
  std::size_t pick(std::vector<int> some) { return static_cast<std::size_t>(some[below(some.size())]); }
  double bell_now() { return bell(seed_, ++drawn_); }
  std::string quoted(const std::string& text) {
    if (text.find_first_of("\"\n" + separator_) == std::string::npos) return text;
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
    return out + "\"";
  }
  std::string cell(std::size_t kind, std::size_t patient) {
    static const char* const kWords[] = {"yes", "no",   "maybe", "it's \"so\"", "a,b", ": x",  "#",
                                         "- y", "null", "NA",    "~",           "1e3", "true", "|"};
    static const char* const kHuge[] = {"1e308", "-1e308", "1e-320", "inf", "nan", "0x10", "1e400", "-0"};
    static const char* const kUnits[] = {" mg/L", "mg/l", " mg/dL", " m"};
    switch (kind) {
      case 0: return fixed(50 + 10 * bell_now(), 2);
      case 1: return std::to_string(below(3 + seed_ % 12));
      case 2: return fixed(std::exp(1 + bell_now()), 3);
      case 3: return kWords[below(std::size(kWords))];
      case 4: return "20" + std::to_string(10 + below(20)) + "-0" + std::to_string(1 + below(9)) + "-1" + std::to_string(below(9));
      case 5: return std::to_string(1000 + patient);
      case 6: return below(10) == 0 ? (below(2) == 0 ? "-9" : "999") : fixed(10 + 2 * bell_now(), 1);
      case 7: return "";
      case 8: return "7";
      case 9: return kHuge[below(std::size(kHuge))];
      case 10: return fixed(-std::exp(1 + bell_now()), 2);
      case 11: return fixed(even(seed_, ++drawn_), 3);
      case 13: return std::string(below(3) == 0 ? "<" : "") + fixed(std::exp(1 + bell_now()), 1) + kUnits[below(1 + seed_ % 4)];
      case 12: return "text " + std::to_string(next() % 1'000'000);
      default: return std::to_string(below(48)) + ":" + (below(2) == 0 ? "15" : "30");
    }
  }

  const std::uint64_t seed_;
  std::uint64_t drawn_ = 0;
  std::string separator_;
  std::vector<std::string> header_;
};

TEST(RandomTables, AreRefusedWithAWordOrWhollyAccountedFor) {
  Files files;
  std::size_t taken = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomTable table(seed);
    const auto guessed = guess_configuration({files.write("t.csv", table.make())}, kNow, {});
    if (!guessed.ok()) {
      EXPECT_EQ(guessed.code(), Code::invalid) << guessed.status().message();
      continue;
    }
    ++taken;
    const ConfigOutcome outcome = parse_config(guessed->yaml, "t.yaml");
    ASSERT_TRUE(outcome.config) << guessed->yaml;
    const bool said = std::ranges::any_of(guessed->doubts, [](const std::string& d) { return d.starts_with("lost, since "); });
    EXPECT_EQ(said, !guessed->lossless);
    const streaming::FileMapping& m = *outcome.config->mapping;
    std::set<std::string> known(m.ignored.begin(), m.ignored.end());
    for (const auto& [name, target] : m.columns) known.insert(name);
    for (const auto& role :
         {m.patient_column, m.time_column, m.parameter_column, m.value_column, m.unit_column, m.second_unit_column, m.site_column}) {
      if (role) known.insert(*role);
    }
    for (const std::string& name : table.header()) EXPECT_TRUE(known.contains(name)) << "'" << name << "' in\n" << guessed->yaml;
  }
  EXPECT_GT(taken, 75u);
}

}  // namespace
}  // namespace lacuna::daemon
