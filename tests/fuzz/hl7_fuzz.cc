#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "streaming/hl7/dry_run.h"
#include "streaming/hl7/message_decoder.h"
#include "streaming/messages/encoders.h"
#include "streaming/messages/event_decoder.h"

// Whatever arrives as HL7 v2, the decoder answers without a fault: each OBX ends in one count, what is refused says why, and what is taken
// is an event that could have come as JSON: written out and read again it is the same. Run by libFuzzer (-DLACUNA_FUZZ=ON) and, on the
// corpus, by the tests.

namespace {

using namespace lacuna;
using namespace lacuna::streaming;

Feature feature(const char* name, const char* unit, Likelihood likelihood, std::vector<std::string> categories = {}) {
  Feature f;
  f.name = name;
  f.unit = unit;
  f.likelihood = likelihood;
  if (!is_discrete(likelihood)) {
    f.low = -1000;
    f.high = 10'000;
  }
  f.categories = std::move(categories);
  return f;
}

const Schema& fuzz_schema() {
  static const Schema schema = [] {
    std::vector<Schema::ModalitySpec> specs(3);
    specs[0].modality.name = "lab";
    specs[0].features = {feature("glucose", "mg/dL", Likelihood::normal), feature("temp", "Cel", Likelihood::student_t),
                         feature("culture", "", Likelihood::categorical, {"negative", "positive"}),
                         feature("pregnant", "", Likelihood::bernoulli)};
    specs[1].modality.name = "report";
    specs[1].modality.kind = ModalityKind::text;
    specs[1].modality.payload.length = 16;
    specs[2].modality.name = "lead";
    specs[2].modality.kind = ModalityKind::signal;
    specs[2].modality.payload.length = 3;
    Attribute age, sex;
    age.name = "age";
    age.unit = "a";
    age.low = 0;
    age.high = 130;
    sex.name = "sex";
    sex.categories = {"female", "male"};
    auto made = Schema::make(std::move(specs), {age, sex});
    if (!made.ok()) std::abort();
    return *made;
  }();
  return schema;
}

hl7::FeedOptions options() {
  hl7::FeedOptions out;
  out.codes["G"] = {"lab.glucose", "", {"TNP"}, {}};
  out.codes["T"] = {"lab.temp", "[degF]", {}, {}};
  out.codes["C"] = {"lab.culture", "", {}, {{"POS", "positive"}}};
  out.codes["H"] = {"lab.pregnant", "", {}, {{"Y", "true"}}};
  out.codes["R"] = {"report", "", {}, {}};
  out.codes["L"] = {"lead", "", {}, {}};
  out.ignored_codes = {"X"};
  out.ignored_messages = {"SIU"};
  out.attributes["age"] = {"age", {}, {}};
  out.attributes["sex"] = {"PID-8", {"U"}, {{"F", "female"}, {"M", "male"}}};
  out.time_zone = "Europe/Berlin";
  return out;
}

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

void require_same(const Event& event, Time now) {
  static EventDecoder json(fuzz_schema(), [] {
    CodecLimits wide;
    wide.message_bytes_max = 1 << 22;
    return wide;
  }());
  const EventDecoder::Outcome again = json.decode(encode_event(fuzz_schema(), event), now);
  require(again.decoded.has_value(), "what was taken can be written and read");
  require(again.decoded->refused.empty(), "whole");
  require(again.decoded->event == event, "and is the same event");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Time now = *parse_rfc3339("2026-01-03T00:00:00Z");
  static auto decoder = [] {
    CodecLimits limits;
    limits.message_bytes_max = 1 << 16;
    limits.payload_bytes_max = 256;
    limits.id_bytes_max = 32;
    auto made = hl7::MessageDecoder::make(fuzz_schema(), options(), limits);
    if (!made.ok()) std::abort();
    return std::move(*made);
  }();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  hl7::Decoded decoded;
  for (const hl7::Addressee& addressee : {hl7::Addressee{{}, {}, true}, hl7::Addressee{"1001", {}, false}}) {
    decoder.decode(text, addressee, now, decoded);
    require(decoded.counts.sum() == decoded.counts.observations, "each OBX has one fate");
    require(decoded.counts.messages > 0 || !decoded.refused.empty(), "what is no message is refused");
    for (const RefusedPart& part : decoded.refused) require(!part.what.empty() && !part.message.empty(), "a refusal says what and why");
    std::size_t values = 0;
    for (const Event& event : decoded.events) {
      values += event.values.size() + (event.payload ? 1 : 0);
      require(addressee.everyone || event.patient_id == decoded.events.front().patient_id, "a record is of one person");
      require_same(event, now);
    }
    require(values == decoded.counts.taken, "what was taken is there");
  }
  auto run = hl7::DryRun::make(fuzz_schema(), options(), {}, now);
  run->add("f", text);
  require(run->counts().sum() == run->counts().observations, "a dry run loses none either");
  return 0;
}
