#include "daemon/pipeline/stored_part.h"

#include <utility>

namespace lacuna::daemon {

state::PartChange StoredPart::change_to(Pieces now) {
  state::PartChange change;
  change.anew = std::exchange(anew_, false);
  if (change.anew) pieces_.clear();
  if (change.anew || now.size() != pieces_.size()) change.count = static_cast<std::uint32_t>(now.size());
  for (std::size_t i = 0; i < now.size(); ++i) {
    const bool same = i < pieces_.size() && (now[i] == pieces_[i] || *now[i] == *pieces_[i]);
    if (!same) change.pieces[static_cast<std::uint32_t>(i)] = now[i];
  }
  pieces_ = std::move(now);
  return change;
}

}  // namespace lacuna::daemon
