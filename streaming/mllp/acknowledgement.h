#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/time.h"
#include "streaming/hl7/message.h"

// The answers to a message: HL7 v2's original mode (AA, AE, AR) and its enhanced mode (MSH-15 and MSH-16: CA, CE, CR).

namespace lacuna::streaming::mllp {

/// What an answer repeats of a message's MSH, as it stands there, without control characters and cut at kFieldBytesMax. Of a message whose
/// MSH cannot be read: what could be found, with the usual delimiters.
struct MessageHeader {
  hl7::Delimiters delimiters;
  std::string encoding = "^~\\&";                         ///< MSH-2
  std::string application, facility;                      ///< MSH-3, MSH-4
  std::string receiving_application, receiving_facility;  ///< MSH-5, MSH-6
  std::string type, trigger;                              ///< MSH-9.1, MSH-9.2
  std::string control_id;                                 ///< MSH-10
  std::string processing, version;                        ///< MSH-11, MSH-12
  std::string accept_condition, application_condition;    ///< MSH-15, MSH-16; null is empty
  std::string character_set;                              ///< MSH-18
  bool enhanced() const { return !accept_condition.empty() || !application_condition.empty(); }
  bool is_answer() const { return type == "ACK"; }  ///< nobody answers an answer
};
inline constexpr std::size_t kFieldBytesMax = 256;
MessageHeader read_header(std::string_view message);

enum class Verdict : std::uint8_t {
  accepted,  ///< AA, CA: the log has it
  error,     ///< AE, CE: the log did not take it; the same message may be taken later
  rejected,  ///< AR, CR: as it is, it is never taken
};

/// Why a message is not accepted, for ERR. Quotes nothing of it.
struct Fault {
  int code = 0;          ///< HL7's table 0357
  std::string location;  ///< "PID-3", "MSH"; empty: the message as a whole
  std::string text;
};
inline constexpr int kSegmentError = 100, kFieldMissing = 101, kUnknownInTable = 103, kTooLong = 104, kInternalError = 207;

/// Which answer it is, so that the same message gets the same one.
struct AnswerStamp {
  std::uint64_t number = 0;  ///< of this process; an answer takes two
  Time time{};
};

struct Answer {
  std::string_view code;  ///< "AA"
  std::string message;
};
/// None, one or two: what the message asks for. `process`: begins the control ids of the answers. `fault`: of those not accepted.
std::vector<Answer> answers(const MessageHeader& header, Verdict verdict, const Fault& fault, std::string_view process,
                            const AnswerStamp& stamp);

}  // namespace lacuna::streaming::mllp
