#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "streaming/messages/encoders.h"
#include "streaming/messages/event_decoder.h"
#include "streaming/messages/refusal.h"
#include "streaming/messages/snapshot_codec.h"

// Whatever arrives, the decoder answers without a fault, and what it takes it takes whole: written out and read again,
// the event is the same. The same function is run by libFuzzer (-DLACUNA_FUZZ=ON) and, on the corpus, by the tests.

namespace {

using lacuna::Feature;
using lacuna::Likelihood;
using lacuna::Schema;
using namespace lacuna::streaming;

Feature feature(const char* name, const char* unit, Likelihood likelihood, double low, double high,
                std::vector<std::string> categories = {}) {
  Feature f;
  f.name = name;
  f.unit = unit;
  f.likelihood = likelihood;
  if (!lacuna::is_discrete(likelihood)) {
    f.low = low;
    f.high = high;
  }
  f.categories = std::move(categories);
  return f;
}

const Schema& fuzz_schema() {
  static const Schema schema = [] {
    std::vector<Schema::ModalitySpec> specs(7);
    specs[0].modality.name = "vitals";
    specs[0].features = {feature("hr", "/min", Likelihood::normal, 0, 350), feature("temp", "Cel", Likelihood::normal, 20, 45),
                         feature("ventilated", "", Likelihood::bernoulli, 0, 1)};
    specs[1].modality.name = "laboratory";
    specs[1].features = {feature("glucose", "mg/dL", Likelihood::log_normal, 0, 2000),
                         feature("seizures", "", Likelihood::negative_binomial, 0, 100),
                         feature("rhythm", "", Likelihood::categorical, 0, 0, {"sinus", "af", "paced \"x\""}),
                         feature("edema", "", Likelihood::ordinal, 0, 0, {"none", "mild", "severe"}),
                         feature("base_excess", "mmol/L", Likelihood::student_t, -40, 40)};
    specs[2].modality.name = "chest_film";
    specs[2].modality.kind = lacuna::ModalityKind::image;
    specs[2].modality.payload.height = specs[2].modality.payload.width = 4;
    const auto declare = [&specs](std::size_t m, const char* name, lacuna::ModalityKind kind, std::uint32_t channels,
                                  std::uint32_t length) {
      specs[m].modality.name = name;
      specs[m].modality.kind = kind;
      specs[m].modality.payload.channels = channels;
      specs[m].modality.payload.length = length;
    };
    declare(3, "ecg", lacuna::ModalityKind::signal, 2, 3);
    declare(4, "lead", lacuna::ModalityKind::signal, 1, 5);
    declare(5, "codes", lacuna::ModalityKind::embedding, 1, 4);
    declare(6, "report", lacuna::ModalityKind::text, 1, 16);
    lacuna::Attribute age;
    age.name = "age";
    age.unit = "a";
    age.low = 0;
    age.high = 130;
    lacuna::Attribute sex;
    sex.name = "sex";
    sex.categories = {"female", "male"};
    auto made = Schema::make(std::move(specs), {age, sex});
    if (!made.ok()) std::abort();
    return *made;
  }();
  return schema;
}

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

void require_fits(lacuna::ModalityId id, const lacuna::Payload& payload) {
  const lacuna::Modality& modality = fuzz_schema().modalities()[id];
  require(check_payload(modality.kind, modality.payload, payload).ok(), "a payload is as the schema declares");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const lacuna::Time now = *lacuna::parse_rfc3339("2026-01-02T00:00:00Z");
  static CodecLimits limits = [] {
    CodecLimits small;
    small.message_bytes_max = 1 << 14;
    small.payload_bytes_max = 256;
    small.values_max = 16;
    small.id_bytes_max = 32;
    return small;
  }();
  static EventDecoder decoder(fuzz_schema(), limits);
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  const EventDecoder::Outcome outcome = decoder.decode(text, now);
  require(outcome.decoded.has_value() != outcome.refused.has_value(), "an event is either decoded or refused");
  if (outcome.refused) require(!outcome.refused->message.empty(), "a refusal says why");
  if (outcome.decoded) {
    const lacuna::Event& event = outcome.decoded->event;
    const bool measured = !event.values.empty() || event.payload;
    const bool withdrawn = lacuna::withdraws(event.status);
    const bool of_person = event.person != lacuna::PersonChange::none;
    const bool of_stay = event.stay_ends || !event.stay_site.empty();
    require(measured || withdrawn || of_person || of_stay || !event.attributes.empty(), "a decoded event holds something");
    require(measured ? event.modality != lacuna::kNoModality : withdrawn || event.modality == lacuna::kNoModality,
            "what was measured has a modality");
    require(!of_person || (!withdrawn && !of_stay && event.attributes.empty()), "what is said of a person stands alone");
    require(event.merged_into.empty() == (event.person != lacuna::PersonChange::merge), "a merge names another patient");
    require(event.revision.kind == lacuna::Revision::Kind::none || !event.result_id.empty(), "a revision is a result's");
    require(!withdrawn || (!event.payload && event.attributes.empty() && !of_stay), "a withdrawal names values alone");
    require(event.values.empty() || !event.payload, "values and a payload never come together");
    if (event.payload) require_fits(event.modality, *event.payload);
    for (const RefusedPart& part : outcome.decoded->refused) {
      require(!part.what.empty() && !part.message.empty(), "a refused part says what and why");
    }
    // Escapes may make the text grow, so the second reading is without bounds.
    CodecLimits wide = limits;
    wide.message_bytes_max = 1 << 20;
    wide.payload_bytes_max = 1 << 20;  // single precision takes more than the bytes of an image
    static EventDecoder again(fuzz_schema(), wide);
    const EventDecoder::Outcome second = again.decode(encode_event(fuzz_schema(), event), now);
    require(second.decoded.has_value(), "what was encoded decodes");
    require(second.decoded->refused.empty(), "what was encoded decodes whole");
    require(second.decoded->event == event, "and is the same event");
  }

  // The snapshot of POST /v1/impute shares the reader; whatever it takes can be shown.
  const auto request = decode_impute_request(fuzz_schema(), text, limits, now);
  if (request.ok()) require(request->samples <= kSamplesMax, "samples are bounded");
  const auto snapshot = decode_snapshot(fuzz_schema(), text, limits, now);
  if (snapshot.ok()) {
    require(snapshot->event_count > 0, "a snapshot is in use");
    for (lacuna::ModalityId m = 0; m < fuzz_schema().modality_count(); ++m) {
      if (snapshot->modalities[m].payload) require_fits(m, *snapshot->modalities[m].payload);
    }
    require(!encode_snapshot(fuzz_schema(), *snapshot, now).empty(), "a snapshot can be shown");
  }
  return 0;
}
