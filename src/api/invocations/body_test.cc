// SPDX-License-Identifier: Apache-2.0
#include "api/invocations/body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>

#include "inference/csv.h"

namespace slipway::api::invocations {
namespace {

using inference::DataType;
using inference::ModelDescription;
using inference::Request;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// a FP32, n INT64, s BYTES, each [N, 1]: what a table of three columns goes into.
ModelDescription Table() {
  ModelDescription description;
  description.inputs = {{"a", DataType::kFp32, {-1, 1}},
                        {"n", DataType::kInt64, {-1, 1}},
                        {"s", DataType::kString, {-1, 1}}};
  return description;
}

ModelDescription Matrix(int64_t width) {
  ModelDescription description;
  description.inputs = {{"x", DataType::kFp32, {-1, width}}};
  return description;
}

void ExpectTwoRows(const base::Result<Request>& request) {
  ASSERT_TRUE(request.ok()) << request.status().ToString();
  ASSERT_THAT(request->inputs, SizeIs(3));
  EXPECT_THAT(request->inputs[0].tensor.shape(), ElementsAre(2, 1));
  EXPECT_EQ(request->inputs[0].tensor.As<float>()[0], 1.5F);
  EXPECT_TRUE(std::isnan(request->inputs[0].tensor.As<float>()[1]));
  EXPECT_THAT(request->inputs[1].tensor.As<int64_t>(), ElementsAre(7, 8));
  EXPECT_THAT(request->inputs[2].tensor.strings(), ElementsAre("u, v", "w"));
}

TEST(InvocationsBody, TakesATableInEveryForm) {
  ExpectTwoRows(DecodeJson(
      R"({"dataframe_split":{"index":[0,1],"columns":["s","a","n"],"data":[["u, v",1.5,7],["w",null,8]]}})",
      Table()));
  ExpectTwoRows(
      DecodeJson(R"({"dataframe_records":[{"a":1.5,"n":7,"s":"u, v"},{"n":8,"s":"w"}]})", Table()));
  ExpectTwoRows(DecodeJson(R"({"instances":[{"a":1.5,"n":7,"s":"u, v"},{"a":null,"n":8,"s":"w"}]})",
                           Table()));
  ExpectTwoRows(
      DecodeJson(R"({"inputs":{"a":[1.5,NaN],"n":[7,8],"s":["u, v","w"]},"params":{}})", Table()));
  ExpectTwoRows(DecodeCsv("s,a,n\n\"u, v\",1.5,7\nw,,8\n", Table()));
  ExpectTwoRows(DecodeCsv("\xEF\xBB\xBFn, a ,s\r\n7,1.5,\"u, v\"\r\n8,NaN,w", Table()));
}

TEST(InvocationsBody, PutsColumnsSideBySideForAModelOfOneMatrix) {
  for (const char* body : {R"({"dataframe_split":{"columns":["p","q"],"data":[[1,2],[3,4]]}})",
                           R"({"inputs":{"p":[1,3],"q":[2,4]}})",
                           R"({"dataframe_records":[{"p":1,"q":2},{"p":3,"q":4}]})"}) {
    const auto request = DecodeJson(body, Matrix(2));
    ASSERT_TRUE(request.ok()) << body << request.status().ToString();
    EXPECT_THAT(request->inputs[0].tensor.shape(), ElementsAre(2, 2));
    EXPECT_THAT(request->inputs[0].tensor.As<float>(), ElementsAre(1, 2, 3, 4));
  }
}

TEST(InvocationsBody, TakesTensorsWithTheirShape) {
  for (const char* body :
       {R"({"instances":[[1,2],[3,4.5]]})", R"({"inputs":[[1,2],[3,4.5]]})",
        R"({"inputs":{"x":[[1,2],[3,4.5]]}})", R"({"instances":[{"x":[1,2]},{"x":[3,4.5]}]})"}) {
    const auto request = DecodeJson(body, Matrix(2));
    ASSERT_TRUE(request.ok()) << body << request.status().ToString();
    EXPECT_EQ(request->inputs[0].name, "x");
    EXPECT_THAT(request->inputs[0].tensor.shape(), ElementsAre(2, 2));
    EXPECT_THAT(request->inputs[0].tensor.As<double>(), ElementsAre(1, 2, 3, 4.5));
  }
}

struct Bad {
  const char* body;
  const char* field;
};

TEST(InvocationsBody, RefusesWrongJsonNamingTheField) {
  const std::vector<Bad> table = {
      {"", "body"},
      {"[1]", "body"},
      {"nonsense", "body"},
      {"{", "body"},
      {"{}", "body"},
      {R"({"data":[[1]]})", "data"},
      {R"({"instances":[[1]],"inputs":[[1]]})", "inputs"},
      {R"({"instances":[[1]],"params":{"temperature":[1]}})", "params.temperature"},
      {R"({"instances":[[1]],"signature_name":"s"})", "signature_name"},
      {R"({"dataframe_split":[]})", "dataframe_split"},
      {R"({"dataframe_split":{}})", "dataframe_split.columns"},
      {R"({"dataframe_split":{"columns":["a"]}})", "dataframe_split.data"},
      {R"({"dataframe_split":{"columns":["a"],"data":[]}})", "dataframe_split.data"},
      {R"({"dataframe_split":{"columns":["a"],"data":[[1,2]]}})", "dataframe_split.data[0]"},
      {R"({"dataframe_split":{"columns":[1],"data":[[1]]}})", "dataframe_split.columns[0]"},
      {R"({"dataframe_split":{"columns":["a","n","z"],"data":[[1,1,"s"]]}})", "z"},
      {R"({"dataframe_split":{"columns":["a","n"],"data":[[1,1]]}})", "s"},
      {R"({"dataframe_split":{"columns":["a","n","s"],"data":[["text",1,"s"]]}})", "a"},
      {R"({"dataframe_split":{"columns":["a","n","s"],"data":[[1,1.5,"s"]]}})", "n"},
      {R"({"dataframe_split":{"columns":["a","n","s"],"data":[[1,null,"s"]]}})", "n"},
      {R"({"dataframe_split":{"columns":["a","n","s"],"data":[[1,1,5]]}})", "s"},
      {R"({"dataframe_split":{"columns":["a","n","s"],"data":[[1,{},"s"]]}})", "n"},
      {R"({"dataframe_records":{}})", "dataframe_records"},
      {R"({"dataframe_records":[]})", "dataframe_records"},
      {R"({"dataframe_records":[1]})", "dataframe_records[0]"},
      {R"({"dataframe_records":[{"a":1},[]]})", "dataframe_records[1]"},
      {R"({"instances":[]})", "instances"},
      {R"({"instances":5})", "instances"},
      {R"({"instances":[[1],[2]]})", "instances"},
      {R"({"inputs":5})", "inputs"},
      {R"({"inputs":{}})", "inputs"},
      {R"({"inputs":{"a":5}})", "inputs.a"},
      {R"({"inputs":{"a":[[1,2],[3]]}})", "inputs.a"},
      {R"({"inputs":{"a":[[1],[{}]]}})", "inputs.a"},
      {R"({"inputs":{"a":[1,2],"n":[1],"s":["x","y"]}})", "n"},
  };
  for (const Bad& bad : table) {
    const auto request = DecodeJson(bad.body, Table());
    ASSERT_FALSE(request.ok()) << bad.body;
    EXPECT_EQ(request.status().code(), base::Code::kInvalidArgument) << bad.body;
    EXPECT_EQ(request.status().field(), bad.field) << bad.body << " " << request.status().message();
  }
}

TEST(InvocationsBody, RefusesWrongCsvNamingRowOrColumn) {
  const std::vector<Bad> table = {
      {"", "csv"},
      {"a,n,s\n", "csv"},
      {"a,n,s\n1,2\n", "csv"},
      {"a,n,s\n1,2,\"x\n", "csv"},
      {"a,n,s\n1,2,\"x\"y\n", "csv"},
      {"a,n\n1,2\n", "s"},
      {"a,n,s,t\n1,2,x,3\n", "t"},
      {"a,n,s\nx,2,y\n", "a"},
      {"a,n,s\n1,,y\n", "n"},
      {"a,n,s\n1,2.5,y\n", "n"},
  };
  for (const Bad& bad : table) {
    const auto request = DecodeCsv(bad.body, Table());
    ASSERT_FALSE(request.ok()) << bad.body;
    EXPECT_EQ(request.status().field(), bad.field) << bad.body << " " << request.status().message();
  }
  EXPECT_THAT(DecodeCsv("a,n,s\n1,2,x\nbad,2,y\n", Table()).status().message(), HasSubstr("row 1"));
}

TEST(InvocationsBody, SurvivesAnyDamage) {
  const std::string json =
      R"({"dataframe_split":{"columns":["s","a","n"],"data":[["u\u00fc",1.5,7],["w",NaN,8]]},"params":{}})";
  const std::string csv = "s,a,n\n\"u, \"\"v\",1.5,7\nw,,8\n";
  const bool held = rc::check([&] {
    std::string body = *rc::gen::element(json, csv);
    const auto changes = *rc::gen::inRange(0, 4);
    for (int i = 0; i < changes; ++i)
      body[*rc::gen::inRange<size_t>(0, body.size())] = *rc::gen::arbitrary<char>();
    body.resize(*rc::gen::inRange<size_t>(0, body.size() + 1));
    for (const auto& request : {DecodeJson(body, Table()), DecodeCsv(body, Table())}) {
      RC_ASSERT(request.ok() || request.status().code() == base::Code::kInvalidArgument);
    }
  });
  EXPECT_TRUE(held);
}

TEST(InvocationsBody, CsvWithoutNamesGoesToTheInputsInOrder) {
  inference::ModelDescription two;
  two.inputs = {{"a", inference::DataType::kFp32, {-1, 1}},
                {"b", inference::DataType::kInt64, {-1}}};
  EXPECT_TRUE(inference::CsvBeginsWithNumbers("1.5,2\n"));
  EXPECT_TRUE(inference::CsvBeginsWithNumbers("1.5,,-3e4"));
  EXPECT_FALSE(inference::CsvBeginsWithNumbers("a,2\n1,2\n"));
  EXPECT_FALSE(inference::CsvBeginsWithNumbers(""));
  const auto request = DecodeCsv("1.5,2\n,4\n", two, true);
  ASSERT_TRUE(request.ok()) << request.status().ToString();
  EXPECT_EQ(request->inputs[0].name, "a");
  EXPECT_EQ(request->inputs[0].tensor.NumberAt(0), 1.5);
  EXPECT_EQ(request->inputs[1].tensor.NumberAt(1), 4);
  EXPECT_EQ(DecodeCsv("1,2,3\n", two, true).status().field(), "column 2");
}

}  // namespace
}  // namespace slipway::api::invocations
