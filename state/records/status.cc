#include "state/records/status.h"

namespace lacuna {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::ok: return "ok";
    case Code::invalid: return "invalid";
    case Code::not_found: return "not found";
    case Code::unavailable: return "unavailable";
    case Code::aborted: return "aborted";
    case Code::fenced: return "fenced";
    case Code::corrupt: return "corrupt";
    case Code::unsupported: return "unsupported";
    case Code::internal: return "internal";
  }
  return "unknown";
}

std::string Status::to_string() const {
  if (ok()) return "ok";
  return std::string(lacuna::to_string(code_)) + ": " + message_;
}

}  // namespace lacuna
