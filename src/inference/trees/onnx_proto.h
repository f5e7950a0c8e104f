// SPDX-License-Identifier: Apache-2.0
// The part of onnx.proto3 that a tree ensemble needs, read from protobuf's wire format. Strings
// borrow the file's bytes.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace slipway::inference::trees {

inline constexpr int64_t kOnnxFloat = 1, kOnnxInt32 = 6, kOnnxInt64 = 7, kOnnxString = 8,
                         kOnnxDouble = 11;

struct OnnxTensor {
  std::string_view name;
  int64_t type = 0;
  std::vector<int64_t> dims;
  std::vector<double> values;  // of float, double and integer tensors
  bool external = false;       // its bytes lie in another file
};

struct OnnxAttribute {
  std::string_view name;
  float f = 0;
  int64_t i = 0;
  std::string_view s;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string_view> strings;
  OnnxTensor tensor;
};

struct OnnxNode {
  std::string_view op, domain;
  std::vector<std::string_view> inputs, outputs;
  std::vector<OnnxAttribute> attributes;
};

struct OnnxValue {
  std::string_view name;
  bool tensor = false;  // else a sequence, a map or another type
  int64_t type = 0;
  bool has_shape = false;
  std::vector<int64_t> shape;  // -1: free
};

struct OnnxGraph {
  std::vector<OnnxNode> nodes;
  std::vector<OnnxTensor> initializers;
  std::vector<OnnxValue> inputs, outputs;
};

// kInvalidArgument (reason "bad_model") when the bytes are no ONNX model; kUnimplemented (reason
// "not_trees") when it has functions, more nodes than a tree ensemble's graph has, or attributes
// that are graphs.
base::Result<OnnxGraph> ParseOnnx(std::string_view bytes);

base::Status NotTrees(const char* why);

}  // namespace slipway::inference::trees
