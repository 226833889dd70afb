#include "model/predictive/subgroup_board.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "state/records/counter_random.h"

// Protects: in which group a value counts when the attribute comes before it, after it or changes; figures and their standard error, by
// hand and by simulation; what a restart and another declaration of the groups do.

namespace lacuna::model {
namespace {

using Attributes = std::vector<std::optional<float>>;

Schema schema(std::vector<std::string> sexes = {"female", "male"}) {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "vitals";
  specs[0].features.resize(1);
  specs[0].features[0].name = "hr";
  Attribute sex, died;
  sex.name = "sex";
  sex.categories = std::move(sexes);
  died.name = "died";
  died.categories = {"no", "yes"};
  died.outcome = true;
  sex.subgroup = died.subgroup = true;
  return Schema::make(std::move(specs), {sex, died}).value();
}

const Subgroups& groups() {
  static const Subgroups made = Subgroups::make(schema(), {}).value();
  return made;
}

Score score(double error, bool covered, double error_mean = 1, double width = 3) {
  Score s;
  s.error_model = error;
  s.error_mean = error_mean;
  s.width = width;
  s.covered = covered;
  return s;
}

SubgroupFigures of(const SubgroupBoard& board, const std::string& name) {
  for (SubgroupFigures& f : board.figures()) {
    if (f.name == name) return f;
  }
  ADD_FAILURE() << name;
  return {};
}

const Time kStart = parse_rfc3339("2026-01-01T00:00:00Z").value();

TEST(SubgroupBoard, FiguresByHand) {
  SubgroupBoard board(groups());
  const Attributes female{0.0F, std::nullopt}, male{1.0F, std::nullopt};
  board.add("a", female, kStart, score(0.5, true));
  board.add("a", female, kStart, score(0.7, false, 2, 5));
  board.add("b", female, kStart, score(0.3, true));
  board.add("c", male, kStart, score(2, true));
  Score limit = score(9, false);
  limit.censored = true;
  board.add("b", female, kStart, limit);
  Score constant = score(9, false);
  constant.constant = true;
  board.add("b", female, kStart, constant);
  const SubgroupFigures f = of(board, "sex=female"), all = of(board, "all"), yes = of(board, "died=yes");
  EXPECT_EQ(f.patients, 2u);
  EXPECT_EQ(f.values, 3u);
  EXPECT_DOUBLE_EQ(f.mae, 0.5);
  EXPECT_DOUBLE_EQ(f.mae_mean, 4.0 / 3);
  EXPECT_DOUBLE_EQ(f.skill, 1 - 0.5 / (4.0 / 3));
  EXPECT_DOUBLE_EQ(f.coverage, 0.5);  // of four: the limit is among them
  EXPECT_DOUBLE_EQ(f.width, 11.0 / 3);
  ASSERT_TRUE(f.coverage_error);
  EXPECT_DOUBLE_EQ(*f.coverage_error, 0);  // both patients have one of two
  EXPECT_EQ(all.patients, 3u);
  EXPECT_EQ(all.values, 4u);
  EXPECT_EQ(yes.patients, 0u);
  EXPECT_EQ(yes.values, 0u);
  EXPECT_FALSE(of(board, "sex=male").coverage_error);  // one patient says nothing of others
}

// 2,000 times 80 patients whose intervals hold by a rate of their own: the standard error is how far coverage is really off.
TEST(SubgroupBoard, TheStandardErrorIsThatOfPatients) {
  CounterRandom random(3);
  const auto unit = [&] { return random.unit(); };
  double off = 0, told = 0, as_if_independent = 0;
  constexpr int kTimes = 2000, kPatients = 80;
  for (int t = 0; t < kTimes; ++t) {
    SubgroupBoard board(Subgroups{});
    for (int p = 0; p < kPatients; ++p) {
      const double rate = unit() < 0.5 ? 0.98 : 0.82;
      const int values = 5 + static_cast<int>(30 * unit());
      for (int v = 0; v < values; ++v) board.add(std::to_string(p), {}, kStart, score(0, unit() < rate));
    }
    const SubgroupFigures f = board.figures()[0];
    off += (f.coverage - 0.9) * (f.coverage - 0.9) / kTimes;
    told += *f.coverage_error * *f.coverage_error / kTimes;
    as_if_independent += f.coverage * (1 - f.coverage) / static_cast<double>(f.values) / kTimes;
  }
  EXPECT_NEAR(std::sqrt(told / off), 1, 0.05);
  EXPECT_LT(std::sqrt(as_if_independent / off), 0.85) << "patients are alike here, or the test says nothing";
}

// However late an attribute comes, and whether it comes at all, the figures are those of knowing it from the first.
TEST(SubgroupBoard, WhatComesLateCountsForWhatWasBefore) {
  CounterRandom random(7);
  SubgroupBoard late(groups()), known(groups());
  for (int p = 0; p < 200; ++p) {
    const std::string id = "p" + std::to_string(p);
    const float sex = random.unit() < 0.5 ? 0.0F : 1.0F;
    const std::optional<float> died = random.unit() < 0.7 ? std::optional(random.unit() < 0.3 ? 1.0F : 0.0F) : std::nullopt;
    const Attributes all{sex, died};
    for (int v = 0; v < 6; ++v) {
      const Score s = score(random.unit(), random.unit() < 0.9, 1, random.unit());
      known.add(id, all, kStart, s);
      late.add(id,
               v < 3   ? Attributes{std::nullopt, std::nullopt}
               : v < 5 ? Attributes{1 - sex, std::nullopt}
                       : Attributes{sex, std::nullopt},
               kStart, s);
    }
    late.place(id, all);
  }
  late.place("nobody", Attributes{1.0F, 1.0F});
  const auto a = late.figures(), b = known.figures();
  for (std::size_t g = 0; g < a.size(); ++g) {
    EXPECT_EQ(a[g].patients, b[g].patients) << a[g].name;
    EXPECT_EQ(a[g].values, b[g].values);
    EXPECT_DOUBLE_EQ(a[g].coverage, b[g].coverage);
    EXPECT_DOUBLE_EQ(a[g].coverage_error.value(), b[g].coverage_error.value());
    EXPECT_NEAR(a[g].mae, b[g].mae, 1e-12);
    EXPECT_NEAR(a[g].width, b[g].width, 1e-12);
  }
}

// What moves away leaves nothing behind, and who is forgotten or pushed out stays counted where they were.
TEST(SubgroupBoard, WhoIsNoLongerKeptStaysWhereTheyWere) {
  SubgroupBoard board(groups());
  board.add("a", Attributes{0.0F, std::nullopt}, kStart, score(0.1, true));
  board.place("a", Attributes{1.0F, std::nullopt});
  EXPECT_EQ(of(board, "sex=female").values, 0u);
  EXPECT_EQ(of(board, "sex=female").mae, 0);
  board.forget("a");
  board.place("a", Attributes{0.0F, std::nullopt});
  EXPECT_EQ(of(board, "sex=male").values, 1u);
  board.add("a", Attributes{0.0F, std::nullopt}, kStart, score(0.1, true));
  EXPECT_EQ(of(board, "all").patients, 2u) << "nothing of the one before is known";

  board.add("b", Attributes{0.0F, std::nullopt}, kStart, score(0.1, true));
  board.add("b", Attributes{1.0F, std::nullopt}, kStart + SubgroupBoard::kApart + Millis(1), score(0.1, true));
  EXPECT_EQ(of(board, "all").patients, 4u) << "another stay";
  EXPECT_EQ(of(board, "sex=female").patients, 2u);

  for (std::size_t p = 0; p < SubgroupBoard::kPatientsMax; ++p) board.add("n" + std::to_string(p), Attributes{}, kStart, score(0, true));
  board.place("b", Attributes{0.0F, std::nullopt});
  EXPECT_EQ(of(board, "sex=female").patients, 2u) << "pushed out by those who came later, whatever their clinical time";
  board.place("n0", Attributes{0.0F, std::nullopt});
  EXPECT_EQ(of(board, "sex=female").patients, 3u);
}

TEST(SubgroupBoard, GoesOnExactlyAfterALoad) {
  SubgroupBoard one(groups()), two(groups());
  CounterRandom random(9);
  const auto feed = [&](SubgroupBoard& board, int i) {
    board.add("p" + std::to_string(i % 37), Attributes{static_cast<float>(i % 2), std::nullopt}, kStart, score(0.01 * i, i % 9 != 0));
    if (i % 5 == 0) board.place("p" + std::to_string(i % 37), Attributes{static_cast<float>(i % 2), 1.0F});
  };
  for (int i = 0; i < 500; ++i) feed(one, i);
  const std::string saved = one.save();
  ASSERT_TRUE(two.load(saved).ok());
  for (int i = 500; i < 600; ++i) feed(one, i), feed(two, i);
  EXPECT_EQ(one.save(), two.save());
  const std::string held = two.save();
  for (std::size_t cut = 0; cut < saved.size(); cut += 13) EXPECT_FALSE(two.load(saved.substr(0, cut)).ok()) << cut;
  EXPECT_EQ(two.load(saved + "x").code(), Code::corrupt);
  EXPECT_EQ(two.load(std::string("\x02\0\0\0", 4)).code(), Code::unsupported);
  for (std::size_t at = 4; at < saved.size(); at += 7) {  // read or refused, whatever the bytes
    std::string damaged = saved;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x5a);
    SubgroupBoard any(groups());
    if (any.load(damaged).ok()) (void)any.figures(), feed(any, 3);
  }
  EXPECT_EQ(two.save(), held);
}

// Protects: what the store is told by difference is all of the board.
TEST(SubgroupBoard, WhatHasChangedIsAllThatHas) {
  SubgroupBoard board(groups());
  Pieces pieces;
  std::map<std::uint64_t, std::string> rows;
  const auto take = [&] {
    pieces = board.pieces();
    const auto changed = board.take_changed();
    for (const auto& [id, row] : changed) {
      if (row) rows[id] = *row;
      else rows.erase(id);
    }
    return changed.size();
  };
  const auto loaded = [&] {
    SubgroupBoard out(groups());
    EXPECT_TRUE(out.load(joined(pieces)).ok());
    for (const auto& [id, row] : rows) EXPECT_TRUE(out.load_row(id, row));
    return out;
  };
  for (int i = 0; i < 4500; ++i) {  // more than are kept apart
    const std::string id = "p" + std::to_string(i < 4400 ? i : i % 30);
    board.add(id, Attributes{static_cast<float>(i % 2), std::nullopt}, kStart, score(0.01 * i, i % 9 != 0));
    if (i % 7 == 0) board.place(id, Attributes{static_cast<float>(i % 2), 1.0F});
    if (i % 50 == 49) board.forget("p" + std::to_string(i - 20));
    if (i % 100 != 99) continue;
    EXPECT_LE(take(), 310u);
    ASSERT_EQ(loaded().save(), board.save()) << i;
  }
  EXPECT_EQ(take(), 0u);
  board.place("p1", Attributes{1.0F, std::nullopt});
  EXPECT_LE(take(), 1u);
  board.all_changed();
  EXPECT_EQ(take(), rows.size());
  const std::string row = rows.begin()->second;
  SubgroupBoard other(groups());
  ASSERT_TRUE(other.load(joined(pieces)).ok());
  for (std::size_t cut = 0; cut < row.size(); ++cut) EXPECT_FALSE(other.load_row(1, row.substr(0, cut))) << cut;
}

// A class more, one fewer, another order: groups go on by name, and one that is new begins with those who are kept apart.
TEST(SubgroupBoard, GroupsGoOnByName) {
  SubgroupBoard before(groups());
  before.add("a", Attributes{0.0F, std::nullopt}, kStart, score(0.5, true));
  before.add("b", Attributes{1.0F, std::nullopt}, kStart, score(0.25, true));
  SubgroupBoard after(Subgroups::make(schema({"other", "male"}), {}).value());
  EXPECT_FALSE(after.regrouped());
  ASSERT_TRUE(after.load(before.save()).ok());
  EXPECT_TRUE(after.regrouped());
  SubgroupBoard same(groups());
  ASSERT_TRUE(same.load(before.save()).ok());
  EXPECT_FALSE(same.regrouped());
  EXPECT_EQ(of(after, "all").values, 2u);
  EXPECT_EQ(of(after, "sex=male").mae, 0.25);
  EXPECT_EQ(of(after, "sex=other").values, 0u);
  after.add("a", Attributes{0.0F, std::nullopt}, kStart, score(0.1, true));
  EXPECT_EQ(of(after, "sex=other").values, 2u);
  EXPECT_DOUBLE_EQ(of(after, "sex=other").mae, 0.3);
}

}  // namespace
}  // namespace lacuna::model
