// SPDX-License-Identifier: Apache-2.0
// Files of pandas and pyarrow ($SLIPWAY_PYTHON) read here, and files written here read by them.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "storage/folder_testing.h"
#include "storage/parquet.h"

namespace slipway::storage {
namespace {

class Parquet : public ::testing::Test {
 protected:
  // Runs a script in the folder; its output must be empty.
  void Python(const std::string& script) {
    std::ofstream(folder_ / "script.py") << "import numpy as np, pandas as pd, pyarrow as pa\n"
                                            "import pyarrow.parquet as pq, datetime, decimal\n"
                                         << script;
    const char* python = std::getenv("SLIPWAY_PYTHON");
    const std::string command = "cd " + folder_.path() + " && timeout 60 " +
                                (python == nullptr ? "python3" : python) +
                                " script.py > out.txt 2>&1";
    const int status = std::system(command.c_str());
    std::ifstream out(folder_ / "out.txt");
    const std::string text((std::istreambuf_iterator<char>(out)), {});
    ASSERT_TRUE(status == 0 && text.empty()) << text;
  }

  TestFolder folder_;
};

std::vector<int> All(const ParquetReader& reader) {
  std::vector<int> columns(reader.columns().size());
  std::iota(columns.begin(), columns.end(), 0);
  return columns;
}

TEST_F(Parquet, ReadsWhatPandasWrites) {
  Python(R"(
df = pd.DataFrame({
  "age": np.array([1, 2, 3, 4, 5], dtype="int16"),
  "fare": [1.5, float("nan"), -3.25, None, 1e300],
  "ok": pd.array([True, None, False, True, None], dtype="boolean"),
  "kind": pd.Categorical(["a", "b", None, "a", "b"]),
  "name": ["x", None, "\u00e4", "", "z"],
  "single": np.array([0.1, 0.2, 0.3, 0.4, 0.5], dtype="float32"),
  "when": pd.to_datetime(["1970-01-01T00:00:01.5Z", None, "2020-01-02T00:00:00Z", "1969-12-31T23:59:59Z", "2020-01-01T00:00:00Z"], format="ISO8601"),
  "day": [datetime.date(1970, 1, 3)] * 5,
  "price": [decimal.Decimal("12.34")] * 5,
})
df.to_parquet("pandas.parquet", row_group_size=3))");
  auto reader = OpenParquet(folder_ / "pandas.parquet");
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  EXPECT_EQ((*reader)->rows(), 5);
  ASSERT_EQ((*reader)->groups(), 2);
  EXPECT_EQ((*reader)->RowsOf(1), 2);
  const auto batch = (*reader)->Read(0, All(**reader));
  ASSERT_TRUE(batch.ok()) << batch.status().ToString();
  const auto column = [&](const char* name) {
    return batch->columns[static_cast<size_t>((*reader)->Find(name).value())];
  };
  EXPECT_THAT(column("age").ints, ::testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(column("fare").doubles[0], 1.5);
  EXPECT_FALSE(column("fare").IsPresent(1) && !std::isnan(column("fare").doubles[1]));
  EXPECT_THAT(column("ok").present, ::testing::ElementsAre(1, 0, 1));
  EXPECT_EQ(column("ok").bools[0], 1);
  EXPECT_EQ(column("kind").type, ParquetType::kText);
  EXPECT_EQ(column("kind").texts[1], "b");
  EXPECT_FALSE(column("kind").IsPresent(2));
  EXPECT_EQ(column("name").texts[2], "\u00e4");
  EXPECT_FLOAT_EQ(column("single").floats[2], 0.3F);
  EXPECT_EQ(column("when").type, ParquetType::kTime);
  EXPECT_EQ(column("when").ints[0], 1'500'000);
  EXPECT_EQ(column("day").ints[0], 2 * 86'400'000'000);
  EXPECT_DOUBLE_EQ(column("price").doubles[0], 12.34);
}

TEST_F(Parquet, ReadsChosenColumnsInTheOrderAsked) {
  Python(
      R"(pq.write_table(pa.table({"a": [1, 2], "b": ["x", "y"], "c": [0.5, 1.5]}), "t.parquet"))");
  const auto reader = OpenParquet(folder_ / "t.parquet").value()->Read(0, std::vector<int>{2, 1});
  ASSERT_TRUE(reader.ok());
  ASSERT_EQ(reader->columns.size(), 2U);
  EXPECT_THAT(reader->columns[0].doubles, ::testing::ElementsAre(0.5, 1.5));
  EXPECT_THAT(reader->columns[1].texts, ::testing::ElementsAre("x", "y"));
}

TEST_F(Parquet, ANestedColumnIsRefusedByNameAndTheOthersAreRead) {
  Python(R"(pq.write_table(pa.table({"s": [{"a": 1}, None], "n": [7, 8],
                                     "tags": [[1], [2, 3]]}), "t.parquet"))");
  const auto reader = OpenParquet(folder_ / "t.parquet").value();
  const auto refused = reader->Read(0, All(*reader));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().reason(), "nested_column");
  EXPECT_EQ(refused.status().field(), "s");
  const auto read = reader->Read(0, std::vector<int>{reader->Find("n").value()});
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_THAT(read->columns[0].ints, ::testing::ElementsAre(7, 8));
}

TEST_F(Parquet, BrokenFilesAreRefused) {
  EXPECT_EQ(OpenParquet(folder_ / "none").status().code(), base::Code::kNotFound);
  std::ofstream(folder_ / "text") << "hello, this is no Parquet file at all";
  EXPECT_EQ(OpenParquet(folder_ / "text").status().reason(), "bad_parquet");
  Python(R"(
pq.write_table(pa.table({"a": list(range(5000))}), "whole", use_dictionary=False)
data = bytearray(open("whole", "rb").read())
for i in range(60, 4000): data[i] = 255
open("spoilt", "wb").write(data))");
  const auto spoilt = OpenParquet(folder_ / "spoilt");
  if (spoilt.ok()) {
    EXPECT_EQ((*spoilt)->Read(0, std::vector<int>{0}).status().reason(), "bad_parquet");
  }
}

TEST_F(Parquet, WritesWhatPyarrowAndPandasRead) {
  const std::vector<int64_t> times = {1'000'000, 2'000'000, 3'000'000};
  const std::vector<float> floats = {0.5F, std::nanf(""), 2.5F};
  const std::vector<uint8_t> bools = {1, 0, 1};
  const std::vector<std::string_view> texts = {"one", "", "drei"};
  const std::vector<std::string_view> bytes = {std::string_view("\xff\0", 2), "b", "c"};
  const std::vector<uint8_t> present = {1, 0, 1};
  const std::vector<ParquetColumn> columns = {{"time", ParquetType::kTime},
                                              {"x", ParquetType::kFloat},
                                              {"ok", ParquetType::kBool},
                                              {"name", ParquetType::kText},
                                              {"raw", ParquetType::kBytes}};
  auto writer = CreateParquet(folder_ / "ours.parquet", columns, {{{"made by", "a test"}}, 0, {3}});
  ASSERT_TRUE(writer.ok()) << writer.status().ToString();
  const std::vector<ParquetValues> values = {
      {.type = ParquetType::kTime, .ints = times},
      {.type = ParquetType::kFloat, .floats = floats, .present = present},
      {.type = ParquetType::kBool, .bools = bools},
      {.type = ParquetType::kText, .texts = texts, .present = present},
      {.type = ParquetType::kBytes, .texts = bytes}};
  ASSERT_TRUE((*writer)->Write(3, values).ok());
  ASSERT_TRUE((*writer)->Write(3, values).ok());
  const base::Status finished = (*writer)->Finish();
  ASSERT_TRUE(finished.ok()) << finished.ToString();
  Python(R"(
f = pq.ParquetFile("ours.parquet")
assert f.metadata.num_row_groups == 2 and f.metadata.num_rows == 6
assert f.metadata.metadata[b"made by"] == b"a test"
x = f.metadata.row_group(0).column(1)
assert x.compression == "ZSTD" and not x.has_dictionary_page, x
assert f.metadata.row_group(0).sorting_columns[0].column_index == 0
t = f.read().to_pydict()
assert t["x"] == [0.5, None, 2.5] * 2, t
assert t["ok"] == [True, False, True] * 2
assert t["name"] == ["one", None, "drei"] * 2
assert t["raw"][0] == b"\xff\x00"
assert str(pd.read_parquet("ours.parquet")["time"][1]) == "1970-01-01 00:00:02+00:00")");
  const auto reader = OpenParquet(folder_ / "ours.parquet").value();
  EXPECT_EQ(reader->metadata().at("made by"), "a test");
  EXPECT_EQ(reader->RangeOf(1, 0), (std::pair<int64_t, int64_t>(1'000'000, 3'000'000)));
  EXPECT_EQ(reader->RangeOf(0, 1), std::nullopt);
}

TEST_F(Parquet, ColumnsOfUnequalLengthAndTwiceTheSameNameAreRefused) {
  EXPECT_FALSE(CreateParquet(folder_ / "x", {{"a"}, {"a"}}, {}).ok());
  auto writer = CreateParquet(folder_ / "x", {{"a"}, {"b"}}, {}).value();
  const std::vector<double> one = {1};
  const std::vector<double> two = {1, 2};
  EXPECT_FALSE(
      writer->Write(1, std::vector<ParquetValues>{{.doubles = one}, {.doubles = two}}).ok());
}

}  // namespace
}  // namespace slipway::storage
