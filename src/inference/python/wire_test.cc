// SPDX-License-Identifier: Apache-2.0
#include "inference/python/wire.h"

#include <gtest/gtest.h>

#include <cstring>

#include "inference/python/environment.h"
#include "inference/testing.h"

namespace slipway::inference::python {
namespace {

struct Placed {
  std::shared_ptr<Segment> segment;
  std::string table;
};

Placed Place(const std::vector<NamedTensor>& tensors) {
  Placed placed{*Segment::Make(1, PlacedBytes(tensors)), {}};
  PlaceTensors(tensors, placed.segment->bytes(), placed.table);
  return placed;
}

TEST(PythonWire, EveryTypeComesBackAsItWasPlaced) {
  const Request request = IdentityRequest();
  const Placed placed = Place(request.inputs);
  const auto taken = TakeTensors(placed.table, placed.segment);
  ASSERT_TRUE(taken.ok()) << taken.status().ToString();
  ASSERT_EQ(taken->size(), request.inputs.size());
  for (size_t i = 0; i < taken->size(); ++i) {
    const Tensor& before = request.inputs[i].tensor;
    const Tensor& after = (*taken)[i].tensor;
    EXPECT_EQ((*taken)[i].name, request.inputs[i].name);
    EXPECT_EQ(after.type(), before.type());
    EXPECT_EQ(after.shape(), before.shape());
    EXPECT_EQ(after.strings(), before.strings());
    EXPECT_TRUE(std::equal(after.bytes().begin(), after.bytes().end(), before.bytes().begin(),
                           before.bytes().end()));
  }
}

TEST(PythonWire, ALargeTensorIsNotCopiedAndKeepsItsSegment) {
  const std::vector<NamedTensor> tensors = {{"x", Tensor(DataType::kFp32, {1024, 1024})}};
  Placed placed = Place(tensors);
  auto taken = TakeTensors(placed.table, placed.segment);
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ((*taken)[0].tensor.bytes().data(), placed.segment->bytes().data());
  EXPECT_EQ(placed.segment.use_count(), 2);
  taken->clear();
  EXPECT_EQ(placed.segment.use_count(), 1);
}

// A worker is not trusted: whatever it writes into a table, the server stays inside the segment.
TEST(PythonWire, ATableThatLiesIsRefused) {
  const std::vector<NamedTensor> tensors = {{"x", Tensor::Of<float>({2, 2}, {1, 2, 3, 4})},
                                            {"s", Tensor::Of<std::string>({2}, {"one", "two"})}};
  const Placed good = Place(tensors);
  const auto reason = [&](size_t at, auto value) {
    std::string table = good.table;
    std::memcpy(table.data() + at, &value, sizeof(value));
    return TakeTensors(table, good.segment).status().reason();
  };
  constexpr size_t kOffset = 8, kBytes = 16, kFirstDim = 24;
  EXPECT_EQ(reason(0, uint8_t{14}), "worker_garbled");               // no such type
  EXPECT_EQ(reason(1, uint8_t{255}), "worker_garbled");              // rank
  EXPECT_EQ(reason(2, uint16_t{60000}), "worker_garbled");           // name
  EXPECT_EQ(reason(kOffset, uint64_t{1} << 40), "worker_garbled");   // outside
  EXPECT_EQ(reason(kOffset, ~uint64_t{0} - 63), "worker_garbled");   // wraps around
  EXPECT_EQ(reason(kOffset, uint64_t{4}), "worker_garbled");         // not aligned
  EXPECT_EQ(reason(kBytes, uint64_t{17}), "worker_garbled");         // not its shape's
  EXPECT_EQ(reason(kFirstDim, int64_t{-2}), "worker_garbled");       // negative
  EXPECT_EQ(reason(kFirstDim, int64_t{1} << 62), "worker_garbled");  // overflows
  EXPECT_EQ(TakeTensors(good.table, nullptr).status().reason(), "worker_garbled");
  for (size_t size = 1; size < good.table.size(); ++size) {
    const auto cut = TakeTensors(good.table.substr(0, size), good.segment);
    if (cut.ok()) {
      EXPECT_EQ(cut->size(), 1U) << size;  // cut right behind the first tensor
    }
  }
  // Places of strings that run backwards or out of the tensor.
  for (const int64_t place : {int64_t{-1}, int64_t{7}, int64_t{1} << 60}) {
    std::memcpy(good.segment->bytes().data() + 64 + 8, &place, sizeof(place));
    EXPECT_EQ(TakeTensors(good.table, good.segment).status().reason(), "worker_garbled") << place;
  }
}

TEST(PythonWire, TheSizeOfASegmentIsSealed) {
  const auto segment = *Segment::Make(1, 1000);
  EXPECT_EQ(segment->bytes().size(), 65536U);
  EXPECT_NE(ftruncate(segment->fd(), 0), 0);
  EXPECT_EQ(errno, EPERM);
}

TEST(PythonWire, AFailureKeepsItsCodeReasonAndText) {
  const auto json = base::Json::Parse(
      R"({"code": "INVALID_ARGUMENT", "reason": "wrong_data", "message": "no", "recycle": false})");
  const base::Status status = ReadFailure(*json);
  EXPECT_EQ(status.code(), base::Code::kInvalidArgument);
  EXPECT_EQ(status.reason(), "wrong_data");
  EXPECT_EQ(status.message(), "no");
  EXPECT_EQ(ReadFailure(base::Json::MakeObject()).code(), base::Code::kInternal);
}

TEST(PythonEnvironment, RequirementsAreFoundInCondaAndPythonEnv) {
  EXPECT_EQ(PipPartOf("channels:\n- conda-forge\ndependencies:\n- python=3.11.2\n- pip<=23.0.1\n"
                      "- pip:\n  - mlflow==3.17.2\n  # why\n  - 'numpy<3'\nname: mlflow-env\n"),
            "mlflow==3.17.2\nnumpy<3\n");
  EXPECT_EQ(PipPartOf("dependencies:\n- numpy\n"), "");
  EXPECT_EQ(DependenciesOf("python: 3.11.2\nbuild_dependencies:\n- pip==23.0.1\ndependencies:\n"
                           "- -r requirements.txt\n- scipy\n"),
            "scipy\n");
}

}  // namespace
}  // namespace slipway::inference::python
