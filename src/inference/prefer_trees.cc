// SPDX-License-Identifier: Apache-2.0
// Loading a version: an ONNX file that is only a tree ensemble runs on our evaluator, once both
// have answered alike.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/files.h"
#include "base/log.h"
#include "base/status.h"
#include "inference/runtime.h"
#include "inference/tensor.h"
#include "inference/trees/check_rows.h"
#include "inference/trees/forest.h"
#include "inference/trees/model.h"
#include "inference/trees/session.h"

namespace slipway::inference {
namespace {

constexpr int64_t kMostBytes = int64_t{2} << 30;

bool SameBits(const Tensor& a, const Tensor& b) {
  if (a.type() != b.type() || a.shape() != b.shape()) return false;
  if (a.type() == DataType::kString) return a.strings() == b.strings();
  if (a.type() == DataType::kFp32) {
    const auto left = a.As<float>(), right = b.As<float>();
    for (size_t i = 0; i < left.size(); ++i) {
      // NaN has many bit patterns, and one meaning.
      if (std::memcmp(&left[i], &right[i], sizeof(float)) != 0 &&
          !(std::isnan(left[i]) && std::isnan(right[i])))
        return false;
    }
    return true;
  }
  const auto left = a.bytes(), right = b.bytes();
  return left.size() == right.size() && std::memcmp(left.data(), right.data(), left.size()) == 0;
}

// "" when both answer alike.
std::string Difference(Session& ours, Session& theirs, const Request& request) {
  const auto got = ours.Run(request), wanted = theirs.Run(request);
  if (!wanted.ok()) return got.ok() ? "" : got.status().message();
  if (!got.ok()) return got.status().message();
  if (got->outputs.size() != wanted->outputs.size()) return "another number of outputs";
  for (size_t i = 0; i < got->outputs.size(); ++i) {
    const NamedTensor &left = got->outputs[i], &right = wanted->outputs[i];
    if (left.name != right.name || !SameBits(left.tensor, right.tensor))
      return "output '" + right.name + "' differs";
    if ((left.labels == nullptr) != (right.labels == nullptr) ||
        (left.labels != nullptr && !SameBits(*left.labels, *right.labels)))
      return "the classes of output '" + right.name + "' differ";
  }
  return "";
}

class Preferring final : public Runtime {
 public:
  explicit Preferring(std::unique_ptr<Runtime> onnx) : onnx_(std::move(onnx)) {}
  [[nodiscard]] std::string_view name() const override { return onnx_->name(); }
  [[nodiscard]] std::string Version() const override { return onnx_->Version(); }
  [[nodiscard]] std::string library() const override { return onnx_->library(); }
  [[nodiscard]] std::map<std::string, std::string> probe_settings() const override {
    return onnx_->probe_settings();
  }
  [[nodiscard]] bool probed() const override { return onnx_->probed(); }

  base::Result<std::unique_ptr<Session>> Load(const ModelSource& source) override {
    // ONNX Runtime first: what it refuses is refused.
    auto theirs = TRY(onnx_->Load(source));
    const auto device = source.config.parameters.find("device");
    if (device != source.config.parameters.end() && device->second != "cpu") return theirs;
    auto ours = Read(source.path);
    if (!ours.ok()) {
      if (ours.status().reason() != "not_trees") Say(source, ours.status().message());
      return theirs;
    }
    trees::CheckRows rows((*ours)->ensemble);
    const TensorSpec input = (*ours)->input;
    auto session = trees::MakeSession(std::move(**ours), trees::BestSimd());
    for (size_t i = 0; i < trees::CheckRows::kBatches; ++i) {
      const std::string difference = Difference(*session, *theirs, rows.Batch(input, i));
      if (difference.empty()) continue;
      Say(source, difference);
      return theirs;
    }
    return session;
  }

 private:
  static base::Result<std::unique_ptr<trees::Model>> Read(const std::string& path) {
    const std::string bytes = TRY(base::ReadFile(path, kMostBytes));
    return std::make_unique<trees::Model>(TRY(trees::ReadOnnx(bytes)));
  }

  static void Say(const ModelSource& source, const std::string& why) {
    base::Log(base::LogLevel::kWarning, "inference",
              "tree model stays on ONNX Runtime: our evaluator does not answer alike",
              {{"model", source.key}, {"why", why}});
  }

  const std::unique_ptr<Runtime> onnx_;
};

}  // namespace

std::unique_ptr<Runtime> PreferTrees(std::unique_ptr<Runtime> onnx) {
  return std::make_unique<Preferring>(std::move(onnx));
}

}  // namespace slipway::inference
