#include "state/schema_book.h"

#include <array>
#include <cstdio>
#include <utility>

#include "state/records/schema_bytes.h"

namespace lacuna::state {

std::string fingerprint_text(std::uint64_t fingerprint) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(fingerprint));
  return text.data();
}

std::string schema_key(std::uint64_t fingerprint) { return fingerprint_text(fingerprint) + std::string(kSchemaKeySuffix); }

SchemaBook::SchemaBook(Schema present) : present_{std::make_shared<const Schema>(std::move(present)), nullptr} {}

Status SchemaBook::add(const SchemaRecord& record) {
  Result<Schema> schema = decode_schema(record.schema);
  if (!schema.ok()) return schema.status();
  const std::uint64_t fingerprint = schema->fingerprint();
  if (fingerprint != present().fingerprint() && !contains(fingerprint)) {
    Result<SchemaMapping> grown = SchemaMapping::make(*schema, present());
    if (!grown.ok()) return grown.status();
    const std::lock_guard lock(mutex_);
    others_.emplace(fingerprint,
                    Known{std::make_shared<const Schema>(std::move(*schema)), std::make_shared<const SchemaMapping>(std::move(*grown))});
  }
  if (record.unnamed) set_unnamed(fingerprint);
  return {};
}

void SchemaBook::set_unnamed(std::uint64_t fingerprint) {
  const std::lock_guard lock(mutex_);
  if (unnamed_ == 0) unnamed_ = fingerprint;
}

std::uint64_t SchemaBook::unnamed() const {
  const std::lock_guard lock(mutex_);
  return unnamed_;
}

Result<SchemaBook::Known> SchemaBook::find(std::uint64_t fingerprint) const {
  if (fingerprint == present().fingerprint()) return present_;
  const std::lock_guard lock(mutex_);
  const std::uint64_t named = fingerprint == 0 ? unnamed_ : fingerprint;
  if (named == present().fingerprint()) return present_;
  const auto found = others_.find(named);
  if (found != others_.end()) return found->second;
  return Status(Code::not_found, fingerprint == 0 ? "a record that names no schema, and nothing tells its schema"
                                                  : "a record of a schema that is not known here");
}

std::vector<SchemaBook::Known> SchemaBook::earlier() const {
  const std::lock_guard lock(mutex_);
  std::vector<Known> out;
  for (const auto& [fingerprint, known] : others_) out.push_back(known);
  return out;
}

std::map<std::uint64_t, SchemaRecord> SchemaBook::to_publish() const {
  const std::uint64_t old = unnamed();
  std::map<std::uint64_t, SchemaRecord> out;
  for (const std::uint64_t fingerprint : {present().fingerprint(), old}) {
    if (fingerprint == 0) continue;
    if (const Result<Known> known = find(fingerprint); known.ok()) out[fingerprint] = {encode_schema(*known->schema), fingerprint == old};
  }
  return out;
}

}  // namespace lacuna::state
