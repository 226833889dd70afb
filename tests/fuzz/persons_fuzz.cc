#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "state/person_records.h"
#include "tests/fuzz/state_records.h"

// What is kept of a patient beside the snapshot: values of lacuna.state, and of the store's `persons` and `deliveries`.

namespace {

using namespace lacuna::state;

// The first byte is the version.
template <typename Decode, typename Encode>
void check(std::string_view bytes, const Decode& decode, const Encode& encode) {
  std::optional<std::string> written = fuzz::check_decoder(bytes, decode, encode);
  if (!written) return;
  // Rows of a shape are told by it, never more: nothing decodes to much more than its bytes.
  fuzz::require(written->size() <= 16 * bytes.size() + 64, "little is read from little");
  (*written)[0] = 5;  // above the newest: state/person_codec.cc
  fuzz::require(decode(*written).code() == lacuna::Code::unsupported, "a newer version is never read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check(bytes, decode_journal, encode_journal);
  check(bytes, decode_chunk, encode_chunk);
  check(bytes, decode_history, encode_history);
  check(bytes, decode_payloads, encode_payloads);
  constexpr std::uint32_t kNear = 490'000;
  const auto decode = [](std::string_view b) { return decode_delivery(b, kNear); };
  fuzz::check_decoder(bytes, decode, encode_delivery);

  // As the changelog's, under each kind of key, to one who is known and to one who is not.
  for (const char* key : {"a/journal-3", "a/ids-3", "a/history-3", "a/payloads-3"}) {
    for (const std::uint64_t sequence : {0, 88'001}) {
      PersonState known;
      known.begun = known.folded = known.sequence = sequence;
      PersonUpdate update;
      update.patient_id = "a";
      const auto added = add_record(key, std::string(bytes), known, update);
      fuzz::require(added.ok() || added.code() == lacuna::Code::corrupt || added.code() == lacuna::Code::unsupported,
                    "a refusal is corrupt or unsupported");
    }
  }
  return 0;
}
