// SPDX-License-Identifier: Apache-2.0
// A prediction of one row, at the edge of ONNX Runtime: its bytes are copied into values that are
// ready.
#include "inference/onnx/row_lanes.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/onnx/ort_abi.h"
#include "inference/onnx/ort_library.h"
#include "inference/onnx/ort_values.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference::onnx {
namespace {

constexpr int64_t kMostElements =
    4096;  // of an input: past it, copying costs more than making a value
constexpr size_t kMostTries = 4;

// Where a thread looks for a lane first, so that threads do not meet.
size_t HomeOfThread() {
  static std::atomic<size_t> next{0};
  thread_local const size_t kHome = next.fetch_add(1, std::memory_order_relaxed) * kMostTries;
  return kHome;
}

// Of one row of each; empty when one of them has no such shape, or is large.
std::vector<Shape> RowShapes(const std::vector<TensorSpec>& specs) {
  std::vector<Shape> shapes;
  for (const TensorSpec& spec : specs) {
    Shape shape = spec.shape;
    if (!shape.empty() && shape[0] < 0) shape[0] = 1;
    const auto count = ElementCount(shape);
    if (spec.any_rank || !count.ok() || *count == 0 || *count > kMostElements) return {};
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

}  // namespace

RowLanes::RowLanes(const OrtLibrary& library, OrtSession* session,
                   const ModelDescription& description)
    : library_(library), session_(session), description_(description) {
  shapes_ = RowShapes(description.inputs);
  if (shapes_.empty()) return;
  const auto strings = [](const TensorSpec& spec) { return spec.type == DataType::kString; };
  if (std::ranges::none_of(description.outputs, strings))
    output_shapes_ = RowShapes(description.outputs);
}

RowLanes::~RowLanes() {
  for (std::atomic<Lane*>& place : idle_) delete place.load(std::memory_order_relaxed);
}

bool RowLanes::Fits(const Request& request) const {
  if (shapes_.empty() || request.inputs.size() != shapes_.size()) return false;
  for (size_t i = 0; i < shapes_.size(); ++i) {
    const NamedTensor& input = request.inputs[i];
    if (input.tensor.shape() != shapes_[i] || input.name != description_.inputs[i].name)
      return false;
  }
  return true;
}

base::Result<RowLanes::Lease> RowLanes::Take(const Request& request) {
  if (!Fits(request)) return Lease(*this, nullptr);
  std::unique_ptr<Lane> lane;
  const size_t home = HomeOfThread();
  for (size_t i = 0; i < kMostTries && lane == nullptr; ++i) {
    lane.reset(idle_[(home + i) % kMostIdle].exchange(nullptr, std::memory_order_acquire));
  }
  if (lane == nullptr) lane = TRY(Make());
  for (size_t i = 0; i < shapes_.size(); ++i) {
    const Tensor& tensor = request.inputs[i].tensor;
    if (tensor.type() == DataType::kString) {
      TRY(FillStrings(library_, tensor, lane->values[i].get()));
    } else {
      std::memcpy(lane->tensors[i].mutable_bytes().data(), tensor.bytes().data(),
                  tensor.bytes().size());
    }
  }
  return Lease(*this, std::move(lane));
}

base::Result<std::unique_ptr<RowLanes::Lane>> RowLanes::Make() const {
  auto lane = std::make_unique<Lane>();
  std::vector<Tensor> copies;  // stays empty: what a Tensor makes is aligned
  for (size_t i = 0; i < shapes_.size(); ++i)
    lane->tensors.emplace_back(description_.inputs[i].type, shapes_[i]);
  for (const Tensor& tensor : lane->tensors) {
    lane->values.push_back(TRY(ToOrtValue(library_, tensor, copies)));
    lane->raw.push_back(lane->values.back().get());
  }
  if (!output_shapes_.empty() && binds_.load(std::memory_order_relaxed)) TRY(Bind(*lane));
  return lane;
}

base::Status RowLanes::Bind(Lane& lane) const {
  const auto take = [this](OrtStatus* status) { return library_.Take(status, "run_failed"); };
  OrtIoBinding* made = nullptr;
  TRY(take(library_.api().CreateIoBinding(session_, &made)));
  BindingHandle binding(library_, made);
  for (size_t i = 0; i < lane.raw.size(); ++i) {
    TRY(take(
        library_.api().BindInput(binding.get(), description_.inputs[i].name.c_str(), lane.raw[i])));
  }
  std::vector<Tensor> copies;
  for (size_t i = 0; i < output_shapes_.size(); ++i)
    lane.outputs.emplace_back(description_.outputs[i].type, output_shapes_[i]);
  for (size_t i = 0; i < output_shapes_.size(); ++i) {
    lane.output_values.push_back(TRY(ToOrtValue(library_, lane.outputs[i], copies)));
    TRY(take(library_.api().BindOutput(binding.get(), description_.outputs[i].name.c_str(),
                                       lane.output_values.back().get())));
  }
  lane.binding = std::move(binding);
  return base::Status::Ok();
}

void RowLanes::GiveBack(std::unique_ptr<Lane> lane) {
  Lane* mine = lane.release();
  const size_t home = HomeOfThread();
  for (size_t i = 0; i < kMostTries; ++i) {
    Lane* none = nullptr;
    std::atomic<Lane*>& place = idle_[(home + i) % kMostIdle];
    if (place.compare_exchange_strong(none, mine, std::memory_order_release,
                                      std::memory_order_relaxed))
      return;
  }
  lane.reset(mine);  // no room: it ends here
}

}  // namespace slipway::inference::onnx
