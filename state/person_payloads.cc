#include "state/person_payloads.h"

#include <algorithm>
#include <utility>

#include "state/person_bytes.h"

namespace lacuna::state {

namespace {

constexpr std::uint8_t kVersion = 1;

void write(PersonWriter& out, const Payload& payload) {
  out.number(payload.values.size());
  for (const float value : payload.values) out.put(value);
  out.number(payload.observed.size());
  for (const std::uint8_t is : payload.observed) out.put(is);
  out.number(payload.text.size());
  for (const char c : payload.text) out.put(c);
}

Payload read(PersonReader& in) {
  Payload out;
  out.values.resize(in.count(sizeof(float)));
  for (float& value : out.values) value = in.finite<float>();
  out.observed.resize(in.count(1));
  in.require(out.observed.empty() || out.observed.size() == out.values.size());
  for (std::uint8_t& is : out.observed) in.require((is = in.get<std::uint8_t>()) <= 1);
  out.text.resize(in.count(1));
  for (char& c : out.text) c = in.get<char>();
  return out;
}

}  // namespace

bool apply_change(HeldPayloads& held, const PayloadChange& change) {
  const auto replaced = change.replaces == 0 ? held.end() : std::find_if(held.begin(), held.end(), [&change](const HeldPayload& one) {
    return same_tag(payload_tag(*one.payload, one.time), change.replaces);
  });
  const bool found = replaced != held.end();
  if (found && change.payload && replaced->time == change.time) {
    replaced->payload = change.payload;  // in its place: what came at the same time after it still holds
    return true;
  }
  if (found) held.erase(replaced);
  if (!change.payload) return found;
  const auto later = [](Time time, const HeldPayload& one) { return time < one.time; };
  held.insert(std::upper_bound(held.begin(), held.end(), change.time, later), {change.time, change.payload});
  return found;
}

std::string encode_payloads(const StoredPayloads& stored) {
  PersonWriter out;
  out.put(kVersion);
  out.number(stored.begun);
  out.number(stored.sequence);
  out.number(stored.held.size());
  Time before{};
  for (const HeldPayload& one : stored.held) {
    out.time(one.time, before);
    before = one.time;
    write(out, *one.payload);
  }
  return out.take();
}

Result<StoredPayloads> decode_payloads(std::string_view bytes) {
  PersonReader in(bytes, "payloads of a patient");
  in.version(kVersion);
  StoredPayloads out;
  out.begun = in.number();
  out.sequence = in.number();
  out.held.resize(in.count(4));
  Time before{};
  for (HeldPayload& one : out.held) {
    one.time = in.time(before);
    in.require(&one == out.held.data() || one.time >= before);
    before = one.time;
    one.payload = PayloadRef(read(in));
  }
  LACUNA_RETURN_IF_ERROR(in.finish());
  return out;
}

}  // namespace lacuna::state
