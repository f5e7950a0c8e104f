// SPDX-License-Identifier: Apache-2.0
// A prediction, on its way out: a classifier's sequence of maps becomes one table with labelled
// columns.
#include "inference/values.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"

namespace slipway::inference {
namespace {

base::Status Ragged(const std::string& why) {
  return {base::Code::kUnimplemented, "ragged_output",
          "the output cannot be given as one tensor: " + why};
}

bool SameElements(const Tensor& a, const Tensor& b) {
  if (a.type() != b.type() || a.element_count() != b.element_count()) return false;
  if (a.type() == DataType::kString) return a.strings() == b.strings();
  return std::ranges::equal(a.bytes(), b.bytes());
}

bool SameKey(const Tensor& a, int64_t i, const Tensor& b, int64_t j) {
  if (a.type() == DataType::kString)
    return a.strings()[static_cast<size_t>(i)] == b.strings()[static_cast<size_t>(j)];
  return a.As<int64_t>()[static_cast<size_t>(i)] == b.As<int64_t>()[static_cast<size_t>(j)];
}

// One row [1, C] of values in the order of `keys`.
base::Result<Tensor> RowInOrder(const Tensor& keys, const Map& map) {
  const int64_t columns = keys.element_count();
  if (SameElements(keys, map.keys)) return map.values.Reshape({1, columns});
  if (map.keys.type() != keys.type() || map.keys.element_count() != columns)
    return Ragged("its maps have different keys");
  std::vector<Tensor> cells;
  const Tensor flat = TRY(map.values.Reshape({columns}));
  for (int64_t i = 0; i < columns; ++i) {
    int64_t j = 0;
    while (j < columns && !SameKey(keys, i, map.keys, j)) ++j;
    if (j == columns) return Ragged("its maps have different keys");
    cells.push_back(flat.Slice(j, j + 1));
  }
  Tensor row = TRY(Concatenate(cells));
  return row.Reshape({1, columns});
}

base::Result<FlatValue> FlattenMaps(const std::vector<Value>& items) {
  const Tensor& keys = std::get<Map>(items.front().content).keys;
  std::vector<Tensor> rows;
  rows.reserve(items.size());
  for (const Value& item : items) {
    const Map* map = std::get_if<Map>(&item.content);
    if (map == nullptr) return Ragged("its items are of different kinds");
    rows.push_back(TRY(RowInOrder(keys, *map)));
  }
  auto table = Concatenate(rows);
  if (!table.ok()) return Ragged("its maps have values of different types");
  return FlatValue{std::move(*table), std::make_shared<Tensor>(keys)};
}

base::Result<FlatValue> FlattenTensors(const std::vector<Value>& items) {
  std::vector<Tensor> rows;
  rows.reserve(items.size());
  for (const Value& item : items) {
    const Tensor* tensor = std::get_if<Tensor>(&item.content);
    if (tensor == nullptr) return Ragged("its items are of different kinds");
    Shape shape = tensor->shape();
    shape.insert(shape.begin(), 1);
    rows.push_back(TRY(tensor->Reshape(std::move(shape))));
  }
  auto stacked = Concatenate(rows);
  if (!stacked.ok()) return Ragged("its tensors have different types or shapes");
  return FlatValue{std::move(*stacked), nullptr};
}

}  // namespace

base::Result<FlatValue> Flatten(Value value) {
  if (auto* tensor = std::get_if<Tensor>(&value.content))
    return FlatValue{std::move(*tensor), nullptr};
  if (auto* map = std::get_if<Map>(&value.content)) {
    Tensor values = TRY(map->values.Reshape({map->keys.element_count()}));
    return FlatValue{std::move(values), std::make_shared<Tensor>(std::move(map->keys))};
  }
  const std::vector<Value>& items = std::get<Sequence>(value.content).items;
  if (items.empty()) return FlatValue{};
  if (std::holds_alternative<Map>(items.front().content)) return FlattenMaps(items);
  if (std::holds_alternative<Tensor>(items.front().content)) return FlattenTensors(items);
  return Ragged("it is a sequence of sequences");
}

}  // namespace slipway::inference
