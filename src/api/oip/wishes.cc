// SPDX-License-Identifier: Apache-2.0
// A prediction: its outputs as classes with labels, and into shared memory.
#include <algorithm>
#include <numeric>
#include <utility>

#include "api/oip/infer.h"

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using base::Status;
using inference::DataType;
using inference::NamedTensor;
using inference::Tensor;

// What the columns of an output are called.
class Labels {
 public:
  Labels(const NamedTensor& output, const inference::ModelConfig& config)
      : own_(output.labels.get()) {
    const auto found = config.labels.find(output.name);
    if (found != config.labels.end()) configured_ = &found->second;
  }
  // Empty: it has no name.
  std::string Of(int64_t column) const {
    const auto place = static_cast<size_t>(column);
    if (configured_ != nullptr)
      return place < configured_->size() ? (*configured_)[place] : std::string();
    if (own_ == nullptr || column >= own_->element_count()) return {};
    return own_->type() == DataType::kString
               ? own_->strings()[place]
               : std::to_string(static_cast<int64_t>(own_->NumberAt(column)));
  }

 private:
  const Tensor* own_;
  const std::vector<std::string>* configured_ = nullptr;
};

std::string ValueText(const Tensor& tensor, int64_t at) {
  switch (tensor.type()) {
    case DataType::kInt64:
      return std::to_string(tensor.As<int64_t>()[static_cast<size_t>(at)]);
    case DataType::kUint64:
      return std::to_string(tensor.As<uint64_t>()[static_cast<size_t>(at)]);
    case DataType::kFp16:
    case DataType::kBf16:
    case DataType::kFp32:
    case DataType::kFp64:
      return std::to_string(tensor.NumberAt(at));
    default:
      return std::to_string(static_cast<int64_t>(tensor.NumberAt(at)));
  }
}

// "value:index[:label]" of the greatest values of each row, greatest first; NaN comes last, and of
// equal values the one with the lower index first.
Tensor Classify(const NamedTensor& output, bool by_row, int64_t classes, const Labels& labels) {
  const Tensor& tensor = output.tensor;
  by_row = by_row && !tensor.shape().empty();
  const int64_t rows = by_row ? tensor.shape()[0] : 1;
  const int64_t columns = rows > 0 ? tensor.element_count() / rows : 0;
  const int64_t taken = std::min(classes, columns);
  std::vector<std::string> texts;
  texts.reserve(static_cast<size_t>(rows * taken));
  std::vector<int64_t> order(static_cast<size_t>(columns));
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t first = row * columns;
    std::iota(order.begin(), order.end(), 0);
    const auto greater = [&](int64_t left, int64_t right) {
      const double a = tensor.NumberAt(first + left);
      const double b = tensor.NumberAt(first + right);
      if (a != a || b != b) return a == a || (b != b && left < right);
      return a > b || (a == b && left < right);
    };
    std::partial_sort(order.begin(), order.begin() + taken, order.end(), greater);
    for (int64_t i = 0; i < taken; ++i) {
      const int64_t column = order[static_cast<size_t>(i)];
      std::string text = ValueText(tensor, first + column) + ":" + std::to_string(column);
      if (const std::string label = labels.Of(column); !label.empty())
        text.append(":").append(label);
      texts.push_back(std::move(text));
    }
  }
  inference::Shape shape = {taken};
  if (by_row) shape.insert(shape.begin(), rows);
  return Tensor::Strings(std::move(shape), std::move(texts));
}

}  // namespace

const OutputWish* OutputWishes::Find(std::string_view output, size_t guess) const {
  size_t place = guess;
  if (place >= names.size() || names[place] != output) {
    place = 0;
    while (place < names.size() && names[place] != output) ++place;
  }
  return place < own.size() ? &own[place] : nullptr;
}

Status FulfilWishes(const OutputWishes& wishes, serving::PredictAnswer& answer) {
  if (!wishes.special || !answer.status.ok()) return Status::Ok();
  const FieldPath all("outputs");
  for (size_t i = 0; i < answer.response.outputs.size(); ++i) {
    NamedTensor& output = answer.response.outputs[i];
    const OutputWish* wish = wishes.Find(output.name, i);
    if (wish == nullptr) continue;
    const FieldPath field = all.Item(static_cast<size_t>(wish - wishes.own.data()));
    const FieldPath parameters = field.Member("parameters");
    if (wish->classes > 0) {
      if (output.tensor.type() == DataType::kString) {
        return InvalidArgument(parameters.Member("classification").Text(),
                               "output '" + output.name + "' is BYTES, which has no order");
      }
      const Labels labels(output, answer.answered_by->config());
      output.tensor =
          Classify(output, answer.answered_by->description().batchable, wish->classes, labels);
    }
    if (wish->shared)
      TRY(wish->shared->Write(output.tensor, parameters.Member("shared_memory_byte_size")));
  }
  return Status::Ok();
}

}  // namespace slipway::api::oip
