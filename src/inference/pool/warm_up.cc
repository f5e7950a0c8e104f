// SPDX-License-Identifier: Apache-2.0
// Loading a version: its first runs, which tell whether rows may be stacked and what one costs.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "inference/compare.h"
#include "inference/pool/batch.h"
#include "inference/pool/batched_model.h"
#include "inference/request_check.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference::pool {
namespace {

// A request of one row of `value`s.
Request Filled(const ModelDescription& description, float value) {
  Request request = ZeroRequest(description, 1);
  for (NamedTensor& input : request.inputs) {
    if (input.tensor.type() != DataType::kFp32) continue;
    auto* out = reinterpret_cast<float*>(input.tensor.mutable_bytes().data());
    std::fill_n(out, input.tensor.element_count(), value);
  }
  return request;
}

}  // namespace

base::Status BatchedModel::WarmUp(const std::vector<Request>& all_recorded) {
  // Recorded inputs of a stateful model lack what the scheduler fills in.
  static const std::vector<Request> kNone;
  const std::vector<Request>& recorded = sequences_ ? kNone : all_recorded;
  for (size_t i = 0; i < recorded.size(); ++i) {
    const auto response = session_->Run(recorded[i]);
    if (!response.ok()) {
      return base::InvalidArgument(
          "model", "recorded input " + std::to_string(i) + ": " + response.status().ToString(),
          "warmup_failed");
    }
  }
  const bool use_recorded = !recorded.empty() && HasRows(recorded.front());
  Request first = use_recorded ? recorded.front() : Filled(session_description_, 1);
  Request second = use_recorded ? recorded.back() : Filled(session_description_, 2);
  if (stackable_ && use_recorded) {
    const int64_t last = second.inputs.front().tensor.rows();
    if (HasRows(second)) second = SliceRows(second, last - 1, last);
    first = SliceRows(first, 0, 1);
  }
  if (stackable_) CheckRowsIndependent(first, second);
  constexpr int kRuns = 4;
  for (int i = 0; i < kRuns; ++i) {
    const int64_t start_ns = base::MonotonicNanos();
    if (!session_->Run(first).ok())
      return base::Status::Ok();  // made-up inputs may not suit it; a real run will tell
    // The first run makes the runtime's buffers: it says nothing of the later ones.
    if (i > 0) pace_.Ran(1, base::MonotonicNanos() - start_ns);
  }
  return base::Status::Ok();
}

// A model whose first dimensions are free may still mix rows (a mean over them): such a model runs
// each request alone.
void BatchedModel::CheckRowsIndependent(const Request& a, const Request& b) {
  constexpr double kAbsolute = 1e-4,
                   kRelative = 1e-3;  // kernels for several rows may round otherwise
  if (!HasRows(a) || !HasRows(b) || !CanStack(a, b)) return;
  const Request* both[] = {&a, &b};
  const auto stacked = Stack(both);
  if (!stacked.ok()) return;
  const auto apart_a = session_->Run(a);
  const auto apart_b = session_->Run(b);
  const auto together = session_->Run(*stacked);
  if (!apart_a.ok() || !apart_b.ok() || !together.ok()) return;
  if (GivesRows(*together, 2) &&
      CompareOutputs(*apart_a, SliceRows(*together, 0, 1), kAbsolute, kRelative).equal &&
      CompareOutputs(*apart_b, SliceRows(*together, 1, 2), kAbsolute, kRelative).equal) {
    return;
  }
  stackable_ = false;
  base::Log(base::LogLevel::kInfo, "inference",
            "the model answers a row otherwise in company: it is not batched", {{"model", key_}});
}

}  // namespace slipway::inference::pool
