// SPDX-License-Identifier: Apache-2.0
// A tensor's "data" in JSON. Private to the room.
#pragma once

#include <cstddef>
#include <string>

#include "api/oip/field_path.h"
#include "api/oip/json_reader.h"
#include "base/status.h"
#include "inference/tensor.h"

namespace slipway::api::oip {

// Reads the elements that `reader` stands before, in one flat array or nested as the shape is.
// `shape` was checked; `json_bytes`, the length of the whole text, bounds what is allocated for it.
// A floating element may be null (missing: NaN), NaN or an infinity, bare or as a string. Errors
// carry `field`, the data's own, or "body" when it is not JSON.
base::Result<inference::Tensor> TensorFromJson(inference::DataType type, inference::Shape shape,
                                               JsonReader& reader, const FieldPath& field,
                                               size_t json_bytes);

// A whole number, also as 3.0; false when the value is not one that int64 holds (or not JSON: see
// reader.ok()).
bool ReadWhole(JsonReader& reader, int64_t& out);

// `expected`: "a string". The reader's own error when it has one.
base::Status WrongType(const JsonReader& reader, const FieldPath& field, std::string_view expected,
                       JsonType got);

}  // namespace slipway::api::oip
