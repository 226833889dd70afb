#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/schema.h"
#include "state/records/schema_mapping.h"
#include "state/records/status.h"

namespace lacuna::state {

/// A schema as the changelog and the store hold it, beside the records that name its fingerprint.
struct SchemaRecord {
  std::string schema;    ///< encode_schema()
  bool unnamed = false;  ///< it is the one of records that name none: those of format version 1
  friend bool operator==(const SchemaRecord&, const SchemaRecord&) = default;
};

/// In 16 hexadecimal digits.
std::string fingerprint_text(std::uint64_t fingerprint);
/// A schema's key in the changelog: its fingerprint and kSchemaKeySuffix.
std::string schema_key(std::uint64_t fingerprint);
inline constexpr std::string_view kSchemaKeySuffix = "#schema";

/// The schemas that stored records name by their fingerprints, and what leads from each to the present one. Any thread.
class SchemaBook {
 public:
  struct Known {
    std::shared_ptr<const Schema> schema;
    std::shared_ptr<const SchemaMapping> grown;  ///< from it to the present one; null: it is the present one
  };

  explicit SchemaBook(Schema present);

  const Schema& present() const { return *present_.schema; }
  /// `corrupt`: not a schema; `unsupported`: nothing leads from it to the present one (SchemaMapping::make says why).
  Status add(const SchemaRecord& record);
  /// The schema of records that name none, where it is not known yet; else nothing.
  void set_unnamed(std::uint64_t fingerprint);
  /// 0: not known.
  std::uint64_t unnamed() const;

  /// What a record names; 0: it names none. not_found: that schema was not added.
  Result<Known> find(std::uint64_t fingerprint) const;
  /// All but the present one.
  std::vector<Known> earlier() const;
  bool contains(std::uint64_t fingerprint) const { return find(fingerprint).ok(); }
  /// By fingerprint: what a reader needs who knows nothing, to read what is written from now on and what names no schema.
  std::map<std::uint64_t, SchemaRecord> to_publish() const;

 private:
  const Known present_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Known> others_;  // guarded by mutex_
  std::uint64_t unnamed_ = 0;              // guarded by mutex_
};

}  // namespace lacuna::state
