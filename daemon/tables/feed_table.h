#pragma once

#include <string>

#include "streaming/hl7/dry_run.h"

namespace lacuna::daemon {

/// What a person reads: counts, values by feature, corrections, refusals, codes that lead nowhere, and the draft of a configuration.
std::string feed_table(const streaming::hl7::DryRun& run, const Schema& schema, const streaming::hl7::FeedOptions& options);

/// The codes that lead nowhere as a CSV for hl7.codes_file, with `to` where a feature of the schema has that name and such a unit, else
/// empty.
std::string codes_draft(const streaming::hl7::DryRun& run, const Schema& schema);

/// The feature whose name is the code's, and into whose unit all of its units convert; empty: there is none, or more than one.
std::string feature_of(const streaming::hl7::UnmappedCode& code, const Schema& schema);

}  // namespace lacuna::daemon
