#pragma once

#include <string_view>

namespace lacuna::streaming {

/// What a message that is no event looks like: a schema registry's framing, HL7, FHIR, a CloudEvent
/// (docs/messages.md#what-is-not-an-event). Empty where it looks like nothing that is known. Looks at the first few kilobytes alone.
std::string_view foreign_format(std::string_view bytes);

}  // namespace lacuna::streaming
