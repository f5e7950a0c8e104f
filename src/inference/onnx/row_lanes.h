// SPDX-License-Identifier: Apache-2.0
// RowLanes: values that are made once and used again for each run of one small row, because making
// and releasing them costs more than copying their few bytes. A lane whose outputs are of known
// form has them bound too (measured on a model of 100 trees: 2.1 us a run instead of 2.9). A lane
// is used by one run at a time; taking one never waits.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "inference/onnx/ort_library.h"
#include "inference/onnx/ort_values.h"
#include "inference/runtime.h"

namespace slipway::inference::onnx {

class RowLanes {
 public:
  struct Lane {
    std::vector<Tensor> tensors;  // of the model's inputs, in order; numbers lie here
    std::vector<OrtValueHandle> values;
    std::vector<const OrtValue*> raw;
    // Of the model's outputs, in order, with their binding; empty: a run makes its own.
    std::vector<Tensor> outputs;
    std::vector<OrtValueHandle> output_values;
    BindingHandle binding;
  };
  // Gives the lane back.
  class Lease {
   public:
    Lease(RowLanes& lanes, std::unique_ptr<Lane> lane) : lanes_(&lanes), lane_(std::move(lane)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (lane_ != nullptr) lanes_->GiveBack(std::move(lane_));
    }
    explicit operator bool() const { return lane_ != nullptr; }
    const Lane* operator->() const { return lane_.get(); }

   private:
    RowLanes* lanes_;
    std::unique_ptr<Lane> lane_;
  };

  // All three outlive this.
  RowLanes(const OrtLibrary& library, OrtSession* session, const ModelDescription& description);
  ~RowLanes();
  RowLanes(const RowLanes&) = delete;
  RowLanes& operator=(const RowLanes&) = delete;

  // A lane that holds the request, which passed CheckRequest; an empty lease when it is no single
  // small row of this model, or gives its inputs in another order.
  base::Result<Lease> Take(const Request& request);
  // The model's outputs are not of the form that its description promises: from now on none is
  // bound.
  void StopBinding() { binds_.store(false, std::memory_order_relaxed); }

 private:
  base::Status Bind(Lane& lane) const;
  [[nodiscard]] bool Fits(const Request& request) const;
  [[nodiscard]] base::Result<std::unique_ptr<Lane>> Make() const;
  void GiveBack(std::unique_ptr<Lane> lane);

  static constexpr size_t kMostIdle = 64;
  const OrtLibrary& library_;
  OrtSession* const session_;
  const ModelDescription& description_;
  std::vector<Shape> shapes_;         // of one row; empty: this model has no lanes
  std::vector<Shape> output_shapes_;  // of one row; empty: outputs are not bound
  std::atomic<bool> binds_{true};
  std::array<std::atomic<Lane*>, kMostIdle> idle_{};
};

}  // namespace slipway::inference::onnx
