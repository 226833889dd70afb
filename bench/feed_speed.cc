// How many HL7 v2 messages one core takes from bytes to events, without a log: ORU^R01 of 1.9 kB (a panel of 16 results with units,
// reference ranges and times), each another message. Arguments: how many to make (20000), how often to read them all (5). Processor time of
// this thread, so that other work on the machine does not count. docs/hospital-feeds.md has the figure.
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "streaming/hl7/message_decoder.h"

namespace {

using namespace lacuna;
namespace hl7 = lacuna::streaming::hl7;

constexpr const char* kNames[] = {"sodium",     "potassium",  "chloride", "bicarbonate", "bun", "creatinine", "glucose",   "calcium",
                                  "hemoglobin", "hematocrit", "wbc",      "platelets",   "alt", "ast",        "bilirubin", "albumin"};
constexpr const char* kUnits[] = {"mmol/L", "mmol/L", "mmol/L", "mmol/L", "mg/dL", "mg/dL", "mg/dL", "mg/dL",
                                  "g/dL",   "%",      "10*9/L", "10*9/L", "U/L",   "U/L",   "mg/dL", "g/dL"};

Schema schema() {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "lab";
  for (int i = 0; i < 16; ++i) {
    Feature f;
    f.name = kNames[i];
    f.unit = kUnits[i];
    f.low = 0;
    f.high = 10'000;
    specs[0].features.push_back(f);
  }
  auto made = Schema::make(std::move(specs), {});
  if (!made.ok()) std::abort();
  return *made;
}

std::string message(int number) {
  const std::string n = std::to_string(number);
  const std::string minute = std::to_string(10 + number % 50);
  std::string out = "MSH|^~\\&|LIS^2.16.840.1.113883.3.1^ISO|GENERAL|LACUNA|ICU|2026010208" + minute + "00+0100||ORU^R01^ORU_R01|M" + n +
                    "|P|2.5.1|||||DEU|UNICODE UTF-8\rPID|1||" + std::to_string(100000 + number % 5000) +
                    "^^^HOSP^MR||Doe^Jo^A||19700101|F\rPV1|1|I|ICU-4^12^1^NORTH\rORC|RE|P" + n + "|F" + n + "\rOBR|1|P" + n + "^OE|F" + n +
                    "^LIS|24323-8^Comprehensive panel^LN|||2026010207" + minute + "00|||||||||||||||2026010208" + minute + "00|||F\r";
  for (int i = 0; i < 16; ++i) {
    out += "OBX|" + std::to_string(i + 1) + "|NM|" + std::to_string(2000 + i) + "-1^" + kNames[i] + " in serum^LN||" +
           std::to_string(1 + (number + i) % 90) + "." + std::to_string(i % 10) + "|" + kUnits[i] + "^" + kUnits[i] +
           "^UCUM|1.0-50.0|N|||F|||2026010207" + minute + "00\r";
  }
  return out;
}

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 20'000, rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  const Schema declared = schema();
  hl7::FeedOptions options;
  for (int i = 0; i < 16; ++i) options.codes[std::to_string(2000 + i) + "-1^LN"] = {std::string("lab.") + kNames[i], "", {}, {}};
  auto decoder = hl7::MessageDecoder::make(declared, options, {});
  if (!decoder.ok()) std::abort();
  std::vector<std::string> messages;
  std::size_t bytes = 0;
  for (int i = 0; i < count; ++i) bytes += messages.emplace_back(message(i)).size();
  const Time now = *parse_rfc3339("2026-01-03T00:00:00Z");
  hl7::Decoded decoded;
  hl7::FeedCounts counts;
  double best = 1e9;
  for (int round = 0; round < rounds; ++round) {
    const double begin = processor_seconds();
    for (const std::string& one : messages) {
      decoder->decode(one, {"100000", {}, false}, now, decoded);
      counts += decoded.counts;
    }
    best = std::min(best, processor_seconds() - begin);
  }
  if (counts.taken != static_cast<std::uint64_t>(count) * 16 * static_cast<std::uint64_t>(rounds)) {
    std::fprintf(stderr, "not every OBX was taken\n");
    return 1;
  }
  std::printf("%.0f messages a second, of %.0f bytes with 16 OBX each; %.0f ns an OBX\n", count / best, static_cast<double>(bytes) / count,
              1e9 * best / count / 16);
  return 0;
}
