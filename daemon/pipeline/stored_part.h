#pragma once

#include "state/records/pieces.h"
#include "state/store.h"

namespace lacuna::daemon {

/// What the store holds of a named state in pieces, so that only what has changed is written.
class StoredPart {
 public:
  /// Nothing is known of what is there: all is written, and what was there goes.
  StoredPart() = default;
  /// As the store told it.
  explicit StoredPart(Pieces pieces) : anew_(pieces.empty()), pieces_(std::move(pieces)) {}

  /// Everything has to be written: rows that lie beside the pieces too.
  bool anew() const { return anew_; }
  /// What leads from what is stored to `now`, which is taken to be stored from then on; without rows.
  state::PartChange change_to(Pieces now);

 private:
  bool anew_ = true;
  Pieces pieces_;
};

}  // namespace lacuna::daemon
