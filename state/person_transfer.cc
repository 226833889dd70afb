#include "state/person_transfer.h"

#include <algorithm>

#include "state/records/schema_bytes.h"
#include "state/schema_book.h"
#include "state/snapshot_records.h"
#include "state/stored_messages.h"
#include "state/stored_records.pb.h"

namespace lacuna::state {

namespace {
constexpr const char* kWhat = "transfer";
}

std::vector<std::string> encode_transfer(const Schema& schema, const PersonTransfer& transfer) {
  std::vector<std::string> out;
  std::size_t begin = 0;
  do {
    const std::size_t end = std::min(begin + kTransferRowsMax, transfer.rows.size());
    const auto at = [&transfer](std::size_t i) { return transfer.rows.begin() + static_cast<std::ptrdiff_t>(i); };
    format::Transfer piece;
    piece.set_source(transfer.source);
    if (begin < end) piece.set_ids(encode_chunk({0, 0, {at(begin), at(end)}}));
    begin = end;
    if (begin == transfer.rows.size()) {
      piece.set_schema(encode_schema(schema));
      piece.set_snapshot(encode_snapshot(schema, *transfer.snapshot));
      for (const auto& [part, history] : transfer.histories) {
        piece.add_part(part);
        piece.add_history(encode_history({0, 0, history}));
      }
      for (const auto& [part, held] : transfer.payloads) {
        piece.add_payload_part(part);
        piece.add_payloads(encode_payloads({0, 0, held}));
      }
    }
    out.push_back(to_bytes(piece));
  } while (begin < transfer.rows.size());
  return out;
}

Result<PersonTransfer> decode_transfer(const Schema& present, std::string_view bytes) {
  format::Transfer in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, kWhat, in));
  PersonTransfer out;
  out.source = in.source();
  if (!in.ids().empty()) {
    Result<DeliveryChunk> chunk = decode_chunk(in.ids());
    if (!chunk.ok()) return chunk.status();
    out.rows = std::move(chunk->rows);
  }
  if (in.part_size() != in.history_size()) return corrupt(kWhat, "the history arrays differ in length");
  for (int i = 0; i < in.part_size(); ++i) {
    Result<StoredHistory> history = decode_history(in.history(i));
    if (!history.ok()) return history.status();
    out.histories.emplace_back(in.part(i), std::move(history->history));
  }
  if (in.payload_part_size() != in.payloads_size()) return corrupt(kWhat, "the payload arrays differ in length");
  for (int i = 0; i < in.payloads_size(); ++i) {
    Result<StoredPayloads> payloads = decode_payloads(in.payloads(i));
    if (!payloads.ok()) return payloads.status();
    out.payloads.emplace_back(in.payload_part(i), std::move(payloads->held));
  }
  if (in.snapshot().empty()) return out;
  SchemaBook schemas(present);
  LACUNA_RETURN_IF_ERROR(schemas.add({in.schema(), false}));
  Result<Snapshot> snapshot = decode_snapshot(schemas, in.snapshot());
  if (!snapshot.ok()) {
    return snapshot.code() == Code::not_found ? corrupt(kWhat, "the snapshot is of another schema") : snapshot.status();
  }
  out.snapshot = std::move(*snapshot);
  return out;
}

}  // namespace lacuna::state
