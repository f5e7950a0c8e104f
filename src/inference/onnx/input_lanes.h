// SPDX-License-Identifier: Apache-2.0
// InputLanes: input values that are made once and filled again for each run of one small row,
// because making and releasing them costs more than copying their few bytes. A lane is used by one
// run at a time; taking one never waits.
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

class InputLanes {
 public:
  struct Lane {
    std::vector<Tensor> tensors;  // of the model's inputs, in order; numbers lie here
    std::vector<OrtValueHandle> values;
    std::vector<const OrtValue*> raw;
  };
  // Gives the lane back.
  class Lease {
   public:
    Lease(InputLanes& lanes, std::unique_ptr<Lane> lane) : lanes_(&lanes), lane_(std::move(lane)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (lane_ != nullptr) lanes_->GiveBack(std::move(lane_));
    }
    explicit operator bool() const { return lane_ != nullptr; }
    const Lane* operator->() const { return lane_.get(); }

   private:
    InputLanes* lanes_;
    std::unique_ptr<Lane> lane_;
  };

  // Both outlive this.
  InputLanes(const OrtLibrary& library, const ModelDescription& description);
  ~InputLanes();
  InputLanes(const InputLanes&) = delete;
  InputLanes& operator=(const InputLanes&) = delete;

  // A lane that holds the request, which passed CheckRequest; an empty lease when it is no single
  // small row of this model, or gives its inputs in another order.
  base::Result<Lease> Take(const Request& request);

 private:
  [[nodiscard]] bool Fits(const Request& request) const;
  [[nodiscard]] base::Result<std::unique_ptr<Lane>> Make() const;
  void GiveBack(std::unique_ptr<Lane> lane);

  static constexpr size_t kMostIdle = 64;
  const OrtLibrary& library_;
  const ModelDescription& description_;
  std::vector<Shape> shapes_;  // of one row; empty: this model has no lanes
  std::array<std::atomic<Lane*>, kMostIdle> idle_{};
};

}  // namespace slipway::inference::onnx
