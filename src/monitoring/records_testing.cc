// SPDX-License-Identifier: Apache-2.0
#include "monitoring/records_testing.h"

namespace slipway::monitoring {

using inference::Tensor;

std::string TestUlid(uint64_t number) { return FormatUlid({0x0123456789ABULL, number}); }

PredictionRecord TestRecord(uint64_t number, base::Micros time, const std::vector<float>& scores,
                            const std::vector<float>& x, const std::vector<std::string>& place) {
  const int64_t rows = static_cast<int64_t>(scores.size());
  PredictionRecord record;
  record.id = TestUlid(number);
  record.time = time;
  record.endpoint = "flights";
  record.model = "flights";
  record.version = 1;
  record.arm = "stable";
  record.rows = rows;
  std::vector<float> probabilities;
  std::vector<int64_t> labels;
  for (const float score : scores) {
    probabilities.push_back(1 - score);
    probabilities.push_back(score);
    labels.push_back(score > 0.5f ? 1 : 0);
  }
  record.inputs.push_back({"x", Tensor::Of({rows, 1}, x)});
  record.inputs.push_back({"place", Tensor::Of({rows, 1}, place)});
  record.outputs.push_back({"label", Tensor::Of({rows}, labels)});
  record.outputs.push_back({"probabilities", Tensor::Of({rows, 2}, probabilities)});
  return record;
}

PredictionRecord TestRecord(uint64_t number, base::Micros time, float score, float x,
                            const std::string& place) {
  return TestRecord(number, time, std::vector<float>{score}, std::vector<float>{x},
                    std::vector<std::string>{place});
}

EncodedRecord::EncodedRecord(const PredictionRecord& record)
    : bytes(EncodePrediction(record).value()) {
  const base::Status read = ReadPrediction(bytes, view);
  CHECK(read.ok(), read.ToString());
}

}  // namespace slipway::monitoring
