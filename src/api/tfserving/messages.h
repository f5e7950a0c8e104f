// SPDX-License-Identifier: Apache-2.0
// Between TensorFlow Serving's messages and what serving takes and gives. Private to the room. Pure
// functions.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "inference/model_config.h"
#include "inference/runtime.h"
#include "inference/tensor.h"
#include "serving/predict.h"

namespace tensorflow::serving {
class ClassificationResult;
class Input;
class PredictRequest;
class RegressionResult;
class SignatureDefMap;
class TensorProto;
}  // namespace tensorflow::serving

namespace slipway::api::tfserving {

namespace wire = ::tensorflow::serving;

// A tensor of few values and a large shape is filled up to this many bytes at most.
inline constexpr int64_t kMaxFilledBytes = 64LL << 20;
inline constexpr int kMaxInputs = 1000;
inline constexpr int kMaxExamples = 100'000;
inline constexpr size_t kMaxRank = 16;

// Takes the content out of `proto`. kInvalidArgument with field "inputs.<name>" or a part of it.
base::Result<inference::Tensor> ToTensor(wire::TensorProto& proto, const std::string& field);
// Typed values, as TensorFlow Serving itself answers.
void FromTensor(const inference::Tensor& tensor, wire::TensorProto& proto);

// Takes the inputs out of `message`.
base::Result<inference::Request> ToRequest(wire::PredictRequest& message);
// Features by name: one value in each example makes a column, several a tensor [examples, values].
base::Result<inference::Request> ToRequest(const wire::Input& input,
                                           const inference::ModelDescription& description);

base::Status FillClasses(const inference::Response& response, const inference::ModelConfig& config,
                         wire::ClassificationResult& result);
base::Status FillRegression(const inference::Response& response, wire::RegressionResult& result);
void FillSignatures(const inference::ModelDescription& description, wire::SignatureDefMap& map);
// Only "", "serving_default" and the two method names that signatures of estimators have.
base::Status CheckSignature(const std::string& name);

}  // namespace slipway::api::tfserving
