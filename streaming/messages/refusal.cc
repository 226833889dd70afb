#include "streaming/messages/refusal.h"

namespace lacuna::streaming {

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::malformed: return "malformed";
    case Refusal::too_large: return "too_large";
    case Refusal::unknown_modality: return "unknown_modality";
    case Refusal::unknown_feature: return "unknown_feature";
    case Refusal::out_of_range: return "out_of_range";
    case Refusal::unit: return "unit";
    case Refusal::time: return "time";
    case Refusal::imputed: return "imputed";
    case Refusal::late: return "late";
    case Refusal::poison: return "poison";
    case Refusal::unsupported: return "unsupported";
    case Refusal::id_conflict: return "id_conflict";
    case Refusal::time_imprecise: return "time_imprecise";
  }
  return "unknown";
}

}  // namespace lacuna::streaming
