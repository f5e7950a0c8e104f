// SPDX-License-Identifier: Apache-2.0
#include "inference/columns.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference {
namespace {

std::vector<Column> Table(const std::string& json) {
  auto parsed = base::Json::Parse(json);
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  auto columns = ColumnsFromSplit(*parsed, "golden");
  EXPECT_TRUE(columns.ok()) << columns.status().ToString();
  return columns.ok() ? *columns : std::vector<Column>();
}

base::Status TableError(const std::string& json) {
  auto columns = ColumnsFromSplit(*base::Json::Parse(json), "golden");
  EXPECT_FALSE(columns.ok()) << json;
  return columns.status();
}

TEST(Columns, CellsDecideTheirColumnsKind) {
  const auto columns = Table(R"({"columns":["s","i","d"],"data":[["a",1,1.5],[null,true,null]]})");
  ASSERT_EQ(columns.size(), 3U);
  EXPECT_EQ(std::get<std::vector<std::string>>(columns[0].values),
            (std::vector<std::string>{"a", ""}));
  EXPECT_EQ(std::get<std::vector<int64_t>>(columns[1].values), (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(std::get<std::vector<double>>(columns[2].values)[0], 1.5);
  EXPECT_TRUE(std::isnan(std::get<std::vector<double>>(columns[2].values)[1]));
}

TEST(Columns, WrongCellsAreNamed) {
  EXPECT_NE(TableError(R"({"columns":["s"],"data":[["a"],[1]]})").ToString().find('s'),
            std::string::npos);
  EXPECT_EQ(TableError(R"({"columns":["s"],"data":[[1,2]]})").field(), "golden.data[0]");
  EXPECT_EQ(TableError(R"({"columns":[],"data":[]})").field(), "golden.columns");
  EXPECT_EQ(TableError(R"({"columns":[7],"data":[[1]]})").field(), "golden.columns[0]");
  EXPECT_EQ(TableError(R"({"columns":["a"]})").field(), "golden.data");
}

TEST(Columns, EachInputTakesItsColumn) {
  ModelDescription description;
  description.inputs = {{"carrier", DataType::kString, {-1, 1}}, {"hour", DataType::kFp32, {-1}}};
  auto request = RequestFromColumns(
      Table(R"({"columns":["hour","carrier"],"data":[[7,"UA"],[8,"AA"]]})"), description);
  ASSERT_TRUE(request.ok()) << request.status().ToString();
  EXPECT_EQ(request->inputs[0].tensor.shape(), (Shape{2, 1}));
  EXPECT_EQ(request->inputs[0].tensor.strings()[1], "AA");
  EXPECT_EQ(request->inputs[1].tensor.shape(), (Shape{2}));
  EXPECT_EQ(request->inputs[1].tensor.NumberAt(0), 7);
}

TEST(Columns, OneMatrixInputTakesThemAllInOrder) {
  ModelDescription description;
  description.inputs = {{"x", DataType::kFp32, {-1, 3}}};
  auto request = RequestFromColumns(
      Table(R"({"columns":["a","b","c"],"data":[[1,2,3],[4,5,null]]})"), description);
  ASSERT_TRUE(request.ok()) << request.status().ToString();
  EXPECT_EQ(request->inputs[0].tensor.shape(), (Shape{2, 3}));
  EXPECT_EQ(request->inputs[0].tensor.NumberAt(4), 5);
  EXPECT_TRUE(std::isnan(request->inputs[0].tensor.NumberAt(5)));
}

TEST(Columns, MissingAndUnknownColumnsAreNamed) {
  ModelDescription description;
  description.inputs = {{"a", DataType::kFp32, {-1}}, {"b", DataType::kInt64, {-1}}};
  EXPECT_EQ(
      RequestFromColumns(Table(R"({"columns":["a"],"data":[[1]]})"), description).status().reason(),
      "missing_column");
  EXPECT_EQ(RequestFromColumns(Table(R"({"columns":["a","b","c"],"data":[[1,1,1]]})"), description)
                .status()
                .reason(),
            "unknown_column");
  EXPECT_EQ(RequestFromColumns(Table(R"({"columns":["a","b"],"data":[[1,1.5]]})"), description)
                .status()
                .code(),
            base::Code::kInvalidArgument);
}

TEST(Columns, AnInputThatNamesItsColumnsTakesThemInAnyOrder) {
  ModelDescription model;
  model.inputs = {{"input", DataType::kFp32, {-1, 2}, false, {"age", "income"}}};
  const auto request = RequestFromColumns(
      {{"income", std::vector<double>{10, 20}}, {"age", std::vector<int64_t>{1, 2}}}, model);
  ASSERT_TRUE(request.ok()) << request.status().ToString();
  const auto values = request->inputs[0].tensor.As<float>();
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()), (std::vector<float>{1, 10, 2, 20}));
  EXPECT_EQ(RequestFromColumns({{"age", std::vector<double>{1}}}, model).status().reason(),
            "missing_column");
  EXPECT_EQ(RequestFromColumns({{"age", std::vector<double>{1}},
                                {"income", std::vector<double>{1}},
                                {"hair", std::vector<double>{1}}},
                               model)
                .status()
                .reason(),
            "unknown_column");
}

TEST(Columns, AModelThatIsOpenTakesWhatComes) {
  ModelDescription model;
  model.open = true;
  const auto request = RequestFromColumns(
      {{"word", std::vector<std::string>{"a"}}, {"n", std::vector<int64_t>{7}}}, model);
  ASSERT_TRUE(request.ok()) << request.status().ToString();
  ASSERT_EQ(request->inputs.size(), 2U);
  EXPECT_EQ(request->inputs[0].tensor.strings()[0], "a");
  EXPECT_EQ(request->inputs[1].tensor.As<int64_t>()[0], 7);
  EXPECT_EQ(request->inputs[1].tensor.shape(), (Shape{1, 1}));
}

}  // namespace
}  // namespace slipway::inference
