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
#include "api/oip/shared_memory.h"
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
inline constexpr std::string_view kCallerName =
    "slipway-caller";  // header and gRPC metadata: whose share of a busy model a request takes
inline constexpr size_t kMaxParameters = 256;  // of one request, those for the model
inline constexpr int64_t kMaxClasses = 1 << 20;
// What of Triton's extensions is served, as the server's metadata lists it.
inline constexpr std::string_view kExtensions[] = {"classification",
                                                   "sequence",
                                                   "schedule_policy",
                                                   "model_configuration",
                                                   "model_repository",
                                                   "model_repository(unload_dependents)",
                                                   "system_shared_memory",
                                                   "binary_tensor_data",
                                                   "parameters",
                                                   "statistics",
                                                   "trace",
                                                   "logging",
                                                   "generate"};

// What a request says of an output that it asks for.
struct OutputWish {
  std::optional<bool> binary;  // REST
  int64_t classes = 0;         // the greatest so many values with their labels; 0: all as they are
  std::optional<SharedPart> shared = {};  // where to put it
};

// The outputs that a request asks for, and how.
struct OutputWishes {
  bool binary = false;       // where a wish does not say it; over gRPC: raw contents
  bool special = false;      // some output is classified or shared
  bool empty_final = false;  // of a stream: its end is said even when it holds nothing
  std::vector<std::string> names;
  std::vector<OutputWish> own;  // by place in `names`
  // Of an output of the answer, which mostly has the place that it was asked for; nullptr: nothing
  // was said of it.
  const OutputWish* Find(std::string_view output, size_t guess) const;
};

struct InferCall {
  serving::PredictCall call;  // request_id is the protocol's "id"; request.outputs is wishes.names
  OutputWishes wishes;
};

// Classifies and shares the outputs of a good answer as wished; a failure is the caller's.
// Called while the answer is handed over.
base::Status FulfilWishes(const OutputWishes& wishes, serving::PredictAnswer& answer);

// One of the request's parameters: what the protocol gives a meaning is taken, the rest is for the
// model. kInvalidArgument with field "parameters.<name>".
base::Status SetParameter(std::string_view name, inference::ParameterValue value, InferCall& out);
// After the last of them.
base::Status CheckParameters(InferCall& out);
// Whether an answer's parameter is the server's, whatever the model calls its own.
bool IsOwnParameter(std::string_view name);

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
