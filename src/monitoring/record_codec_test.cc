// SPDX-License-Identifier: Apache-2.0
#include "monitoring/record_codec.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "monitoring/records_testing.h"
#include "monitoring/score.h"
#include "monitoring/table_builder.h"

namespace slipway::monitoring {
namespace {

using inference::DataType;
using inference::Tensor;

PredictionRecord FullRecord() {
  PredictionRecord record =
      TestRecord(7, 1'363'046'400'000'000, {0.25f, 0.75f}, {1.5f, -2.5f}, {"EWR", ""});
  record.plan_epoch = 12;
  record.key = "UA-1545";
  record.request_id = "req \"7\"";
  record.protocol = "oip_http";
  record.queue_ns = 1'000;
  record.run_ns = 250'000;
  record.total_ns = 300'000;
  record.status_code = 13;
  record.error = "model_failed: no";
  record.outputs[1].labels = std::make_shared<const Tensor>(Tensor::Of<int64_t>({2}, {0, 1}));
  return record;
}

TEST(RecordCodec, GivesBackWhatWasLogged) {
  const PredictionRecord record = FullRecord();
  const auto read = DecodePrediction(EncodePrediction(record).value());
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->id, record.id);
  EXPECT_EQ(read->time, record.time);
  EXPECT_EQ(read->endpoint, "flights");
  EXPECT_EQ(read->version, 1);
  EXPECT_EQ(read->arm, "stable");
  EXPECT_EQ(read->plan_epoch, 12);
  EXPECT_EQ(read->key, record.key);
  EXPECT_EQ(read->request_id, record.request_id);
  EXPECT_EQ(read->protocol, "oip_http");
  EXPECT_EQ(read->rows, 2);
  EXPECT_EQ(read->total_ns, 300'000);
  EXPECT_EQ(read->status_code, 13);
  EXPECT_EQ(read->error, record.error);
  ASSERT_EQ(read->inputs.size(), 2u);
  EXPECT_EQ(read->inputs[0].name, "x");
  EXPECT_EQ(read->inputs[0].tensor.shape(), (inference::Shape{2, 1}));
  EXPECT_EQ(read->inputs[0].tensor.NumberAt(1), -2.5);
  EXPECT_EQ(read->inputs[1].tensor.strings(), (std::vector<std::string>{"EWR", ""}));
  EXPECT_EQ(read->outputs[1].tensor.NumberAt(3), 0.75);
  ASSERT_NE(read->outputs[1].labels, nullptr);
  EXPECT_EQ(read->outputs[1].labels->NumberAt(1), 1);
}

TEST(RecordCodec, KeepsWhetherTheAnswerWasRemembered) {
  PredictionRecord record = FullRecord();
  EXPECT_FALSE(DecodePrediction(EncodePrediction(record).value())->cached);
  record.cached = true;
  const std::string bytes = EncodePrediction(record).value();
  EXPECT_TRUE(DecodePrediction(bytes)->cached);
  EXPECT_FALSE(DecodePrediction(bytes + '\1').ok());
}

TEST(RecordCodec, KeepsEveryTypeOfTensor) {
  for (int type = 0; type < static_cast<int>(DataType::kString); ++type) {
    PredictionRecord record = TestRecord(1, 0, 0.5f);
    Tensor tensor(static_cast<DataType>(type), {2, 3});
    for (size_t i = 0; i < tensor.mutable_bytes().size(); ++i)
      tensor.mutable_bytes()[i] = static_cast<std::byte>(i % 2);
    record.inputs = {{"t", tensor}};
    const auto read = DecodePrediction(EncodePrediction(record).value());
    ASSERT_TRUE(read.ok());
    const Tensor& back = read->inputs[0].tensor;
    EXPECT_EQ(back.type(), tensor.type());
    EXPECT_TRUE(std::equal(back.bytes().begin(), back.bytes().end(), tensor.bytes().begin(),
                           tensor.bytes().end()));
    const EncodedRecord encoded(record);
    for (int64_t i = 0; i < 6; ++i)
      EXPECT_EQ(encoded.view.inputs[0].NumberAt(i), tensor.NumberAt(i)) << type;
  }
}

TEST(RecordCodec, RefusesEveryCutAndEveryAppendedByte) {
  const std::string bytes = EncodePrediction(FullRecord()).value();
  PredictionView view;
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(ReadPrediction(std::string_view(bytes).substr(0, length), view).reason(),
              "bad_record")
        << length;
  }
  EXPECT_EQ(ReadPrediction(bytes + "x", view).reason(), "bad_record");
  EXPECT_EQ(ReadPrediction("\x02", view).reason(), "bad_record");
}

TEST(RecordCodec, SurvivesDamagedBytes) {
  const std::string bytes = EncodePrediction(FullRecord()).value();
  EXPECT_TRUE(rc::check([&] {
    std::string damaged = bytes;
    const int changes = *rc::gen::inRange(1, 6);
    for (int i = 0; i < changes; ++i)
      damaged[*rc::gen::inRange<size_t>(0, bytes.size())] = *rc::gen::arbitrary<char>();
    const auto read = DecodePrediction(damaged);
    RC_ASSERT((read.ok() || read.status().code() == base::Code::kDataLoss));
  }));
}

TEST(RecordCodec, WantsAUlid) {
  PredictionRecord record = TestRecord(1, 0, 0.5f);
  for (const char* id : {"", "p1", "81ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAU"}) {
    record.id = id;
    EXPECT_EQ(EncodePrediction(record).status().field(), "id") << id;
  }
}

TEST(RecordCodec, KeepsUlidsAndTheirOrder) {
  for (const char* text :
       {"01ARZ3NDEKTSV4RRFFQ69G5FAV", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "00000000000000000000000000"}) {
    EXPECT_EQ(FormatUlid(ParseUlid(text).value()), text);
  }
  EXPECT_LT(ParseUlid("01ARZ3NDEKTSV4RRFFQ69G5FAV").value(),
            ParseUlid("01ARZ3NDEKTSV4RRFFQ69G5FAW").value());
}

TEST(RecordCodec, KeepsLabels) {
  const LabelBatch batch{"flights",
                         5,
                         {{"01ARZ3NDEKTSV4RRFFQ69G5FAV.3", "", 3, true, 7},
                          {"", "req", 1, 0.5, 8},
                          {"", "req", 2, std::string("late"), -9}}};
  const std::string bytes = EncodeLabels(batch);
  const auto read = DecodeLabels(bytes);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->endpoint, "flights");
  ASSERT_EQ(read->labels.size(), 3u);
  EXPECT_EQ(read->labels[0].prediction_id, batch.labels[0].prediction_id);
  EXPECT_EQ(read->labels[0].value, LabelValue(true));
  EXPECT_EQ(read->labels[1].value, LabelValue(0.5));
  EXPECT_EQ(read->labels[2].value, LabelValue(std::string("late")));
  EXPECT_EQ(read->labels[2].time, -9);
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(DecodeLabels(std::string_view(bytes).substr(0, length)).ok());
  }
}

TEST(Score, IsTheLastColumnOfProbabilities) {
  PredictionRecord record = TestRecord(1, 0, {0.25f, 0.75f}, {0, 0}, {"", ""});
  record.outputs.push_back({"margin", Tensor::Of<float>({2}, {9, 9})});
  const EncodedRecord encoded(record);
  EXPECT_EQ(FindScore(encoded.view, {})->At(0), 0.25);
  EXPECT_EQ(FindScore(encoded.view, {})->At(1), 0.75);
  EXPECT_EQ(FindScore(encoded.view, {"margin", ""})->At(1), 9);
  EXPECT_EQ(FindScore(encoded.view, {"label", ""})->At(1), 1);
  EXPECT_FALSE(FindScore(encoded.view, {"nothing", ""}).has_value());
}

TEST(Score, IsTheColumnThatThePositiveLabelNames) {
  PredictionRecord record = TestRecord(1, 0, 0.25f);
  record.outputs[1].labels =
      std::make_shared<const Tensor>(Tensor::Of<std::string>({2}, {"late", "on time"}));
  const EncodedRecord encoded(record);
  EXPECT_EQ(FindScore(encoded.view, {"", "late"})->At(0), 0.75);
  EXPECT_EQ(FindScore(encoded.view, {"", "on time"})->At(0), 0.25);
  EXPECT_EQ(FindScore(encoded.view, {"", "unknown"})->At(0), 0.25);
}

TEST(TableBuilder, CutsOutRowsOfWideAndTextInputs) {
  PredictionRecord record = TestRecord(1, 0, {0.1f, 0.2f, 0.3f}, {1, 2, 3}, {"a", "b", "c"});
  record.inputs.push_back({"w", Tensor::Of<int64_t>({3, 2}, {10, 11, 20, 21, 30, 31})});
  const EncodedRecord encoded(record);
  TableBuilder table;
  ASSERT_TRUE(table.Fits(encoded.view));
  table.AddRows(encoded.view, std::vector<int64_t>{0, 2});
  EXPECT_FALSE(table.Fits(EncodedRecord(TestRecord(2, 0, 0.5f)).view));
  const auto columns = table.Take();
  ASSERT_EQ(columns.size(), 4u);
  EXPECT_EQ(std::get<std::vector<double>>(columns[0].values), (std::vector<double>{1, 3}));
  EXPECT_EQ(std::get<std::vector<std::string>>(columns[1].values),
            (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(columns[3].name, "w.1");
  EXPECT_EQ(std::get<std::vector<int64_t>>(columns[3].values), (std::vector<int64_t>{11, 31}));
}

TEST(Labels, AreBinaryWhenTheySaySo) {
  EXPECT_EQ(BinaryLabel(true, ""), true);
  EXPECT_EQ(BinaryLabel(0.0, ""), false);
  EXPECT_EQ(BinaryLabel(0.5, ""), std::nullopt);
  EXPECT_EQ(BinaryLabel(std::string("yes"), ""), std::nullopt);
  EXPECT_EQ(BinaryLabel(std::string("yes"), "yes"), true);
  EXPECT_EQ(BinaryLabel(std::string("no"), "yes"), false);
  EXPECT_EQ(BinaryLabel(2.0, "2"), true);
  EXPECT_EQ(LabelValueFromJson(base::Json::MakeArray(), "labels[0].value").status().field(),
            "labels[0].value");
}

}  // namespace
}  // namespace slipway::monitoring
