// SPDX-License-Identifier: Apache-2.0
// Help for tests.
#include "inference/testing.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference {

std::string TestModel(const std::string& name) {
  return std::string(SLIPWAY_TEST_MODELS) + "/" + name + ".onnx";
}

Request IdentityRequest() {
  const std::vector<std::string> strings = {"", std::string("a\0b", 3), "gr\xc3\xbc\xc3\x9f",
                                            "last"};
  Tensor fp16(DataType::kFp16, {2, 2});
  Tensor bf16(DataType::kBf16, {2, 2});
  for (size_t i = 0; i < 8; ++i) {
    fp16.mutable_bytes()[i] = static_cast<std::byte>(i * 7);
    bf16.mutable_bytes()[i] = static_cast<std::byte>(i * 9);
  }
  return {{{"bool", Tensor::Of<bool>({2, 2}, {true, false, false, true})},
           {"uint8", Tensor::Of<uint8_t>({2, 2}, {0, 1, 254, 255})},
           {"uint16", Tensor::Of<uint16_t>({2, 2}, {0, 1, 65534, 65535})},
           {"uint32", Tensor::Of<uint32_t>({2, 2}, {0, 1, 2, 4294967295})},
           {"uint64", Tensor::Of<uint64_t>({2, 2}, {0, 1, 2, 18446744073709551615ULL})},
           {"int8", Tensor::Of<int8_t>({2, 2}, {-128, -1, 0, 127})},
           {"int16", Tensor::Of<int16_t>({2, 2}, {-32768, -1, 0, 32767})},
           {"int32", Tensor::Of<int32_t>({2, 2}, {-2147483647, -1, 0, 2147483647})},
           {"int64",
            Tensor::Of<int64_t>({2, 2}, {-9223372036854775807LL, -1, 0, 9223372036854775807LL})},
           {"fp16", fp16},
           {"bf16", bf16},
           {"fp32", Tensor::Of<float>({2, 2}, {-1.5F, 0, 1e-30F, 1e30F})},
           {"fp64", Tensor::Of<double>({2, 2}, {-1.5, 0, 1e-300, 1e300})},
           {"string", Tensor::Strings({2, 2}, strings)}},
          {}};
}

ModelDescription OneNumberModel() {
  ModelDescription description;
  description.inputs = {{"x", DataType::kFp32, {-1, 1}}};
  description.outputs = {{"y", DataType::kFp32, {-1, 1}}};
  description.batchable = true;
  description.platform = "fake";
  return description;
}

Request OneNumber(const std::vector<float>& rows) {
  return {{{"x", Tensor::Of<float>({static_cast<int64_t>(rows.size()), 1}, rows)}}, {}};
}

base::Result<Response> TimesTen(const Request& request) {
  const Tensor& x = request.inputs[0].tensor;
  std::vector<float> y;
  for (const float value : x.As<float>()) y.push_back(10 * value);
  return Response{{{"y", Tensor::Of<float>(x.shape(), y)}}};
}

}  // namespace slipway::inference
