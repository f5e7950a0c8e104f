// SPDX-License-Identifier: Apache-2.0
// A prediction, step 3 of serving: the caller's tensors become the model's types and shapes.
#include "serving/fit.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace slipway::serving {
namespace {

using inference::DataType;
using inference::Tensor;
using inference::TensorSpec;

template <typename To, typename From>
bool Holds(From value) {
  if constexpr (std::is_floating_point_v<To>) {
    if constexpr (std::is_same_v<From, double> && std::is_same_v<To, float>) {
      return !std::isfinite(value) || std::isfinite(static_cast<float>(value));
    }
    return true;
  } else if constexpr (std::is_floating_point_v<From>) {
    // 2^digits is exact in floating point, the largest integer may not be. NaN fails every
    // comparison.
    const From limit = std::ldexp(From{1}, std::numeric_limits<To>::digits);
    const From least = std::is_signed_v<To> ? -limit : From{0};
    return value == std::floor(value) && value >= least && value < limit;
  } else {
    return std::in_range<To>(value);
  }
}

constexpr int64_t kAllFit = -1;

// The first element that does not fit, or kAllFit. Bytes may be unaligned.
template <typename From, typename To>
int64_t ConvertAll(std::span<const std::byte> from, std::span<std::byte> to) {
  const size_t count = to.size() / sizeof(To);
  for (size_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, from.data() + i * sizeof(From), sizeof(From));
    if (!Holds<To>(value)) return static_cast<int64_t>(i);
    const To converted = static_cast<To>(value);
    std::memcpy(to.data() + i * sizeof(To), &converted, sizeof(To));
  }
  return kAllFit;
}

// Calls `use` with a value of the C++ type of a number type; false for the others.
template <typename Use>
bool WithNumber(DataType type, Use use) {
  switch (type) {
    case DataType::kUint8:
      use(uint8_t{});
      return true;
    case DataType::kUint16:
      use(uint16_t{});
      return true;
    case DataType::kUint32:
      use(uint32_t{});
      return true;
    case DataType::kUint64:
      use(uint64_t{});
      return true;
    case DataType::kInt8:
      use(int8_t{});
      return true;
    case DataType::kInt16:
      use(int16_t{});
      return true;
    case DataType::kInt32:
      use(int32_t{});
      return true;
    case DataType::kInt64:
      use(int64_t{});
      return true;
    case DataType::kFp32:
      use(float{});
      return true;
    case DataType::kFp64:
      use(double{});
      return true;
    default:
      return false;
  }
}

bool IsNumber(DataType type) {
  return WithNumber(type, [](auto) {});
}

// BOOL is a byte of 0 or 1, on either side.
DataType NumberOf(DataType type) { return type == DataType::kBool ? DataType::kUint8 : type; }

bool NeedsType(const Tensor& tensor, const TensorSpec& spec) {
  return tensor.type() != spec.type && IsNumber(NumberOf(spec.type)) &&
         IsNumber(NumberOf(tensor.type()));
}

bool NeedsColumn(const Tensor& tensor, const TensorSpec& spec) {
  return !spec.any_rank && tensor.shape().size() == 1 && spec.shape.size() == 2 &&
         spec.shape[0] < 0 && spec.shape[1] == 1;
}

base::Result<Tensor> ToType(const Tensor& tensor, const TensorSpec& spec, size_t index) {
  Tensor converted(spec.type, tensor.shape());
  const std::span<std::byte> to = converted.mutable_bytes();
  int64_t misfit = kAllFit;
  WithNumber(NumberOf(tensor.type()), [&](auto from) {
    WithNumber(NumberOf(spec.type), [&](auto wanted) {
      misfit = ConvertAll<decltype(from), decltype(wanted)>(tensor.bytes(), to);
    });
  });
  if (spec.type == DataType::kBool && misfit == kAllFit) {
    const auto wrong =
        std::find_if(to.begin(), to.end(), [](std::byte value) { return value > std::byte{1}; });
    if (wrong != to.end()) misfit = wrong - to.begin();
  }
  if (misfit == kAllFit) return converted;
  return base::InvalidArgument(
      "inputs[" + std::to_string(index) + "].data",
      "input '" + spec.name + "' is " + std::string(DataTypeName(spec.type)) +
          ", which cannot hold element " + std::to_string(misfit) + " of the " +
          std::string(DataTypeName(tensor.type())) + " values sent",
      "value_does_not_fit");
}

const TensorSpec* FindSpec(const inference::ModelDescription& description, const std::string& name,
                           size_t guess) {
  const auto& inputs = description.inputs;
  if (guess < inputs.size() && inputs[guess].name == name) return &inputs[guess];
  const auto found = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const TensorSpec& spec) { return spec.name == name; });
  return found == inputs.end() ? nullptr : &*found;
}

}  // namespace

base::Result<std::optional<inference::Request>> Fit(
    const inference::Request& request, const inference::ModelDescription& description) {
  std::optional<inference::Request> fitted;
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const Tensor& tensor = request.inputs[i].tensor;
    const TensorSpec* spec = FindSpec(description, request.inputs[i].name, i);
    if (spec == nullptr) continue;
    const bool type = NeedsType(tensor, *spec);
    const bool column = NeedsColumn(tensor, *spec);
    if (!type && !column) continue;
    if (!fitted) fitted = request;
    Tensor& target = fitted->inputs[i].tensor;
    if (type) target = TRY(ToType(tensor, *spec, i));
    if (column) target = TRY(target.Reshape({tensor.shape()[0], 1}));
  }
  return fitted;
}

}  // namespace slipway::serving
