// SPDX-License-Identifier: Apache-2.0
// From the attributes of TreeEnsembleRegressor and TreeEnsembleClassifier (ai.onnx.ml 1 and 3) to
// an ensemble, and from its sums to what ONNX Runtime would have answered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"
#include "inference/trees/ensemble.h"
#include "inference/trees/model.h"
#include "inference/trees/onnx_proto.h"

namespace slipway::inference::trees {

enum class PostTransform : uint8_t { kNone, kSoftmax, kLogistic, kSoftmaxZero, kProbit };

struct OnnxLink {
  bool classifier = false;
  PostTransform transform = PostTransform::kNone;
  Aggregate aggregate = Aggregate::kSum;
  double trees = 0;  // > 0: the sums are divided by it
  std::vector<double> base;
  // Classifier: one of the two.
  std::vector<int64_t> int_labels;
  std::vector<std::string> text_labels;
  bool binary_case = false;     // two classes, and all weights for one of them
  bool all_positive = false;    // no weight is negative
  std::vector<uint8_t> always;  // by class, of a plain forest: whether any tree adds to it
};

struct OnnxTrees {
  Ensemble ensemble;  // without its number of features; not checked
  OnnxLink link;
};
// `doubles`: the input is FP64, so thresholds and sums are doubles.
base::Result<OnnxTrees> ReadOnnxTrees(const OnnxNode& node, bool doubles);

struct OnnxAnswer {
  Tensor scores;   // FP32 [rows, targets]
  Tensor classes;  // INT64 [rows], classifiers only: the label, or with text labels its place
};
OnnxAnswer FinishOnnx(const OnnxLink& link, const Sums& sums);

}  // namespace slipway::inference::trees
