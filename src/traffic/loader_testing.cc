// SPDX-License-Identifier: Apache-2.0
#include "traffic/loader_testing.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/model_pool.h"
#include "inference/tensor.h"

namespace slipway::traffic {

FakeModel::FakeModel(int64_t version) {
  description_.inputs = {{"x", inference::DataType::kFp32, {-1, 1}}};
  description_.outputs = {{"version", inference::DataType::kFp32, {1}}};
  description_.batchable = true;
  description_.platform = "fake";
  answer = [version](const inference::Request&) -> base::Result<inference::Response> {
    inference::Tensor tensor(inference::DataType::kFp32, {1});
    reinterpret_cast<float*>(tensor.mutable_bytes().data())[0] = static_cast<float>(version);
    inference::Response response;
    response.outputs.push_back({"version", std::move(tensor)});
    return response;
  };
}

void FakeModel::Run(inference::Request request, inference::RunOptions /*options*/,
                    inference::RunDone done) {
  ++runs;
  done(answer(request), {});
}

void FakeModel::RunStream(inference::Request request, inference::RunOptions /*options*/,
                          inference::RunPart part) {
  part(answer(request), {}, true);
}

base::Result<std::shared_ptr<inference::LoadedModel>> FakeLoader::Load(const std::string& model,
                                                                       int64_t version) {
  std::lock_guard lock(mutex_);
  if (broken_.contains({model, version}))
    return base::NotFound("version_not_found", "broken by the test");
  auto& loaded = models_[{model, version}];
  if (!loaded) {
    loaded = std::make_shared<FakeModel>(version);
    ++loads_;
  }
  return std::shared_ptr<inference::LoadedModel>(loaded);
}

void FakeLoader::Release(const std::string& model, int64_t version) {
  std::lock_guard lock(mutex_);
  models_.erase({model, version});
}

void FakeLoader::Break(const std::string& model, int64_t version) {
  std::lock_guard lock(mutex_);
  broken_[{model, version}] = true;
}

std::vector<std::string> FakeLoader::Loaded() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  names.reserve(models_.size());
  for (const auto& [key, model] : models_)
    names.push_back(key.first + "/" + std::to_string(key.second));
  return names;
}

int FakeLoader::loads() const {
  std::lock_guard lock(mutex_);
  return loads_;
}

std::shared_ptr<FakeModel> FakeLoader::Model(const std::string& model, int64_t version) const {
  std::lock_guard lock(mutex_);
  const auto found = models_.find({model, version});
  return found == models_.end() ? nullptr : found->second;
}

}  // namespace slipway::traffic
