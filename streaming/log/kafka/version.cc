#include "streaming/log/librdkafka_version.h"

#include <librdkafka/rdkafka.h>

namespace lacuna::streaming {

std::string librdkafka_version() { return rd_kafka_version_str(); }

}  // namespace lacuna::streaming
