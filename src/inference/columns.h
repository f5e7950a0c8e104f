// SPDX-License-Identifier: Apache-2.0
// Columns: a table by feature name, and the tensors a model wants for it. Golden sets, labelled
// windows and data-frame style requests come this way.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference {

struct Column {
  std::string name;
  // Missing numbers are NaN in the double form.
  std::variant<std::vector<double>, std::vector<int64_t>, std::vector<std::string>> values;
  [[nodiscard]] size_t size() const;
};

// JSON cells of one column: all strings, or numbers, booleans and nulls (missing: NaN).
// kInvalidArgument naming column and row.
base::Result<Column> ColumnFromJson(const std::string& name,
                                    const std::vector<const base::Json*>& cells);

// Either every model input has its column of that name (shape [N] or [N,1]), or the model has one
// numeric input [N,C] and there are C columns, in its order, or in
// any order when the input names its columns. A model that is `open` gets each as it is. Numbers
// become the input's type; one
// that does not fit it (NaN or 1.5 for an integer) is kInvalidArgument naming the column. A missing
// or unknown column is kInvalidArgument (reason "missing_column" / "unknown_column").
base::Result<Request> RequestFromColumns(const std::vector<Column>& columns,
                                         const ModelDescription& description);

// {"columns": ["a","b"], "data": [[1,"x"], ...]}: pandas' "split" orientation. `field` is put
// before the names in errors.
base::Result<std::vector<Column>> ColumnsFromSplit(const base::Json& split,
                                                   const std::string& field);

}  // namespace slipway::inference
