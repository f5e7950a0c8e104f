// SPDX-License-Identifier: Apache-2.0
#include "api/oip/request_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <cstring>

#include "api/oip/bad_requests_testing.h"

namespace slipway::api::oip {
namespace {

using inference::DataType;
using inference::Tensor;
using ::testing::ElementsAre;
using ::testing::SizeIs;

base::Result<InferCall> Decode(std::string body, std::optional<size_t> json_bytes = {}) {
  static const SharedRegions kNone("on");
  return DecodeInfer(std::make_shared<const std::string>(std::move(body)), json_bytes,
                     {kNone, "127.0.0.1"});
}

std::string Tensors(const std::string& tensors) { return R"({"inputs":[)" + tensors + "]}"; }

Tensor DecodeOne(const std::string& type, const std::string& shape, const std::string& data) {
  auto call = Decode(Tensors(R"({"name":"x","datatype":")" + type + R"(","shape":)" + shape +
                             R"(,"data":)" + data + "}"));
  EXPECT_TRUE(call.ok()) << call.status().ToString();
  return call.ok() ? call->call.request.inputs[0].tensor : Tensor();
}

TEST(OipRequest, RefusesWrongBodiesNamingTheField) {
  const auto table = BadRequests();
  EXPECT_GE(table.size(), 40U);
  for (const BadRequest& bad : table) {
    const auto call = Decode(bad.body, bad.json_bytes);
    ASSERT_FALSE(call.ok()) << bad.name;
    EXPECT_EQ(call.status().code(), base::Code::kInvalidArgument) << bad.name;
    EXPECT_EQ(call.status().field(), bad.field) << bad.name << ": " << call.status().message();
  }
}

TEST(OipRequest, ReadsEveryTypeFromJson) {
  EXPECT_THAT(DecodeOne("BOOL", "[2]", "[true,false]").As<bool>(), ElementsAre(true, false));
  EXPECT_THAT(DecodeOne("UINT8", "[2]", "[0,255]").As<uint8_t>(), ElementsAre(0, 255));
  EXPECT_THAT(DecodeOne("UINT16", "[1]", "[65535]").As<uint16_t>(), ElementsAre(65535));
  EXPECT_THAT(DecodeOne("UINT32", "[1]", "[4294967295]").As<uint32_t>(), ElementsAre(4294967295U));
  EXPECT_THAT(DecodeOne("UINT64", "[1]", "[18446744073709551615]").As<uint64_t>(),
              ElementsAre(18446744073709551615ULL));
  EXPECT_THAT(DecodeOne("INT8", "[1]", "[-128]").As<int8_t>(), ElementsAre(-128));
  EXPECT_THAT(DecodeOne("INT16", "[1]", "[-32768]").As<int16_t>(), ElementsAre(-32768));
  EXPECT_THAT(DecodeOne("INT32", "[2]", "[-2147483648,3.0]").As<int32_t>(),
              ElementsAre(-2147483648, 3));
  EXPECT_THAT(DecodeOne("INT64", "[1]", "[-9223372036854775808]").As<int64_t>(),
              ElementsAre(std::numeric_limits<int64_t>::min()));
  EXPECT_THAT(DecodeOne("FP32", "[3]", "[1,-2.5,1e-3]").As<float>(), ElementsAre(1, -2.5F, 0.001F));
  EXPECT_THAT(DecodeOne("FP64", "[1]", "[0.1]").As<double>(), ElementsAre(0.1));
  EXPECT_THAT(DecodeOne("BYTES", "[2]", R"(["a\u00fc",""])").strings(),
              ElementsAre("a\xc3\xbc", ""));
}

TEST(OipRequest, ReadsNestedAndFlatDataAlike) {
  const Tensor flat = DecodeOne("INT64", "[2,3]", "[1,2,3,4,5,6]");
  const Tensor nested = DecodeOne("INT64", "[2,3]", "[[1,2,3],[4,5,6]]");
  EXPECT_THAT(nested.shape(), ElementsAre(2, 3));
  EXPECT_THAT(nested.As<int64_t>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(flat.As<int64_t>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(DecodeOne("BYTES", "[2,1]", R"([["a"],["b"]])").strings(), ElementsAre("a", "b"));
  EXPECT_THAT(DecodeOne("FP32", "[]", "[5]").As<float>(), ElementsAre(5));
  EXPECT_EQ(DecodeOne("FP32", "[0,3]", "[]").element_count(), 0);
}

TEST(OipRequest, ReadsMissingAndInfiniteNumbersInTheFormsThatClientsWrite) {
  for (const char* data : {R"([null,"Infinity","-Infinity"])", R"(["NaN","Infinity","-Infinity"])",
                           "[NaN,Infinity,-Infinity]", "[ NaN , Infinity , -Infinity ]"}) {
    const Tensor tensor = DecodeOne("FP32", "[3]", data);
    EXPECT_TRUE(std::isnan(tensor.As<float>()[0])) << data;
    EXPECT_EQ(tensor.As<float>()[1], std::numeric_limits<float>::infinity()) << data;
    EXPECT_EQ(tensor.As<float>()[2], -std::numeric_limits<float>::infinity()) << data;
  }
  const auto call = Decode(
      R"({"id":"NaN \" Infinity","inputs":[{"name":"NaN","datatype":"FP32","shape":[1],"data":[NaN]}]})");
  ASSERT_TRUE(call.ok()) << call.status().ToString();
  EXPECT_EQ(call->call.request_id, "NaN \" Infinity");
  EXPECT_EQ(call->call.request.inputs[0].name, "NaN");
}

TEST(OipRequest, ReadsWhatStandsAroundTheTensors) {
  const auto call = Decode(
      R"({"outputs":[{"name":"y","parameters":{"binary_data":true}},{"name":"z"}],"unknown":{"a":[1]},
          "parameters":{"slipway-key":"user 7","timeout":2500,"binary_data_output":false,"mine":1},"id":"abc",
          "inputs":[{"data":[1],"shape":[1],"datatype":"FP32","name":"x"},{"name":"w","shape":[1],"datatype":"INT64","data":[4]}]})");
  ASSERT_TRUE(call.ok()) << call.status().ToString();
  EXPECT_EQ(call->call.request_id, "abc");
  EXPECT_EQ(call->call.key, "user 7");
  EXPECT_EQ(call->call.timeout_us, 2500);
  EXPECT_FALSE(call->wishes.binary);
  EXPECT_THAT(call->call.request.outputs, ElementsAre("y", "z"));
  ASSERT_EQ(call->wishes.own.size(), 2);
  EXPECT_EQ(call->wishes.own[0].binary, true);
  EXPECT_EQ(call->wishes.own[1].binary, std::nullopt);
  EXPECT_FALSE(call->wishes.special);
  ASSERT_THAT(call->call.request.inputs, SizeIs(2));
  EXPECT_EQ(call->call.request.inputs[1].name, "w");
}

std::string Raw(const Tensor& tensor) {
  std::string out;
  AppendRaw(out, tensor);
  return out;
}

TEST(OipRequest, ReadsBinaryTensorsInTheirOrder) {
  const Tensor floats = Tensor::Of<float>({2}, {1.5F, -2});
  const Tensor texts = Tensor::Of<std::string>({2}, {std::string("a\0b", 3), ""});
  const std::string json =
      Tensors(R"({"name":"x","datatype":"FP32","shape":[2],"parameters":{"binary_data_size":8}},
                 {"name":"j","datatype":"INT8","shape":[1],"data":[7]},
                 {"name":"s","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":11}})");
  const auto call = Decode(json + Raw(floats) + Raw(texts), json.size());
  ASSERT_TRUE(call.ok()) << call.status().ToString();
  const auto& inputs = call->call.request.inputs;
  EXPECT_THAT(inputs[0].tensor.As<float>(), ElementsAre(1.5F, -2));
  EXPECT_THAT(inputs[1].tensor.As<int8_t>(), ElementsAre(7));
  EXPECT_THAT(inputs[2].tensor.strings(), ElementsAre(std::string("a\0b", 3), ""));
}

TEST(OipRequest, BorrowsLargeTensorsFromTheBodyWhenTheyLieAligned) {
  for (const size_t spaces : {0U, 1U, 2U, 3U}) {
    const std::string json =
        Tensors(
            R"({"name":"x","datatype":"FP32","shape":[4096],"parameters":{"binary_data_size":16384}})") +
        std::string(spaces, ' ');
    const auto body = std::make_shared<const std::string>(json + std::string(16384, '\x3f'));
    const SharedRegions none("on");
    auto call = DecodeInfer(body, json.size(), {none, "127.0.0.1"});
    ASSERT_TRUE(call.ok()) << call.status().ToString();
    const auto bytes = call->call.request.inputs[0].tensor.bytes();
    const auto* begin = reinterpret_cast<const std::byte*>(body->data());
    const bool inside = bytes.data() >= begin && bytes.data() < begin + body->size();
    EXPECT_EQ(inside, reinterpret_cast<uintptr_t>(body->data() + json.size()) % 4 == 0);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % 4, 0U);
    EXPECT_GT(call->call.request.inputs[0].tensor.NumberAt(4095), 0.7);
  }
}

TEST(OipRequest, RefusesMoreJsonThanItsLimit) {
  const auto call = Decode(std::string(kMaxJsonBytes + 1, ' '));
  ASSERT_FALSE(call.ok());
  EXPECT_EQ(call.status().reason(), "json_too_large");
}

inference::ModelDescription Takes(DataType type, inference::Shape shape) {
  inference::ModelDescription description;
  description.inputs = {{"x", type, std::move(shape)}};
  return description;
}

TEST(OipRequest, FillsTheShapeOfARequestWithoutJson) {
  const auto body = std::make_shared<const std::string>(std::string(48, '\0'));
  const auto shape = [&](DataType type, inference::Shape model) {
    auto call = DecodeRawInfer(body, Takes(type, std::move(model)));
    return call.ok() ? call->call.request.inputs[0].tensor.shape() : inference::Shape{-99};
  };
  EXPECT_THAT(shape(DataType::kFp32, {-1, 12}), ElementsAre(1, 12));
  EXPECT_THAT(shape(DataType::kFp32, {-1, 4}), ElementsAre(3, 4));
  EXPECT_THAT(shape(DataType::kFp32, {-1, -1}), ElementsAre(1, 12));
  EXPECT_THAT(shape(DataType::kFp64, {2, 3}), ElementsAre(2, 3));
  EXPECT_THAT(shape(DataType::kFp32, {-1, 5}), ElementsAre(-99));
  EXPECT_THAT(shape(DataType::kFp32, {-1, -1, -1}), ElementsAre(-99));
  EXPECT_THAT(shape(DataType::kFp32, {0, -1}), ElementsAre(-99));
  EXPECT_THAT(shape(DataType::kString, {-1, 1}), ElementsAre(1, 1));
  inference::ModelDescription two = Takes(DataType::kFp32, {-1});
  two.inputs.push_back(two.inputs[0]);
  EXPECT_EQ(DecodeRawInfer(body, two).status().field(), "inputs");
}

// Valid requests, cut and changed at random: whatever comes, the answer is a call or a
// kInvalidArgument with a field.
TEST(OipRequest, SurvivesAnyDamage) {
  const std::string json = Tensors(
      R"({"name":"x","datatype":"FP32","shape":[2,2],"data":[[1,2.5e3],[null,"NaN"]]},
         {"name":"s","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":11}},
         {"name":"b","datatype":"INT64","shape":[1],"parameters":{"binary_data_size":8}})");
  const std::string whole =
      json + Raw(Tensor::Of<std::string>({2}, {"abc", ""})) + Raw(Tensor::Of<int64_t>({1}, {-5}));
  ASSERT_TRUE(Decode(whole, json.size()).ok()) << Decode(whole, json.size()).status().ToString();
  const bool held = rc::check([&] {
    std::string body = whole;
    const auto changes = *rc::gen::inRange(0, 4);
    for (int i = 0; i < changes; ++i) {
      const auto place = *rc::gen::inRange<size_t>(0, body.size());
      body[place] = *rc::gen::arbitrary<char>();
    }
    body.resize(*rc::gen::inRange<size_t>(0, body.size() + 1));
    const auto bytes = *rc::gen::inRange<size_t>(0, whole.size() + 10);
    const auto call =
        Decode(body, *rc::gen::element<std::optional<size_t>>(std::nullopt, bytes, json.size()));
    RC_ASSERT(call.ok() || (call.status().code() == base::Code::kInvalidArgument &&
                            !call.status().field().empty()));
  });
  EXPECT_TRUE(held);
}

constexpr const char* kInput =
    R"("inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}])";

base::Result<InferCall> WithParameters(const std::string& parameters) {
  return Decode(R"({"parameters":)" + parameters + "," + kInput + "}");
}

TEST(OipRequest, TakesTheParametersThatHaveAMeaningAndLeavesTheRestToTheModel) {
  const auto call = WithParameters(
      R"({"priority":2,"timeout":5000,"temperature":0.5,"top":3,"whole":2.0,"deep":true,"word":"x",)"
      R"("nothing":null,"triton_enable_empty_final_response":true})");
  ASSERT_TRUE(call.ok()) << call.status().ToString();
  EXPECT_EQ(call->call.priority, 2);
  EXPECT_EQ(call->call.timeout_us, 5000);
  EXPECT_TRUE(call->wishes.empty_final);
  const inference::Parameters wanted = {{"temperature", 0.5},
                                        {"top", int64_t{3}},
                                        {"whole", int64_t{2}},
                                        {"deep", true},
                                        {"word", std::string("x")}};
  EXPECT_EQ(call->call.request.parameters, wanted);
  EXPECT_FALSE(call->call.request.sequence);
}

TEST(OipRequest, SaysWhereInASequenceARequestStands) {
  const auto number =
      WithParameters(R"({"sequence_id":42,"sequence_start":true,"sequence_end":false})");
  ASSERT_TRUE(number.ok()) << number.status().ToString();
  EXPECT_EQ(number->call.request.sequence->id, "42");
  EXPECT_TRUE(number->call.request.sequence->start);
  EXPECT_FALSE(number->call.request.sequence->end);
  const auto text = WithParameters(R"({"sequence_end":true,"sequence_id":"user-7"})");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text->call.request.sequence->id, "user-7");
  EXPECT_TRUE(text->call.request.sequence->end);
  const auto large = WithParameters(R"({"sequence_id":18446744073709551615})");
  ASSERT_TRUE(large.ok());
  EXPECT_EQ(large->call.request.sequence->id, "18446744073709551615");
  const auto none = WithParameters(R"({"sequence_id":0,"sequence_start":false})");
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->call.request.sequence);
}

TEST(OipRequest, TakesClassesOfAnOutput) {
  const auto call = Decode(R"({"outputs":[{"name":"y","parameters":{"classification":3}}],)" +
                           std::string(kInput) + "}");
  ASSERT_TRUE(call.ok()) << call.status().ToString();
  EXPECT_TRUE(call->wishes.special);
  EXPECT_EQ(call->wishes.own[0].classes, 3);
}

}  // namespace
}  // namespace slipway::api::oip
