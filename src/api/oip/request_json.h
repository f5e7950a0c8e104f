// SPDX-License-Identifier: Apache-2.0
// From the body of a REST inference request to a call. Private to the room.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "api/oip/infer.h"
#include "api/oip/json_reader.h"
#include "base/status.h"
#include "inference/runtime.h"

namespace slipway::api::oip {

// `json_bytes`: how much of the body is JSON (the header Inference-Header-Content-Length); nothing:
// all of it. The rest is the tensors' binary data, in the order of the inputs; those in shared
// memory are read by `shared`. Takes ownership of the body's bytes through `body`. Errors are
// kInvalidArgument with the field at fault. NaN and infinities, which some clients write into their
// JSON, are understood.
base::Result<InferCall> DecodeInfer(const std::shared_ptr<const std::string>& body,
                                    std::optional<size_t> json_bytes, const SharedAccess& shared);

// A body that is nothing but the bytes of the model's only input (header length 0): its shape is
// the model's, with one row, and what one free dimension must then be. A BYTES input is one
// element, the body as it is.
base::Result<InferCall> DecodeRawInfer(const std::shared_ptr<const std::string>& body,
                                       const inference::ModelDescription& description);

// One parameter's value, which comes next: a boolean, a number or a string; nothing for null.
base::Result<std::optional<inference::ParameterValue>> ReadParameterValue(JsonReader& reader,
                                                                          const FieldPath& field);

}  // namespace slipway::api::oip
