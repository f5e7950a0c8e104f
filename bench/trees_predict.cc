// SPDX-License-Identifier: Apache-2.0
// Rows through a tree model, for holding its answers against the source library's: trees_predict
// MODEL ROWS TYPE FEATURES SIMD [OUTPUT [PARAMETER]]. ROWS: a file of numbers, row-major, of TYPE
// f32, f64 or i64. SIMD: scalar, avx2, avx512 or best. Writes the bytes of the output tensor (the
// first, or OUTPUT) to standard output: batches of 1, of 7 and of all rows must give the same
// bytes, else it ends with status 3.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/files.h"
#include "inference/runtime.h"
#include "inference/tensor.h"
#include "inference/trees/forest.h"
#include "inference/trees/model.h"
#include "inference/trees/session.h"

namespace slipway::inference {
namespace {

template <typename T>
T Must(base::Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    std::exit(1);
  }
  return std::move(*result);
}

std::string BytesOf(const Tensor& tensor) {
  if (tensor.type() == DataType::kString) {
    std::string lines;
    for (const std::string& text : tensor.strings()) lines += text + "\n";
    return lines;
  }
  return {reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size()};
}

std::string Predict(Session& session, const Tensor& rows, int64_t batch,
                    const std::string& output) {
  std::string bytes;
  for (int64_t at = 0; at < rows.rows(); at += batch) {
    Request request;
    request.inputs.push_back({session.description().inputs[0].name,
                              rows.Slice(at, std::min(at + batch, rows.rows())), nullptr});
    if (!output.empty()) request.outputs.push_back(output);
    bytes += BytesOf(Must(session.Run(request)).outputs[0].tensor);
  }
  return bytes;
}

int Main(int argc, char** argv) {
  constexpr int64_t kMostBytes = int64_t{2} << 30;
  const std::string type = argv[3], simd = argv[5], output = argc > 6 ? argv[6] : "";
  trees::ReadOptions options;
  if (argc > 7) options.output = argv[7];
  const std::string model = Must(base::ReadFile(argv[1], kMostBytes));
  trees::Simd chosen = trees::BestSimd();
  if (simd == "scalar") chosen = trees::Simd::kScalar;
  if (simd == "avx2") chosen = trees::Simd::kAvx2;
  const auto session = trees::MakeSession(Must(trees::ReadModel(model, options)), chosen);
  const std::string numbers = Must(base::ReadFile(argv[2], kMostBytes));
  const DataType data = type == "f32"   ? DataType::kFp32
                        : type == "f64" ? DataType::kFp64
                                        : DataType::kInt64;
  const int64_t features = std::atoll(argv[4]);
  const int64_t rows = static_cast<int64_t>(numbers.size() / SizeOf(data)) / features;
  Tensor tensor(data, {rows, features});
  std::memcpy(tensor.mutable_bytes().data(), numbers.data(), tensor.bytes().size());
  const std::string all = Predict(*session, tensor, rows, output);
  if (all != Predict(*session, tensor, 1, output) || all != Predict(*session, tensor, 7, output)) {
    std::fprintf(stderr, "batches of one, of seven and of all rows differ\n");
    return 3;
  }
  std::fwrite(all.data(), 1, all.size(), stdout);
  return 0;
}

}  // namespace
}  // namespace slipway::inference

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr,
                 "usage: trees_predict MODEL ROWS TYPE FEATURES SIMD [OUTPUT [PARAMETER]]\n");
    return 2;
  }
  return slipway::inference::Main(argc, argv);
}
