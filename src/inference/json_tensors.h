// SPDX-License-Identifier: Apache-2.0
// Between JSON and tensors as the row- and column-wise protocols write them: arrays within arrays,
// records by feature name. Pure functions; every protocol that speaks this way shares them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference {

inline constexpr size_t kMaxJsonRank = 16;  // arrays within arrays
inline constexpr size_t kMaxJsonColumns = 10'000;
inline constexpr size_t kMaxJsonCells = 20'000'000;  // of a table made from records

// Strict JSON, but for the bare word NaN that Python writes for a missing value: it reads as null.
// kInvalidArgument, field "body".
base::Result<base::Json> ParseJsonBody(std::string_view body);

// Arrays within arrays of numbers, booleans and nulls (FP64 or INT64, which serving makes the
// model's type) or of strings; {"b64": "..."} is a string of any bytes. A scalar has shape [].
// kInvalidArgument naming `field` when the arrays are ragged, mixed or too deep.
base::Result<Tensor> TensorFromJson(const base::Json& value, const std::string& field);

// The whole value as the model's only input; a model with several is kInvalidArgument naming them.
base::Result<Request> RequestFromArray(const base::Json& value, const std::string& field,
                                       const ModelDescription& description);
// {"a": [..], "b": [..]}: table columns when all are flat (RequestFromColumns), else a tensor for
// each name.
base::Result<Request> RequestFromNamedArrays(const base::Json& object, const std::string& field,
                                             const ModelDescription& description);
// [{"a": 1, "b": "x"}, ...]: one row each; a name that a record leaves out is missing there. Values
// that are arrays make tensors with a row each.
base::Result<Request> RequestFromRecords(const base::Json& records, const std::string& field,
                                         const ModelDescription& description);

// How bytes that are no text, and numbers that JSON has no word for, are written. NaN and
// infinities are null; with `base64`, a BYTES element is {"b64": "..."}, else text in which bytes
// that are not UTF-8 show as U+FFFD.
struct JsonStyle {
  bool base64 = false;
};
void AppendElementJson(std::string& out, const Tensor& tensor, int64_t index, JsonStyle style = {});
// The elements [begin, begin + count) as arrays of the dimensions from `level` on.
void AppendBlockJson(std::string& out, const Tensor& tensor, size_t level, int64_t begin,
                     int64_t count, JsonStyle style = {});
// The whole tensor.
void AppendTensorJson(std::string& out, const Tensor& tensor, JsonStyle style = {});
// One row of it: a scalar for [N] (and, with `squeeze`, for [N, 1]), else arrays.
void AppendRowJson(std::string& out, const Tensor& tensor, int64_t row, bool squeeze,
                   JsonStyle style = {});

// {"output": value, ...} of one row, [N, 1] as a scalar.
void AppendRecordJson(std::string& out, const std::vector<NamedTensor>& outputs, int64_t row);

}  // namespace slipway::inference
