// SPDX-License-Identifier: Apache-2.0
// For tests of this room and of those above: the tiny models, and a runtime whose sessions do what
// a test says.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "inference/runtime.h"

namespace slipway::inference {

// tests/data/models/<name>.onnx
std::string TestModel(const std::string& name);
// Two rows of every element type, for the model "identity"; the strings hold a zero byte and UTF-8.
Request IdentityRequest();

// Calls a function for each run. Thread-safe when the function is.
class FakeSession final : public Session {
 public:
  using Body = std::function<base::Result<Response>(const Request&)>;
  FakeSession(ModelDescription description, Body body, int64_t elsewhere = 0)
      : description_(std::move(description)), body_(std::move(body)), elsewhere_(elsewhere) {}
  [[nodiscard]] const ModelDescription& description() const override { return description_; }
  base::Result<Response> Run(const Request& request) override { return body_(request); }
  [[nodiscard]] int64_t runs_elsewhere() const override { return elsewhere_; }

 private:
  ModelDescription description_;
  Body body_;
  int64_t elsewhere_;
};

// Runtime "fake": Load(source) gives `open(source.path)`.
class FakeRuntime final : public Runtime {
 public:
  using Open = std::function<base::Result<std::unique_ptr<Session>>(const std::string& path)>;
  explicit FakeRuntime(Open open) : open_(std::move(open)) {}
  [[nodiscard]] std::string_view name() const override { return "fake"; }
  [[nodiscard]] std::string Version() const override { return "1"; }
  [[nodiscard]] std::string library() const override { return "/lib/fake.so"; }
  base::Result<std::unique_ptr<Session>> Load(const ModelSource& source) override {
    return open_(source.path);
  }

 private:
  Open open_;
};

// x FP32 [-1, 1] -> y FP32 [-1, 1], batchable.
ModelDescription OneNumberModel();
// The request and the answer of that model for these rows.
Request OneNumber(const std::vector<float>& rows);
base::Result<Response> TimesTen(const Request& request);

}  // namespace slipway::inference
