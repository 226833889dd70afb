#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "state/records/bytes.h"

namespace lacuna {

/// A part of a state as it is stored; the whole is one after the other. The same object as before has the same content.
using Piece = std::shared_ptr<const std::string>;
using Pieces = std::vector<Piece>;

inline std::string joined(const Pieces& pieces) {
  std::size_t size = 0;
  for (const Piece& p : pieces) size += p->size();
  std::string whole;
  whole.reserve(size);
  for (const Piece& p : pieces) whole += *p;
  return whole;
}

/// Writes a state in pieces, so that what changes seldom is not written with what changes often.
class PieceWriter {
 public:
  /// Of the piece at hand.
  ByteWriter& bytes() { return bytes_; }
  /// What comes next is another piece.
  void cut() { add(std::make_shared<const std::string>(std::exchange(bytes_, ByteWriter()).take())); }
  /// Made before; where nothing was written since the last cut().
  void add(Piece piece) { pieces_.push_back(std::move(piece)); }
  Pieces take() {
    cut();
    return std::exchange(pieces_, {});
  }

 private:
  ByteWriter bytes_;
  Pieces pieces_;
};

}  // namespace lacuna
