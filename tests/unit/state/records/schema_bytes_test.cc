// Goal: what a schema says is the same after years in a file. Method: a schema with every kind of part there and back, and damaged bytes.
#include <gtest/gtest.h>

#include <string>

#include "state/records/schema_bytes.h"

namespace lacuna {
namespace {

Schema everything() {
  std::vector<Schema::ModalitySpec> specs(3);
  specs[0].modality.name = "vitals";
  specs[0].modality.stale_after = Millis(7'200'000);
  Feature hr{"hr", "/min", Likelihood::student_t, 20, 250, {}, Millis(60'000)};
  Feature avpu{"avpu",
               "",
               Likelihood::ordinal,
               -std::numeric_limits<double>::infinity(),
               std::numeric_limits<double>::infinity(),
               {"a", "v", "p", "u"}};
  specs[0].features = {hr, avpu};
  specs[1].modality.name = "film";
  specs[1].modality.kind = ModalityKind::image;
  specs[1].modality.payload.height = 4;
  specs[1].modality.payload.width = 6;
  specs[2].modality.name = "report";
  specs[2].modality.kind = ModalityKind::text;
  specs[2].modality.payload.length = 64;
  specs[2].modality.payload.text_model = TextModel::sequence;
  specs[2].modality.payload.vocabulary = {"heart", "lung"};
  std::vector<Attribute> attributes(2);
  attributes[0].name = "age";
  attributes[0].unit = "a";
  attributes[0].low = 0;
  attributes[0].high = 120;
  attributes[1].name = "sex";
  attributes[1].categories = {"female", "male"};
  attributes[1].subgroup = true;
  auto made = Schema::make(specs, attributes);
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return *made;
}

TEST(SchemaBytes, ThereAndBackIsTheSameInEveryPart) {
  const Schema schema = everything();
  const auto back = decode_schema(encode_schema(schema));
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_EQ(back->fingerprint(), schema.fingerprint());
  EXPECT_EQ(encode_schema(*back), encode_schema(schema));
  EXPECT_EQ(back->features()[0].high, 250);
  EXPECT_EQ(back->features()[0].stale_after, Millis(60'000));
  EXPECT_EQ(back->modalities()[0].stale_after, Millis(7'200'000));
  EXPECT_EQ(back->modalities()[2].payload, schema.modalities()[2].payload);
  EXPECT_TRUE(back->attributes()[1].subgroup);
}

// Protects: what earlier builds wrote is read, and what they can read is written for them, as long as no payload has a range or a mark.
TEST(SchemaBytes, RangesAndMarksOfPayloads) {
  const Schema without = everything();
  EXPECT_EQ(encode_schema(without)[0], 1);
  std::vector<Schema::ModalitySpec> specs;
  for (const Modality& m : without.modalities()) {
    const auto first = without.features().begin() + m.first_feature;
    specs.push_back({m, {first, first + m.feature_count}});
  }
  specs[1].modality.low = 0;
  specs[1].modality.high = 4095;
  specs[1].modality.missing = -32768;
  const Schema with = Schema::make(specs, without.attributes()).value();
  EXPECT_EQ(encode_schema(with)[0], 2);
  const auto back = decode_schema(encode_schema(with));
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_EQ(encode_schema(*back), encode_schema(with));
  EXPECT_EQ(back->modalities()[1].low, 0);
  EXPECT_EQ(back->modalities()[1].high, 4095);
  EXPECT_EQ(back->modalities()[1].missing, -32768);
  EXPECT_FALSE(back->modalities()[2].missing);
  EXPECT_EQ(with.fingerprint(), without.fingerprint()) << "what was stored means the same";
  const std::string bytes = encode_schema(with);
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_schema(bytes.substr(0, size)).ok()) << size;
}

TEST(SchemaBytes, DamageIsSaid) {
  const std::string bytes = encode_schema(everything());
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_schema(bytes.substr(0, size)).ok()) << size;
  EXPECT_FALSE(decode_schema(bytes + "x").ok());
  std::string newer = bytes;
  newer[0] = 3;
  EXPECT_EQ(decode_schema(newer).code(), Code::unsupported);
}

}  // namespace
}  // namespace lacuna
