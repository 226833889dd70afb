#pragma once

#include <string>
#include <string_view>

#include "model/options.h"
#include "state/records/bytes.h"
#include "state/records/records.h"
#include "state/records/status.h"

// The envelope of a model checkpoint, and examples inside it. No LibTorch.

namespace lacuna::model {

/// magic, format version, the network's schema, its shape, body, hash of all before.
std::string seal_learner_checkpoint(const Schema& schema, const ModelOptions& options, std::string body, bool censored = false);

struct OpenedCheckpoint {
  Schema schema;  ///< what the body was written under
  std::string body;
  std::int64_t columns = 0;  ///< InputLayout::columns of the network
};
/// `corrupt` when the bytes are not what was sealed; `unsupported` when they are of another format or another shape of network. The
/// format before this one has no schema, but its fingerprint: it is read when that is `schema`'s, else `unsupported`.
Result<OpenedCheckpoint> open_learner_checkpoint(const Schema& schema, const ModelOptions& options, std::string_view bytes);

/// An example without what learning does not need: patient id, site, recent ids and source are not kept.
void write_example(ByteWriter& out, const Example& example);
/// Check in.ok() after; indices beyond the schema make it fail.
Example read_example(ByteReader& in, const Schema& schema);

}  // namespace lacuna::model
