// SPDX-License-Identifier: Apache-2.0
// The bytes of prediction records and label batches, as docs/formats/predictions.md and labels.md
// describe them. Private to this room. Decoding checks every length: kDataLoss (reason
// "bad_record") for anything that does not fit.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "monitoring/labels.h"
#include "monitoring/prediction_log.h"

namespace slipway::monitoring {

// 1: at most the mark of a cached answer follows the tensors. 2: flags, and what they announce.
inline constexpr uint8_t kPlainPredictionFormat = 1;
inline constexpr uint8_t kPredictionFormat = 2;
inline constexpr uint8_t kLabelFormat = 1;
inline constexpr size_t kMaxTensorsInRecord = 10'000;
inline constexpr size_t kMaxRank = 16;

// A ULID's 128 bits; orders as its text does.
struct UlidBits {
  uint64_t high = 0;
  uint64_t low = 0;
  friend auto operator<=>(const UlidBits&, const UlidBits&) = default;
};
base::Result<UlidBits> ParseUlid(std::string_view text);  // kInvalidArgument (field "id")
std::string FormatUlid(UlidBits bits);

base::Result<std::string> EncodePrediction(
    const PredictionRecord& record);  // kInvalidArgument: the id, or the limits above
base::Result<PredictionRecord> DecodePrediction(std::string_view bytes);

// A record read in place: everything points into its bytes. Counting uses it, because it allocates
// nothing once warm.
struct TensorView {
  std::string_view name;
  inference::DataType type = inference::DataType::kFp32;
  std::array<int64_t, kMaxRank> dimensions{};
  size_t rank = 0;
  int64_t count = 0;             // elements
  std::string_view bytes;        // the elements; for strings length-prefixed one after the other
  std::string_view label_bytes;  // the encoded tensor of column labels; empty: none

  int64_t rows() const { return rank == 0 ? 1 : dimensions[0]; }
  // Elements of one row when the first dimension is `rows`; 0 when it is not.
  int64_t RowWidth(int64_t rows_of_record) const {
    return rows() != rows_of_record || rows() == 0 ? 0 : count / rows();
  }
  double NumberAt(int64_t index) const;  // not for strings
};
struct PredictionView {
  UlidBits id;
  base::Micros time = 0;
  int64_t version = 0, plan_epoch = 0, rows = 0, queue_ns = 0, run_ns = 0, total_ns = 0,
          status_code = 0;
  std::string_view endpoint, model, arm, key, request_id, protocol, error;
  std::vector<TensorView> inputs;
  std::vector<TensorView> outputs;
  bool cached = false;
  std::string_view feature_views;  // encoded: ReadFeatureViews; empty: none
};
std::vector<FeatureViewVersion> ReadFeatureViews(std::string_view encoded);
base::Status ReadPrediction(std::string_view bytes, PredictionView& view);
inference::Tensor CopyTensor(const TensorView& view);
// The labels of the columns; nullopt when there are none.
base::Result<std::optional<inference::Tensor>> CopyColumnLabels(const TensorView& view);

std::string EncodeLabels(const LabelBatch& batch);
base::Result<LabelBatch> DecodeLabels(std::string_view bytes);

}  // namespace slipway::monitoring
