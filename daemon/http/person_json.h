#pragma once

#include <array>
#include <string>
#include <string_view>

#include "daemon/config/config.h"
#include "daemon/pipeline/operator_commands.h"
#include "daemon/pipeline/pipeline.h"
#include "state/records/status.h"
#include "streaming/messages/event_decoder.h"

// What is known of a person as JSON, and the bodies of the calls that forget or merge one (docs/identity.md).

namespace lacuna::daemon {

/// For GET /v1/patients/{id}: streaming::encode_snapshot() with what else is kept.
std::string person_json(const Schema& schema, const Snapshot& snapshot, const KeptOfPerson& kept, Time now);

/// {"person":KEY,"confirm":KEY}, for a merge with "into":KEY. `invalid` says what is wrong and quotes nothing.
Result<OperatorCommand> parse_person_command(OperatorCommand::Action action, std::string_view body, const streaming::CodecLimits& limits);

/// The answer once it is published.
std::string published_json(OperatorCommand::Action action);

/// What a forgetting leaves, for whoever has to see to it.
inline constexpr std::array<std::string_view, 8> kForgettingDoesNotReach{
    "the input topics: the events themselves, until their retention is over",
    "dead letters and topics.transfers: messages as they came, until retention",
    "earlier imputations and changelog records, until Kafka compacts their topics; the embedded log keeps them",
    "alerts, until retention: they name no patient",
    "weights, calibration, scores and detectors: sums over many patients, which are not made to unlearn",
    "the checkpoint on topics.model, whose recent examples have no id, until it is published again",
    "instances that had the partition before, damaged stores set aside, disks that are not started again",
    "backups, and whatever else has read the topics",
};

}  // namespace lacuna::daemon
