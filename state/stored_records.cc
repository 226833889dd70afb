#include "state/stored_records.h"

#include <zlib.h>

#include "state/records/bytes.h"
#include "state/stored_messages.h"
#include "state/stored_records.pb.h"

namespace lacuna::state {

namespace {

std::uint32_t checkpoint_crc(std::uint32_t version, const std::string& name, const std::string& content) {
  ByteWriter head;
  head.put(version);
  head.put_text(name);
  return crc32_of(content, crc32_of(head.take()));
}

}  // namespace

std::string encode_position(const PartitionPosition& position) {
  format::Position out;
  out.set_topic(position.topic);
  out.set_partition(position.partition);
  out.set_input_next(position.position.input_next);
  out.set_changelog_next(position.position.changelog_next);
  const RecordCounts& counts = position.position.counts;
  out.set_consumed(counts.consumed);
  out.set_applied(counts.applied);
  out.set_duplicate(counts.duplicate);
  out.set_late(counts.late);
  out.set_refused(counts.refused);
  out.set_partial(counts.partial);
  out.set_forwarded(counts.forwarded);
  out.set_written_ms(to_ms(position.position.written));
  return to_bytes(out);
}

Result<PartitionPosition> decode_position(std::string_view bytes) {
  format::Position in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "position", in));
  if (in.partition() < 0 || in.input_next() < 0 || in.changelog_next() < 0) return corrupt("position", "a number is negative");
  const RecordCounts counts{in.consumed(), in.applied(), in.duplicate(), in.late(), in.refused(), in.partial(), in.forwarded()};
  if (counts.consumed != counts.applied + counts.duplicate + counts.late + counts.refused + counts.forwarded) {
    return corrupt("position", "its counts do not add up");
  }
  if (!is_time(in.written_ms())) return corrupt("position", "the time is out of range");
  return PartitionPosition{in.topic(), in.partition(), {in.input_next(), in.changelog_next(), counts, from_ms(in.written_ms())}};
}

std::string encode_stratum(const ReplayStratum& stratum) {
  format::Stratum out;
  out.set_hash(stratum.hash);
  out.set_offered(stratum.offered);
  out.set_stored(stratum.stored);
  return to_bytes(out);
}

Result<ReplayStratum> decode_stratum(std::string_view bytes) {
  format::Stratum in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "replay stratum", in));
  if (in.stored() > in.offered()) return corrupt("replay stratum", "it holds more than was offered");
  return ReplayStratum{in.hash(), in.offered(), in.stored()};
}

std::string encode_header(const StoreHeader& header) {
  format::Store out;
  out.set_schema_fingerprint(header.schema_fingerprint);
  out.set_unnamed_fingerprint(header.unnamed_fingerprint);
  out.set_patients(header.patients);
  return to_bytes(out);
}

Result<StoreHeader> decode_header(std::string_view bytes) {
  format::Store in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "store header", in));
  // Before version 2 no record named its schema: all were of the store's.
  const bool unnamed = in.format_version() < 2;
  return StoreHeader{in.schema_fingerprint(), in.patients(), unnamed ? in.schema_fingerprint() : in.unnamed_fingerprint()};
}

std::string encode_named_blob(const NamedBlob& named) {
  format::NamedBlob out;
  out.set_name(named.name);
  out.set_content(named.content);
  out.set_schema_fingerprint(named.schema_fingerprint);
  out.set_pieces(named.pieces);
  return to_bytes(out);
}

Result<NamedBlob> decode_named_blob(std::string_view bytes) {
  format::NamedBlob in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "named state", in));
  return NamedBlob{std::move(*in.mutable_name()), std::move(*in.mutable_content()), in.schema_fingerprint(), in.pieces()};
}

std::string encode_schema_record(const SchemaRecord& record) {
  format::Schema out;
  out.set_schema(record.schema);
  out.set_unnamed(record.unnamed);
  return to_bytes(out);
}

Result<SchemaRecord> decode_schema_record(std::string_view bytes) {
  format::Schema in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "schema record", in));
  return SchemaRecord{std::move(*in.mutable_schema()), in.unnamed()};
}

std::uint32_t crc32_of(std::string_view bytes, std::uint32_t crc) {
  return static_cast<std::uint32_t>(crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::string encode_checkpoint_file(const std::string& name, const std::string& content) {
  format::Checkpoint out;
  out.set_crc32(checkpoint_crc(kPlainFormatVersion, name, content));
  out.set_name(name);
  out.set_content(content);
  return to_bytes(out);
}

Result<NamedBlob> decode_checkpoint_file(std::string_view bytes) {
  constexpr const char* kWhat = "checkpoint file";
  format::Checkpoint in;
  LACUNA_RETURN_IF_ERROR(parse(bytes, kWhat, in));
  // Before the version: only an intact file may claim to be newer than we are.
  if (in.crc32() != checkpoint_crc(in.format_version(), in.name(), in.content())) {
    return corrupt(kWhat, "the checksum does not fit");
  }
  LACUNA_RETURN_IF_ERROR(check_version(in.format_version(), kWhat));
  return NamedBlob{std::move(*in.mutable_name()), std::move(*in.mutable_content()), 0};
}

std::string encode_model_chunk(const ModelChunk& chunk) {
  format::ModelChunk out;
  out.set_instance(chunk.instance);
  out.set_number(chunk.number);
  out.set_chunk(chunk.chunk);
  out.set_chunks(chunk.chunks);
  out.set_crc32(chunk.crc32);
  out.set_content(chunk.content);
  return to_bytes(out);
}

Result<ModelChunk> decode_model_chunk(std::string_view bytes) {
  format::ModelChunk in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "model chunk", in));
  if (in.chunk() >= in.chunks()) return corrupt("model chunk", "its number is not below their count");
  return ModelChunk{std::move(*in.mutable_instance()), in.number(), in.chunk(), in.chunks(), in.crc32(), std::move(*in.mutable_content())};
}

std::string encode_published_model(const PublishedModel& checkpoint) {
  format::PublishedModel out;
  out.set_learner(checkpoint.learner);
  out.set_schema(checkpoint.schema);
  for (const auto& [name, content] : checkpoint.meta) {
    format::NamedBlob& named = *out.add_state();
    named.set_format_version(kPlainFormatVersion);
    named.set_name(name);
    named.set_content(content);
  }
  return to_bytes(out);
}

Result<PublishedModel> decode_published_model(std::string_view bytes) {
  format::PublishedModel in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "model checkpoint", in));
  PublishedModel out{std::move(*in.mutable_learner()), {}, std::move(*in.mutable_schema())};
  for (format::NamedBlob& named : *in.mutable_state()) {
    LACUNA_RETURN_IF_ERROR(check_version(named.format_version(), "named state"));
    if (!out.meta.emplace(named.name(), std::move(*named.mutable_content())).second) {
      return corrupt("model checkpoint", "a name comes twice");
    }
  }
  return out;
}

}  // namespace lacuna::state
