#pragma once

#include <string>

#include "state/records/records.h"

// Records to the JSON messages of docs/messages.md.

namespace lacuna::streaming {

std::string encode_event(const Schema& schema, const Event& event);
/// {"payload":{...}} or {"text":"..."}, as an event of the modality carries it.
std::string encode_payload(const Modality& modality, const Payload& payload);
std::string encode_imputation(const Schema& schema, const Imputation& imputation);
std::string encode_alert(const Alert& alert);

}  // namespace lacuna::streaming
