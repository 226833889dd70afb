#pragma once

#include <string>
#include <string_view>

#include "state/records/schema.h"
#include "state/records/status.h"

namespace lacuna {

/// A schema as it lies beside what was stored under it, so that positions mean something years later: everything that Schema::make takes.
std::string encode_schema(const Schema& schema);
/// `corrupt`: not what encode_schema() wrote; `unsupported`: of another version.
Result<Schema> decode_schema(std::string_view bytes);

}  // namespace lacuna
