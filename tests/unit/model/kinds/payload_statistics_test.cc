// Protects the way from payloads to numbers and back: standardised by what was seen, gaps are gaps, a word keeps its number, and
// what is saved comes back as it was.

#include "model/payload_statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/encoding.h"
#include "state/records/counter_random.h"

namespace lacuna::model {
namespace {

PayloadSpec signal() {
  PayloadSpec spec;
  spec.channels = 2;
  spec.length = 3;
  return spec;
}

PayloadSpec text(std::uint32_t words) {
  PayloadSpec spec;
  spec.length = 6;
  spec.vocabulary_size = words;
  return spec;
}

std::vector<float> row(const PayloadStatistics& statistics, const Payload& payload) {
  std::vector<float> out(statistics.row_width(), 7.0F);
  statistics.row(payload, out);
  return out;
}

/// Standardised as PayloadRows does it, in double precision.
std::vector<float> standardised(const PayloadStatistics& statistics, const Payload& payload) {
  std::vector<float> out = row(statistics, payload);
  const std::vector<float> means = statistics.means(), spreads = statistics.spreads();
  const std::size_t values = out.size() / 2, each = values / means.size();
  for (std::size_t v = 0; v < values; ++v)
    out[v] = static_cast<float>((out[v] - static_cast<double>(means[v / each])) / spreads[v / each] * out[values + v]);
  return out;
}

TEST(PayloadStatistics, EachChannelIsStandardisedByItself) {
  PayloadStatistics statistics(ModalityKind::signal, signal());
  CounterRandom random(1);
  for (int i = 0; i < 2000; ++i) {
    std::vector<float> noise(6);
    random.normals(noise);
    Payload p;
    for (std::size_t v = 0; v < 6; ++v) p.values.push_back(v < 3 ? 10 + 2 * noise[v] : -1 + 0.5F * noise[v]);
    statistics.observe(p);
  }
  const auto z = standardised(statistics, {{12, 10, 8, -1, -0.5F, -1.5F}, {}, ""});
  const float expected[] = {1, 0, -1, 0, 1, -1, 1, 1, 1, 1, 1, 1};
  for (std::size_t i = 0; i < 12; ++i) EXPECT_NEAR(z[i], expected[i], 0.08) << i;
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(statistics.value(i, z[i]), (std::vector<float>{12, 10, 8, -1, -0.5F, -1.5F})[i], 1e-4);
}

TEST(PayloadStatistics, GapsAreNeitherLearnedNorRead) {
  PayloadStatistics with(ModalityKind::signal, signal()), without(ModalityKind::signal, signal());
  for (float v : {1.0F, 2.0F, 4.0F}) {
    with.observe({{v, 0, v, v, v, v}, {1, 0, 1, 1, 1, 1}, ""});
    without.observe({{v, 0, v, v, v, v}, {1, 0, 1, 1, 1, 1}, ""});
  }
  with.observe({{0, 0, 0, 0, 0, 5}, {0, 0, 0, 0, 0, 1}, ""});
  const auto z = standardised(with, {{1, 0, 1, 1, 1, 1}, {1, 0, 1, 1, 1, 1}, ""});
  EXPECT_EQ(z[1], 0);
  EXPECT_EQ(z[7], 0);
  EXPECT_EQ(z[0], standardised(without, {{1, 0, 1, 1, 1, 1}, {}, ""})[0]) << "the first channel saw nothing of the last payload";
}

TEST(Words, AreLettersAndNumbersInLowerCase) {
  EXPECT_EQ(words_of("No acute DISEASE; 3 nodules, 12mm. \xC3\xBC"
                     "ber"),
            (std::vector<std::string>{"no", "acute", "disease", "#", "nodules", "12mm",
                                      "\xC3\xBC"
                                      "ber"}));
  EXPECT_TRUE(words_of(" .;- ").empty());
}

TEST(Vocabulary, AWordKeepsItsNumberAndRareOnesHaveNone) {
  Vocabulary vocabulary(text(3));
  const auto number = [&](const char* word) {
    std::vector<float> out(6);
    vocabulary.tokens(word, out);
    return static_cast<std::uint32_t>(out[0]);
  };
  for (std::uint32_t i = 0; i + 1 < Vocabulary::kWordMin; ++i) vocabulary.observe("heart");
  EXPECT_EQ(number("heart"), Vocabulary::kUnknown);
  vocabulary.observe("Heart");
  const std::uint32_t heart = number("heart");
  EXPECT_EQ(heart, Vocabulary::kFirstWord);
  for (int i = 0; i < 200; ++i) vocabulary.observe("lung rib heart bone word" + std::to_string(i));
  EXPECT_EQ(number("heart"), heart);
  EXPECT_EQ(vocabulary.words().size(), 3U) << "bounded";
  EXPECT_EQ(number("word7"), Vocabulary::kUnknown);
  std::vector<float> out(6);
  vocabulary.tokens("heart", out);
  EXPECT_EQ(out[1], Vocabulary::kEnd);
  EXPECT_EQ(out[2], Vocabulary::kPadding);
}

TEST(Vocabulary, GivenWordsAreAllThereIs) {
  PayloadSpec spec = text(100);
  spec.vocabulary = {"no", "acute"};
  Vocabulary vocabulary(spec);
  for (int i = 0; i < 50; ++i) vocabulary.observe("heart");
  EXPECT_EQ(vocabulary.words(), spec.vocabulary);
  EXPECT_EQ(vocabulary.size(), Vocabulary::kFirstWord + 2);
}

// Words without end: what waits is bounded, and frequent words still get in.
TEST(Vocabulary, MemoryIsBoundedAndFrequentWordsWin) {
  Vocabulary vocabulary(text(20));
  CounterRandom random(3);
  for (int i = 0; i < 20'000; ++i) {
    vocabulary.observe("rare" + std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(random.bits()) +
                       (i % 20 == 0 ? " common" : ""));
  }
  EXPECT_EQ(vocabulary.words(), std::vector<std::string>{"common"});
  ByteWriter out;
  vocabulary.save(out);
  EXPECT_LT(out.take().size(), 20U * 8 * 60);
}

TEST(PayloadStatistics, ComesBackAsItWasSaved) {
  CounterRandom random(4);
  PayloadStatistics values(ModalityKind::signal, signal()), texts(ModalityKind::text, text(10));
  for (int i = 0; i < 50; ++i) {
    std::vector<float> noise(6);
    random.normals(noise);
    values.observe({noise, {}, ""});
    texts.observe({{}, {}, i % 3 == 0 ? "no acute disease" : "rare" + std::to_string(i) + " heart"});
  }
  for (auto* statistics : {&values, &texts}) {
    ByteWriter out;
    statistics->save(out);
    const std::string bytes = out.take();
    const bool is_text = statistics == &texts;
    PayloadStatistics other(is_text ? ModalityKind::text : ModalityKind::signal, is_text ? text(10) : signal());
    ByteReader in(bytes);
    ASSERT_TRUE(other.load(in));
    EXPECT_TRUE(in.at_end());
    ByteWriter again;
    other.save(again);
    EXPECT_EQ(again.take(), bytes);
    for (std::size_t cut = 0; cut < bytes.size(); cut += 7) {
      PayloadStatistics damaged(is_text ? ModalityKind::text : ModalityKind::signal, is_text ? text(10) : signal());
      ByteReader part(std::string_view(bytes).substr(0, cut));
      EXPECT_FALSE(damaged.load(part) && part.ok()) << cut;
    }
  }
}

}  // namespace
}  // namespace lacuna::model
