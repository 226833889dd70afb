// Protects: what a learner still had to learn when it was stopped. Examples in a model checkpoint come back as they were, but for
// the names of patients; damaged bytes are refused or give an example of the schema's shape.

#include "model/learner_checkpoint.h"

#include <gtest/gtest.h>

#include <random>

namespace lacuna::model {
namespace {

Schema every_kind() {
  std::vector<Schema::ModalitySpec> specs(5);
  constexpr ModalityKind kKinds[] = {ModalityKind::tabular, ModalityKind::image, ModalityKind::text, ModalityKind::signal,
                                     ModalityKind::embedding};
  for (std::size_t m = 0; m < specs.size(); ++m) {
    specs[m].modality.name = to_string(kKinds[m]);
    specs[m].modality.kind = kKinds[m];
    specs[m].modality.payload.height = 2;
    specs[m].modality.payload.width = 3;
    specs[m].modality.payload.length = 4;
  }
  specs[0].features.resize(2);
  specs[0].features[0].name = "a";
  specs[0].features[1].name = "b";
  Attribute age;
  age.name = "age";
  return Schema::make(std::move(specs), {age}).value();
}

PayloadRef random_payload(const Modality& modality, std::mt19937& random) {
  Payload payload;
  if (modality.kind == ModalityKind::text) payload.text = "words " + std::to_string(random());
  payload.values.resize(modality.payload.value_count(modality.kind));
  for (float& v : payload.values) v = static_cast<float>(random() % 1000) / 8;
  if (!payload.values.empty() && random() % 2 == 0) {
    payload.observed.assign(payload.values.size(), 1);
    payload.observed.back() = 0;
    payload.values.back() = 0;
  }
  return PayloadRef(std::move(payload));
}

Example random_example(const Schema& schema, std::mt19937& random) {
  Example e;
  const auto time = [&random] { return Time(Millis(random() % 1'000'000)); };
  e.time = time();
  Snapshot& s = e.before;
  s.first_time = time();
  s.last_time = time();
  s.event_count = random();
  s.features.resize(schema.feature_count());
  s.modalities.resize(schema.modality_count());
  s.attributes.resize(1);
  if (random() % 2 == 0) s.attributes[0] = 54.0F;
  const auto comparator = [&random] { return static_cast<Comparator>(random() % 5); };
  if (random() % 2 == 0) s.features[1] = {1.5, time(), 3, 1, 2, 3, 4, comparator()};
  s.features[1].unmeasured = is_censored(s.features[1].comparator) && random() % 2 == 0;
  if (random() % 2 == 0) e.arrived.push_back({1, 2.5, comparator()});
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    const Modality& modality = schema.modalities()[m];
    const bool tabular = modality.kind == ModalityKind::tabular;
    if (random() % 2 == 0)
      s.modalities[m] = {time(), 1 + static_cast<std::uint32_t>(random() % 9), tabular ? PayloadRef() : random_payload(modality, random)};
    if (!tabular && random() % 2 == 0) e.arrived_payloads.push_back({m, random_payload(modality, random)});
  }
  return e;
}

TEST(Checkpoint, ExamplesComeBack) {
  const Schema schema = every_kind();
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    const Example first = random_example(schema, random), second = random_example(schema, random);
    ByteWriter out;
    write_example(out, first);
    write_example(out, second);
    const std::string bytes = out.take();
    ByteReader in(bytes);
    ASSERT_EQ(read_example(in, schema), first) << i;
    ASSERT_EQ(read_example(in, schema), second) << i;
    ASSERT_TRUE(in.ok() && in.at_end());
  }
}

TEST(Checkpoint, DamagedExamplesNeverHarmTheReader) {
  const Schema schema = every_kind();
  std::mt19937 random(2);
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    ByteWriter out;
    write_example(out, random_example(schema, random));
    std::string bytes = out.take();
    if (random() % 3 == 0) bytes.resize(random() % bytes.size());
    else bytes[random() % bytes.size()] = static_cast<char>(random());
    ByteReader in(bytes);
    const Example e = read_example(in, schema);
    refused += in.ok() ? 0 : 1;
    ASSERT_EQ(e.before.modalities.size(), schema.modality_count());
    const auto fits = [&](ModalityId m, const PayloadRef& p) {
      return !p || check_payload(schema.modalities()[m].kind, schema.modalities()[m].payload, *p).ok();
    };
    for (ModalityId m = 0; m < schema.modality_count(); ++m) ASSERT_TRUE(fits(m, e.before.modalities[m].payload));
    for (const PayloadValue& v : e.arrived_payloads) ASSERT_TRUE(v.modality < schema.modality_count() && fits(v.modality, v.payload));
  }
  EXPECT_GT(refused, 5000);
}

}  // namespace
}  // namespace lacuna::model
