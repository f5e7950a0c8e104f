// SPDX-License-Identifier: Apache-2.0
// What an inference request says besides the prediction itself, and what both transports share.
// Private to the room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/oip/field_path.h"
#include "base/status.h"
#include "inference/tensor.h"
#include "serving/predict.h"

namespace slipway::api::oip {

inline constexpr size_t kMaxTensors = 1000;    // inputs, and outputs asked for, of one request
inline constexpr size_t kMaxRank = 16;         // dimensions of a tensor
inline constexpr size_t kMaxNameBytes = 1024;  // of a tensor
inline constexpr size_t kMaxJsonBytes =
    32 << 20;  // JSON of a request; larger tensors go as binary data
inline constexpr std::string_view kKeyName =
    "slipway-key";  // header, request parameter and gRPC metadata: sticky routing

struct InferCall {
  serving::PredictCall call;  // request_id is the protocol's "id"
  bool binary_outputs = false;
  // By place in call.request.outputs, where the request says it for that output.
  std::vector<std::optional<bool>> output_binary;
};

// Bytes off the wire as a tensor: borrowed from `owner` when aligned for the type and worth it,
// else copied. BYTES elements each carry a little-endian 4-byte length. kInvalidArgument with
// `field` when the bytes do not fill the shape exactly.
base::Result<inference::Tensor> TensorFromRaw(inference::DataType type, inference::Shape shape,
                                              std::string_view bytes,
                                              const std::shared_ptr<const void>& owner,
                                              const FieldPath& field);
size_t RawSize(const inference::Tensor& tensor);
void AppendRaw(std::string& out, const inference::Tensor& tensor);

// kInvalidArgument with field + "[i]" on a negative dimension, field when there are too many
// dimensions or elements.
base::Status CheckShape(const inference::Shape& shape, const FieldPath& field);
// 1 or more, decimal, for a version in a path or message. kNotFound (reason "version_not_found"):
// no other version exists.
base::Result<int64_t> ParseVersion(std::string_view text);

// "inputs[0].shape: ..." as callers see it.
std::string ErrorText(const base::Status& status);

}  // namespace slipway::api::oip
