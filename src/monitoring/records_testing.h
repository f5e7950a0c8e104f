// SPDX-License-Identifier: Apache-2.0
// Records for tests of this room.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "monitoring/record_codec.h"

namespace slipway::monitoring {

// A ULID whose number is `number`.
std::string TestUlid(uint64_t number);

// One feature "x" (FP32), one "place" (text), an INT64 output "label" and FP32 "probabilities"
// [rows, 2] with `scores` in the last column. Endpoint and model "flights", version 1, arm
// "stable".
PredictionRecord TestRecord(uint64_t number, base::Micros time, const std::vector<float>& scores,
                            const std::vector<float>& x, const std::vector<std::string>& place);
// One row.
PredictionRecord TestRecord(uint64_t number, base::Micros time, float score, float x = 0.5f,
                            const std::string& place = "EWR");

// The view of a record, with the bytes that it points into.
struct EncodedRecord {
  explicit EncodedRecord(const PredictionRecord& record);
  EncodedRecord(const EncodedRecord&) = delete;
  EncodedRecord& operator=(const EncodedRecord&) = delete;
  std::string bytes;
  PredictionView view;
};

}  // namespace slipway::monitoring
