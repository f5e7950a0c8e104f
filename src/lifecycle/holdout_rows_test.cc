// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/holdout_rows.h"

#include <gtest/gtest.h>

namespace slipway::lifecycle {
namespace {

constexpr std::string_view kCsv =
    "age,region,income,label\n30,north,1.5,1\n40,south,,0\n\"50\",north,2,1\n";
const HoldoutShape kShape = {"", "label", {"region"}};

inference::ModelDescription Taking(std::vector<std::string> names) {
  inference::ModelDescription description;
  for (const std::string& name : names)
    description.inputs.push_back({name, inference::DataType::kFp32, {-1, 1}});
  return description;
}

std::string FieldOf(std::string_view bytes, const HoldoutShape& shape) {
  return ReadHoldout(bytes, shape).status().field();
}

TEST(HoldoutRows, TellsLabelSegmentsAndFeaturesApart) {
  const HoldoutRows rows = ReadHoldout(kCsv, kShape).value();
  EXPECT_EQ(rows.format, "csv");
  EXPECT_EQ(rows.labels, (std::vector<double>{1, 0, 1}));
  EXPECT_EQ(rows.segments[0], (std::vector<std::string>{"north", "south", "north"}));
  EXPECT_EQ(rows.columns.size(), 3u);
}

TEST(HoldoutRows, AsksAModelForASegmentsColumnOnlyWhenItTakesIt) {
  const HoldoutShape shape = {"", "label", {"income"}};
  const HoldoutRows rows = ReadHoldout("age,income,label\n30,1,1\n40,2,0\n", shape).value();
  EXPECT_EQ(RequestOf(rows, shape, Taking({"age"}))->inputs.size(), 1u);
  EXPECT_EQ(RequestOf(rows, shape, Taking({"age", "income"}))->inputs.size(), 2u);
  EXPECT_EQ(RequestOf(rows, shape, Taking({"age", "height"})).status().reason(), "missing_column");
}

TEST(HoldoutRows, ReadsJsonAlike) {
  const HoldoutRows rows =
      ReadHoldout(R"({"columns": ["x", "label"], "data": [[1.5, 1], [2.5, 0]]})", {"", "label", {}})
          .value();
  EXPECT_EQ(rows.format, "json");
  EXPECT_EQ(rows.labels, (std::vector<double>{1, 0}));
}

TEST(HoldoutRows, NamesWhatIsWrong) {
  EXPECT_EQ(FieldOf(kCsv, {"", "target", {}}), "label");
  EXPECT_EQ(FieldOf(kCsv, {"", "region", {}}), "label");
  EXPECT_EQ(FieldOf(kCsv, {"", "income", {}}), "label");  // a missing number
  EXPECT_EQ(FieldOf(kCsv, {"", "label", {"zone"}}), "segments");
  EXPECT_EQ(FieldOf("label\n1\n", {"", "label", {}}), "rows");
  EXPECT_EQ(FieldOf("a,label\n1\n", {"", "label", {}}), "csv");
  EXPECT_EQ(FieldOf("", {"", "label", {}}), "csv");
  EXPECT_EQ(FieldOf("PK\x03\x04 no archive", {"", "label", {}}), "npz");
}

}  // namespace
}  // namespace slipway::lifecycle
