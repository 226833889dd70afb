#include "model/drift/options.h"

namespace lacuna::drift {

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::missingness: return "missingness";
    case Kind::measured: return "measured";
    case Kind::pattern: return "pattern";
    case Kind::value: return "value";
    case Kind::distribution: return "distribution";
    case Kind::error: return "error";
    case Kind::coverage: return "coverage";
    case Kind::latent: return "latent";
    case Kind::mix: return "mix";
    case Kind::stream: return "stream";
    case Kind::subgroup: return "subgroup";
  }
  return "unknown";
}

}  // namespace lacuna::drift
