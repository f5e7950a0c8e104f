// SPDX-License-Identifier: Apache-2.0
// Models without files or a runtime, for tests of routing and of the rooms above.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "traffic/version_loader.h"

namespace slipway::traffic {

// Answers with `answer`; by default with one FP32 output "version" [1] that holds its version's
// number.
class FakeModel final : public inference::LoadedModel {
 public:
  explicit FakeModel(int64_t version);
  [[nodiscard]] const inference::ModelDescription& description() const override {
    return description_;
  }
  [[nodiscard]] const inference::ModelConfig& config() const override { return config_; }
  void Run(inference::Request request, inference::RunOptions options,
           inference::RunDone done) override;
  void RunStream(inference::Request request, inference::RunOptions options,
                 inference::RunPart part) override;
  [[nodiscard]] inference::ModelStatistics Statistics() const override { return {}; }
  [[nodiscard]] std::vector<inference::Request> Recent() const override { return recent; }

  std::vector<inference::Request> recent;
  std::atomic<int> runs{0};

  std::function<base::Result<inference::Response>(const inference::Request&)> answer;

 private:
  inference::ModelDescription description_;
  inference::ModelConfig config_;
};

// Thread-safe. Every version exists but those that `Break` was called for.
class FakeLoader final : public VersionLoader {
 public:
  base::Result<std::shared_ptr<inference::LoadedModel>> Load(const std::string& model,
                                                             int64_t version) override;
  void Release(const std::string& model, int64_t version) override;

  void Break(const std::string& model, int64_t version);
  // Loaded and not released, as "model/version".
  std::vector<std::string> Loaded() const;
  int loads() const;
  std::shared_ptr<FakeModel> Model(const std::string& model, int64_t version) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int64_t>, std::shared_ptr<FakeModel>> models_;
  std::map<std::pair<std::string, int64_t>, bool> broken_;
  int loads_ = 0;
};

}  // namespace slipway::traffic
