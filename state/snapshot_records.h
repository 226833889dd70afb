#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "state/records/records.h"
#include "state/records/status.h"
#include "state/schema_book.h"

namespace lacuna::state {

/// Snapshot and Example as Protocol Buffers (state/stored_records.proto; docs/formats.md), with a format version: what the
/// changelog and the store hold. Each names its schema. Who knows one schema alone reads what was written under it, or names none
/// (format version 1), and is told `unsupported` of others; who has the book is given the present schema's, and `not_found` where the
/// book does not know what the record names. `dropped` (may be null) counts what went.
std::string encode_snapshot(const Schema& schema, const Snapshot& snapshot);
Result<Snapshot> decode_snapshot(const Schema& schema, std::string_view bytes);
Result<Snapshot> decode_snapshot(const SchemaBook& schemas, std::string_view bytes, std::uint64_t* dropped = nullptr);
std::string encode_example(const Schema& schema, const Example& example);
Result<Example> decode_example(const Schema& schema, std::string_view bytes);
/// `emptied` (may be null): set where it had taught something and the present schema has nothing of that.
Result<Example> decode_example(const SchemaBook& schemas, std::string_view bytes, bool* emptied = nullptr);
/// The fingerprint of the schema that a snapshot's bytes name; 0: none.
Result<std::uint64_t> named_schema(std::string_view snapshot);

}  // namespace lacuna::state
